"""A small composite and a small series of files on a server that fails as told, and its oracle."""

import csv
import dataclasses
import functools
import itertools
import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SceneSearch,
    Site,
    TimeSeriesRequest,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.composite import plan as composite_plan
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.imagery.files import byte_ranges, patience, tiff
from fairweather.core.science.imagery.memory_budget import BlockPlan
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.timeseries import site_blocks
from fairweather.core.science.timeseries.job import run_time_series
from fairweather.core.science.web.timed_answers import Pace
from pyproj import Transformer
from rasterio.io import MemoryFile
from urllib3 import Timeout

TILE = 64
COLUMNS = 2
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
BANDS = ("red", "nir")
DAYS = 3
FIRST_DAY = date(2024, 6, 1)
CLOUD, CLEAR = 9, 4
SCALE, OFFSET = 1e-4, -0.1


def make_impatient(patch, timeout=0.5):
    """As many attempts as ever, but short pauses and timeouts, in s; ``patch`` is pytest's.

    On a busy machine, too, only what really stalls reaches half a second.
    """
    policy = patience.RetryPolicy(first_pause=0.001, longest_pause=0.01, longest_in_silence=0.01)
    patch.setattr(byte_ranges, "retry_policy", lambda: policy)
    patch.setattr(byte_ranges, "TIMEOUT", Timeout(connect=10 * timeout, read=timeout))
    pace = Pace(seconds_of_grace=2 * timeout, fewest_bytes_a_second=2048)
    patch.setattr(byte_ranges, "PACE", pace)


def cut_into_tiles(patch):
    """Let each tile of the small job be a block, and a request; ``patch`` is pytest's."""
    patch.setattr(composite_plan, "plan_blocks", lambda *_, **__: BlockPlan(TILE, 2))
    # The files are so small that a header's request would bring the tiles with it.
    patch.setattr(tiff, "HEADER_BYTES", 1024)
    patch.setattr(site_blocks, "SQUARE_EDGE", TILE)


def assert_same_pixels(found, expected):
    """Assert that two composites have the same pixels, as float32 holds them."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def assert_values(small_job, rows, without=()):
    """Every value as in plain numpy, none at the (site, day) of ``without``."""
    assert len(rows) == 2 * 2 * small_job.days
    for row in rows:
        site, day = int(row["site_id"]), int(row["time"][8:10]) - 1
        if (site, day) in without:
            assert row["value"] == ""
            assert row["clear_pixels"] == "0"
        else:
            expected = small_job.expected_value(site, row["index"], day)
            np.testing.assert_allclose(float(row["value"]), expected, rtol=1e-6, atol=1e-9)


def assert_only_the_named_is_lost(found, job):
    """Assert that a composite is whole but for the one file that it names, if it names one."""
    (loss,) = json.loads(found.tags.get("FAIRWEATHER_SKIPPED", '[{"blocks": 0}]'))
    assert bool(found.named) == bool(loss["blocks"])
    day = int(loss.get("item", "scene-0").removeprefix("scene-"))
    candidates = [
        job.oracle(without=[(day, column) for column in columns])
        for columns in itertools.combinations((0, 1), loss["blocks"])
    ]
    assert any(np.allclose(found.pixels, one, atol=1e-6, equal_nan=True) for one in candidates)


@dataclass(frozen=True)
class Outcome:
    """What came out: (bands, height, width) float64, NaN where there is nothing."""

    pixels: np.ndarray
    tags: dict
    warnings: list
    values: dict
    report: str

    @property
    def named(self):
        """What the log says of files that could not be read."""
        return [text for text in self.warnings if "not be read" in text or "Not read" in text]


def made_up_pixels(days, shape):
    """The numbers by band and day, and the classes by day."""
    chance = np.random.default_rng(7)
    numbers, classes = {}, {}
    for day in range(days):
        for band in BANDS:
            numbers[band, day] = chance.integers(1001, 9000, shape).astype(np.uint16)
            numbers[band, day][chance.random(shape) < 0.02] = 0
        classes[day] = np.where(chance.random(shape) < 0.3, CLOUD, CLEAR).astype(np.uint8)
    return numbers, classes


@functools.cache
def made_up_files(days, shape):
    """The same as files, by name."""
    numbers, classes = made_up_pixels(days, shape)
    files = {f"scl-{day}.tif": geotiff(classes[day], nodata=0) for day in range(days)}
    for (band, day), pixels in numbers.items():
        files[f"{band}-{day}.tif"] = geotiff(pixels, nodata=0)
    return files


def geotiff(pixels, transform=TRANSFORM, **options):
    height, width = pixels.shape
    grid = {"transform": transform, "height": height, "width": width}
    tiles = {"tiled": True, "blockxsize": TILE, "blockysize": TILE}
    profile = {"crs": "EPSG:32633", "compress": "DEFLATE", **options}
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", count=1, dtype=pixels.dtype, **grid, **tiles, **profile
        ) as dataset:
            dataset.write(pixels, 1)
        return bytes(memory.getbuffer())


class SmallJob:
    """Three days of two bands and a mask, in files of two tiles; each tile is a block.

    Or of more days, or of more tiles beside each other.
    """

    def __init__(self, folder, server, days=DAYS, columns=COLUMNS):
        self.folder = folder
        self.server = server
        self.days = days
        self.shape = (TILE, columns * TILE)
        self.runs = 0
        self.numbers, self.classes = made_up_pixels(days, self.shape)
        self.items = [self._item(day) for day in range(days)]
        for name, content in made_up_files(days, self.shape).items():
            (server.folder / name).write_bytes(content)

    def write(self, name, pixels, transform=TRANSFORM, **profile):
        (self.server.folder / name).write_bytes(geotiff(pixels, transform, **profile))

    def tile_bytes(self, name, column):
        """The first byte of a tile and one beyond its last."""
        with rasterio.open(self.server.folder / name) as dataset:
            offset, size = (
                int(dataset.get_tag_item(f"BLOCK_{what}_{column}_0", "TIFF", bidx=1))
                for what in ("OFFSET", "SIZE")
            )
        return offset, offset + size

    def box(self):
        left, top, right, bottom = 500_000, 5_000_000, 500_000 + 10 * self.shape[1], 5_000_000 - 640
        return shapely.box(left, bottom, right, top)

    def _item(self, day):
        to_degrees = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
        corners = [to_degrees.transform(*corner) for corner in self.box().exterior.coords]
        footprint = shapely.Polygon(corners)
        encoding = [{"nodata": 0, "scale": SCALE, "offset": OFFSET, "data_type": "uint16"}]
        assets = {
            name: {"href": f"{self.server.address}/{name}-{day}.tif", "raster:bands": encoding}
            for name in BANDS
        }
        assets["scl"] = {"href": f"{self.server.address}/scl-{day}.tif"}
        return {
            "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "links": [],
            "id": f"scene-{day}", "collection": "sentinel-2-c1-l2a", "assets": assets,
            "geometry": shapely.geometry.mapping(footprint), "bbox": list(footprint.bounds),
            "properties": {
                "datetime": f"{FIRST_DAY + timedelta(days=day)}T10:00:00Z", "eo:cloud_cover": 5,
                "proj:epsg": 32633, "proj:shape": list(self.shape),
                "proj:transform": list(TRANSFORM)[:6],
            },
        }  # fmt: skip

    def search(self):
        path = self.folder / "scenes.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": self.items}))
        area = Area("EPSG:32633", shapely.geometry.mapping(self.box()), is_extent=True)
        # Only a local catalogue may name the server, which is on loopback.
        return SceneSearch(
            "sentinel-2-c1-l2a",
            area,
            str(FIRST_DAY),
            "2024-12-31",
            catalog=str(path),
            scenes=str(path),
        )

    def run(self, **fields):
        self.runs += 1
        output = self.folder / f"composite-{self.runs}.tif"
        request = CompositeRequest(self.search(), BANDS, str(output), memory_gb=1.0)
        scratch = self.folder / f"scratch-{self.runs}"
        scratch.mkdir()
        reporter = RecordingReporter()
        values = run_composite(dataclasses.replace(request, **fields), reporter, scratch)
        with rasterio.open(output) as dataset:
            pixels, tags = dataset.read().astype(np.float64), dataset.tags()
        report = Path(fields["report"]).read_text("utf-8") if "report" in fields else ""
        return Outcome(pixels, tags, reporter.warnings, values, report)

    def dry_run(self, **fields):
        """What a dry run warns of."""
        request = CompositeRequest(
            self.search(), BANDS, str(self.folder / "dry.tif"), memory_gb=1.0, dry_run=True
        )
        scratch = self.folder / "scratch-dry"
        scratch.mkdir(exist_ok=True)
        reporter = RecordingReporter()
        run_composite(dataclasses.replace(request, **fields), reporter, scratch)
        return reporter.warnings

    def series(self, **fields):
        """The observations of two sites, each a part of one tile; and the warnings."""
        self.runs += 1
        sites = tuple(
            Site(number, name, shapely.geometry.mapping(self.site(number)))
            for number, name in enumerate(("left", "right"))
        )
        table = self.folder / f"observations-{self.runs}.csv"
        request = TimeSeriesRequest(
            self.search(), sites, "EPSG:32633", ("red", "NDVI"), SeriesRecipe(),
            memory_gb=1.0, observations=str(table),
        )  # fmt: skip
        scratch = self.folder / f"scratch-{self.runs}"
        scratch.mkdir()
        reporter = RecordingReporter()
        run_time_series(dataclasses.replace(request, **fields), reporter, scratch)
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return rows, reporter.warnings

    def site(self, number):
        left = 500_000 + 10 * TILE * number
        return shapely.box(left + 100, 4_999_600, left + 300, 4_999_900)

    def expected_value(self, site, index, day):
        """The mean over the clear pixels of a site's rows 10 to 39 and columns 10 to 29."""
        part = (slice(10, 40), slice(TILE * site + 10, TILE * site + 30))
        red, nir = (self.numbers[band, day][part] for band in BANDS)
        clear = (self.classes[day][part] != CLOUD) & (red != 0)
        if index == "NDVI":
            clear &= nir != 0
            red, nir = (numbers * SCALE + OFFSET for numbers in (red, nir))
            return ((nir - red) / (nir + red))[clear].mean()
        return (red * SCALE + OFFSET)[clear].mean()

    def oracle(self, without=()):
        """The composite in plain numpy; ``without`` are (day, column of the tile) left out."""
        stacks = np.full((len(BANDS), self.days, *self.shape), np.nan)
        for (band, day), numbers in self.numbers.items():
            clear = (self.classes[day] != CLOUD) & (numbers != 0)
            stacks[BANDS.index(band), day][clear] = numbers[clear] * SCALE + OFFSET
        for day, column in without:
            stacks[:, day, :, column * TILE : (column + 1) * TILE] = np.nan
        result = np.full((len(BANDS), *self.shape), np.nan)
        some = np.isfinite(stacks).any(axis=1)
        for band in range(len(BANDS)):
            result[band][some[band]] = np.nanmedian(stacks[band][:, some[band]], axis=0)
        return result
