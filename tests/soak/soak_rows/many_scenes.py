"""A composite of 10,000 scenes, each on a day of its own, over a box of 10 km."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from fairweather.core.bridge.request import Area, CompositeRequest, SceneSearch
from pyproj import Transformer
from rasterio.transform import array_bounds
from soak_published_items import COLLECTION, made_up_item, moment_of
from soak_row import Row, Trial
from soak_worker import MEGABYTE, run_worker

SCENES = 10_000
MOST_BYTES = 2**30
MOST_SECONDS = 3000
CRS = "EPSG:32633"
SIDE = 1000  # pixels of 10 m
MARGIN = 60  # of the files around the box, in pixels
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
# So many different files, which all scenes share: making 20,000 would take longer than the run.
BANDS, MASKS = 24, 24
CLEAR, CLOUDY = 4, 9
CLEAR_SHARE = 0.3
A_DAY = 86_400


@dataclass(frozen=True)
class Archive:
    """The pixels of the box in the files that there are, and which scene has which.

    ``values`` are uint16 (BANDS, SIDE, SIDE), ``clear`` bool (MASKS, SIDE, SIDE); ``pairs`` a
    band's and a mask's number for each scene.
    """

    values: np.ndarray
    clear: np.ndarray
    pairs: list[tuple[int, int]]

    def medians(self) -> tuple[np.ndarray, np.ndarray]:
        """float64 and int64 (SIDE, SIDE): the median over all clear scenes, and their number.

        As the same values come again and again, they are counted instead of being repeated.
        """
        scenes = np.zeros((BANDS, MASKS), np.int64)
        np.add.at(scenes, tuple(np.transpose(self.pairs)), 1)
        times = np.tensordot(scenes, self.clear.astype(np.int64), axes=1)
        order = np.argsort(self.values, axis=0)
        ordered = np.take_along_axis(self.values, order, axis=0).astype(np.float64)
        upto = np.cumsum(np.take_along_axis(times, order, axis=0), axis=0)
        count = upto[-1]
        lower = np.argmax(upto > np.maximum(count - 1, 0) // 2, axis=0)
        upper = np.argmax(upto > count // 2, axis=0)
        middle = [np.take_along_axis(ordered, place[None], axis=0)[0] for place in (lower, upper)]
        return np.where(count > 0, sum(middle) / 2, np.nan), count


def run(trial: Trial) -> Mapping[str, object]:
    """Make the composite; it is right to the last pixel, and takes at most 1 GB."""
    archive = _make_archive(trial)
    catalog = trial.folder / "items.json"
    with catalog.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [\n')
        for number, item in enumerate(_items(archive, trial.folder)):
            file.write((",\n" if number else "") + json.dumps(item))
        file.write("]}")
    left, top = TRANSFORM * (MARGIN, MARGIN)
    box = shapely.box(left, top - 10 * SIDE, left + 10 * SIDE, top)
    request = CompositeRequest(
        SceneSearch(
            COLLECTION,
            Area(CRS, shapely.geometry.mapping(box), is_extent=True),
            "2016-01-01",
            "2099-12-31",
            str(catalog),
            max_cloud=100.0,
        ),
        ("red",),
        str(trial.folder / "composite.tif"),
        report=str(trial.folder / "report.html"),
        count_band=True,
    )
    done = run_worker(request, MOST_SECONDS)
    figures = {"scenes": trial.times, **done.figures}
    assert not done.failure, f"{done.failure} ({figures})"
    assert done.values["DAY_COUNT"] == trial.times, done.values
    different = _different_pixels(Path(request.output), archive)
    assert different == 0, f"{different} pixels differ from numpy's ({figures})"
    pages = Path(request.report).read_text(encoding="utf-8")
    assert pages.count("S2A_T33TWM_") >= trial.times, "the report does not name every scene"
    assert done.peak_bytes <= MOST_BYTES, f"it took {done.peak_bytes / MEGABYTE:.0f} MB ({figures})"
    return figures


def _make_archive(trial: Trial) -> Archive:
    numbers = np.random.default_rng(trial.random.getrandbits(64))
    size = SIDE + 2 * MARGIN
    values = np.stack(
        [_write(trial.folder / f"band-{n}.tif", _land(numbers, size), 1) for n in range(BANDS)]
    )
    masks = np.stack(
        [
            _write(trial.folder / f"mask-{n}.tif", _clouds(numbers, size // 2), 2)
            for n in range(MASKS)
        ]
    )
    box = slice(MARGIN, MARGIN + SIDE)
    clear = masks.repeat(2, axis=1).repeat(2, axis=2)[:, box, box] == CLEAR
    pairs = [_pair(trial.random) for _ in range(trial.times)]
    return Archive(values[:, box, box], clear, pairs)


def _pair(numbers: random.Random) -> tuple[int, int]:
    return numbers.randrange(BANDS), numbers.randrange(MASKS)


def _land(numbers: np.random.Generator, size: int) -> np.ndarray:
    fields = numbers.integers(1000, 6000, (size // 20 + 1, size // 20 + 1))
    land = fields.repeat(20, axis=0).repeat(20, axis=1)[:size, :size]
    return (land + numbers.integers(0, 16, (size, size))).astype(np.uint16)


def _clouds(numbers: np.random.Generator, size: int) -> np.ndarray:
    is_clear = numbers.random((size // 70 + 1, size // 70 + 1)) < CLEAR_SHARE
    is_clear = is_clear.repeat(70, axis=0).repeat(70, axis=1)[:size, :size]
    return np.where(is_clear, CLEAR, CLOUDY).astype(np.uint8)


def _write(path: Path, pixels: np.ndarray, times_as_large: int) -> np.ndarray:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=pixels.shape[0],
        width=pixels.shape[1],
        count=1,
        dtype=pixels.dtype,
        crs=CRS,
        transform=TRANSFORM * Affine.scale(times_as_large),
        nodata=0,
        tiled=True,
        blockxsize=512,
        blockysize=512,
        compress="DEFLATE",
        predictor=2,
    ) as dataset:
        dataset.write(pixels, 1)
    return pixels


def _items(archive: Archive, folder: Path) -> Iterator[dict]:
    """An item a scene, whose files have names of their own."""
    size = SIDE + 2 * MARGIN
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    corners = shapely.box(*array_bounds(size, size, TRANSFORM)).exterior.coords
    ring = [list(to_degrees.transform(*corner)) for corner in corners]
    grid = {"proj:shape": [size, size], "proj:transform": list(TRANSFORM)[:6], "proj:code": CRS}
    for number, (band, mask) in enumerate(archive.pairs):
        files = {name: str(folder / f"{name}-{number:05}.tif") for name in ("red", "scl")}
        os.link(folder / f"band-{band}.tif", files["red"])
        os.link(folder / f"mask-{mask}.tif", files["scl"])
        item = made_up_item(
            number, moment_of(number, A_DAY), cloud=50.0, ring=ring, hrefs=files, grid=grid
        )
        # A mask has pixels twice as large.
        item["assets"]["scl"]["proj:shape"] = [size // 2, size // 2]
        item["assets"]["scl"]["proj:transform"] = list(TRANSFORM * Affine.scale(2))[:6]
        yield item


def _different_pixels(path: Path, archive: Archive) -> int:
    median, count = archive.medians()
    with rasterio.open(path) as dataset:
        red, days = dataset.read()
    expected = (median * 0.0001 - 0.1).astype(np.float32)
    same = np.isclose(red, expected, rtol=0, atol=1e-6, equal_nan=True) & (days == count)
    return int((~same).sum())


ROW = Row(
    "many_scenes",
    "a composite of 10,000 scenes over a box of 10 km is right and takes at most 1 GB",
    SCENES,
    run,
)
