"""Made-up scenes, the engine run on them, and an oracle in plain numpy, rasterio and pyproj."""

import contextlib
import dataclasses
import logging
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.bridge.request import Area, CompositeRequest, SceneSearch
from fairweather.core.science.area import read_area
from fairweather.core.science.composite.block_grid import BlockGrid
from fairweather.core.science.composite.output_raster import (
    OutputRaster,
    RasterBand,
    RasterLayout,
)
from fairweather.core.science.composite.plan import CompositePlan, plan_composite
from fairweather.core.science.composite.run import run_composite_blocks
from fairweather.core.science.imagery.files.raster_files import RasterFiles
from fairweather.core.science.imagery.memory_budget import BlockPlan
from fairweather.core.science.imagery.output_bands import choose_output_bands
from fairweather.core.science.imagery.readers import Readers
from fairweather.core.science.imagery.scene import Scene, SourceBand
from fairweather.core.science.reporter import RecordingReporter, StageProgress
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from range_server import RangeServer, running
from rasterio.enums import Resampling
from rasterio.features import geometry_mask
from soak_broken_files import write_honest_files

UTM33 = "EPSG:32633"
MASKED = (3, 8, 9, 10)


@dataclasses.dataclass(frozen=True)
class Grid:
    """A raster's pixels: its CRS, upper left corner, pixel size and shape."""

    left: float = 500_000.0
    top: float = 5_000_000.0
    size: float = 10.0
    shape: tuple = (24, 30)
    crs: str = UTM33

    @property
    def transform(self):
        return Affine(self.size, 0, self.left, 0, -self.size, self.top)

    def box(self, top=0, bottom=None, left=0, right=None, inset=0.0):
        """The rectangle around some of the pixels, made smaller by ``inset`` pixels."""
        bottom = self.shape[0] if bottom is None else bottom
        right = self.shape[1] if right is None else right
        return shapely.box(
            self.left + (left + inset) * self.size,
            self.top - (bottom - inset) * self.size,
            self.left + (right - inset) * self.size,
            self.top - (top + inset) * self.size,
        )


class SceneMaker:
    """Writes scenes as GeoTIFFs into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0

    def file(self, pixels, grid, *, overviews=(), nodata=None, name=None) -> str:
        self.number += 1
        path = self.folder / f"{name or 'band'}_{self.number}.tif"
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=pixels.shape[0],
            width=pixels.shape[1],
            count=1,
            dtype=pixels.dtype,
            crs=grid.crs,
            transform=grid.transform,
            nodata=nodata,
            tiled=True,
            blockxsize=64,
            blockysize=64,
            compress="DEFLATE",
        ) as dataset:
            dataset.write(pixels, 1)
        if overviews:
            with rasterio.open(path, "r+") as dataset:
                dataset.build_overviews(list(overviews), Resampling.average)
        return str(path)

    def source(
        self, pixels, grid, *, nodata=0.0, scale=1e-4, offset=0.0, with_grid=True, overviews=()
    ) -> SourceBand:
        geobox = GeoBox(pixels.shape, grid.transform, grid.crs) if with_grid else None
        href = self.file(pixels, grid, overviews=overviews)
        return SourceBand(href, nodata, scale, offset, geobox, str(pixels.dtype))

    def scene(self, day, bands, scl=None, grid=None, *, name=None, hour=10, **options) -> Scene:
        """A scene of ``day`` (of May 2023) with ``bands`` as arrays or sources, and its mask."""
        grid = grid or Grid()
        moment = datetime(2023, 5, 1, hour, tzinfo=timezone.utc) + timedelta(days=day - 1)
        sources = {
            band: pixels
            if isinstance(pixels, SourceBand)
            else self.source(np.asarray(pixels), grid, **options)
            for band, pixels in bands.items()
        }
        if scl is not None and not isinstance(scl, SourceBand):
            scl = self.source(np.asarray(scl, np.uint8), grid, scale=1.0, offset=0.0)
        name = name or f"scene-{day:02d}-{self.number}"
        return Scene(
            id=name,
            moment=moment,
            footprint=shapely.Polygon(),
            bands=sources,
            mask=scl,
            encoding="made up",
            properties={},
        )


@dataclasses.dataclass(frozen=True)
class Composite:
    """The file that came out, and what the run said."""

    path: Path
    bands: dict
    profile: dict
    plan: CompositePlan
    statistics: Any
    clamped: int


class ShuffledPlan(CompositePlan):
    """A plan whose blocks come in any order."""

    def blocks(self):
        blocks = list(super().blocks())
        random.Random(7).shuffle(blocks)
        return iter(blocks)


class Engine:
    """Plans, runs and writes a composite, as the job does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = 0

    def request(self, bands, geometry, area_crs, is_extent, **fields) -> CompositeRequest:
        area = Area(area_crs, shapely.geometry.mapping(geometry), is_extent)
        search = SceneSearch("sentinel-2-c1-l2a", area, "2023-05-01", "2023-05-31")
        fields.setdefault("memory_gb", 1.0)
        return CompositeRequest(search, tuple(bands), "unused.tif", **fields)

    def plan(
        self,
        scenes,
        geometry,
        bands=("red",),
        *,
        area_crs=UTM33,
        is_extent=False,
        masked=MASKED,
        **fields,
    ) -> CompositePlan:
        request = self.request(bands, geometry, area_crs, is_extent, **fields)
        area = read_area(request.search.area, RecordingReporter())
        output_bands = choose_output_bands(request.bands, find_profile(request.search.collection))
        with Readers(2, self.folder) as readers:
            return plan_composite(
                request, area, scenes, readers, output_bands=output_bands, masked_classes=masked
            )

    def run(
        self,
        plan,
        *,
        edge=None,
        at_once=2,
        threads=4,
        shuffled=False,
        dtype="float32",
        count_band=False,
    ) -> Composite:
        if edge:
            plan = dataclasses.replace(
                plan, block_plan=BlockPlan(edge, at_once), block_grid=BlockGrid(edge, edge)
            )
        if shuffled:
            plan = ShuffledPlan(**{f.name: getattr(plan, f.name) for f in dataclasses.fields(plan)})
        self.runs += 1
        scratch, target = self.folder / f"s{self.runs}.tiles", self.folder / f"c{self.runs}.tif"
        bands = tuple(RasterBand(b.name, b.title) for b in plan.recipe.output_bands)
        layout = RasterLayout(plan.geobox, bands, dtype, count_band)
        progress = StageProgress(RecordingReporter(), 10, 90, plan.block_count, "Reading", "blocks")
        with (
            Readers(threads, self.folder) as readers,
            OutputRaster(scratch, layout, {"MADE_BY": "a test"}) as raster,
        ):
            statistics = run_composite_blocks(plan, raster, readers, progress)
            raster.save(target)
        with rasterio.open(target) as dataset:
            values = dict(zip(dataset.descriptions, dataset.read(), strict=True))
            profile = dict(dataset.profile)
        return Composite(target, values, profile, plan, statistics, raster.clamped_values)

    def compose(self, scenes, geometry, bands=("red",), **options) -> Composite:
        run_options = {
            name: options.pop(name)
            for name in ("edge", "at_once", "threads", "shuffled", "dtype", "count_band")
            if name in options
        }
        return self.run(self.plan(scenes, geometry, bands, **options), **run_options)


class Oracle:
    """The same composite, the slow and plain way, sharing no code with the engine."""

    def __init__(self, shape, transform, crs) -> None:
        self.shape = shape
        self.transform = transform
        self.crs = str(crs)
        columns, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
        self.x = transform.c + columns * transform.a
        self.y = transform.f + rows * transform.e
        self.longitude = Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True).transform(
            transform.c + shape[1] / 2 * transform.a, transform.f + shape[0] / 2 * transform.e
        )[0]

    def nearest(self, source, overview_level=None):
        """(values, valid) of one file on the output's pixels."""
        options = {} if overview_level is None else {"overview_level": overview_level}
        with rasterio.open(source.href, **options) as dataset:
            pixels, inverse = dataset.read(1), ~dataset.transform
            to_source = Transformer.from_crs(self.crs, dataset.crs.to_wkt(), always_xy=True)
        x, y = to_source.transform(self.x, self.y)
        columns = np.floor(inverse.a * x + inverse.c + 1e-6).astype(int)
        rows = np.floor(inverse.e * y + inverse.f + 1e-6).astype(int)
        height, width = pixels.shape
        valid = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        values = pixels[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        if source.nodata is not None:
            valid &= values != source.nodata
        if values.dtype.kind == "f":
            valid &= ~np.isnan(values)
        return values, valid

    def days(self, scenes):
        groups = {}
        for scene in sorted(scenes, key=lambda s: (s.moment, s.id)):
            day = (scene.moment + timedelta(hours=int(self.longitude / 15))).date()
            groups.setdefault(day, []).append(scene)
        return [groups[day] for day in sorted(groups)]

    def fuse(self, sources, overview_level=None):
        """One band of one day as float64 reflectance (or classes), NaN where there is none."""
        fused = np.full(self.shape, np.nan)
        for source in sources:
            values, valid = self.nearest(source, overview_level)
            new = np.isnan(fused) & valid
            # The offset in whole steps of the scale, so that 0.1 - 0.1 is 0.
            numbers = values.astype(np.float64) + source.offset / source.scale
            fused[new] = (numbers * source.scale)[new]
        return fused

    def cube(self, scenes, band, masked=MASKED, overview_level=None):
        """(days, height, width) of one band after masking."""
        planes = []
        for day in self.days(scenes):
            plane = self.fuse([s.bands[band] for s in day], overview_level)
            if masked is not None:
                classes = self.fuse([s.mask for s in day if s.mask])
                plane[np.isin(np.nan_to_num(classes, nan=0), masked)] = np.nan
            planes.append(plane)
        return np.stack(planes)

    def clip(self, plane, polygon, value=np.nan):
        outside = geometry_mask([polygon], self.shape, self.transform)
        return np.where(outside, value, plane)


def nan_median(cube):
    """np.nanmedian over the first axis, without its warning for pixels that are never clear."""
    result = np.full(cube.shape[1:], np.nan)
    some = ~np.isnan(cube).all(axis=0)
    result[some] = np.nanmedian(cube[:, some], axis=0)
    return result


def assert_same(found, expected, tolerance=1e-6):
    """Equal within ``tolerance``, and NaN in the same places."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.fixture
def scenes(tmp_path):
    return SceneMaker(tmp_path)


@pytest.fixture
def engine(tmp_path):
    return Engine(tmp_path)


@pytest.fixture
def files(tmp_path):
    """Opens files for a test's own reads."""
    files = RasterFiles(4, tmp_path, cache_bytes=1024**2)
    yield files
    files.close()


@pytest.fixture(scope="session")
def oracle_of():
    """The oracle for the raster of a composite."""

    def make(composite):
        profile = composite.profile
        return Oracle(
            (profile["height"], profile["width"]), profile["transform"], composite.plan.geobox.crs
        )

    return make


@pytest.fixture(scope="session")
def grid():
    """The class of a made-up raster's pixels."""
    return Grid


@pytest.fixture(scope="session")
def same():
    return assert_same


@pytest.fixture(scope="session")
def median_of():
    return nan_median


@pytest.fixture(scope="session")
def parts():
    """The classes of this file, for scenes that several tests share."""
    return SimpleNamespace(SceneMaker=SceneMaker, Engine=Engine, Grid=Grid)


@pytest.fixture
def serve_files():
    """A function that starts a loopback server for a folder; see RangeServer for what it tells."""
    with contextlib.ExitStack() as stack:

        def serve(folder, **behaviour):
            return stack.enter_context(running(RangeServer(folder, **behaviour)))

        yield serve


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """One file of each kind that the soak breaks, by its name: the bytes."""
    return write_honest_files(tmp_path_factory.mktemp("honest"))


@pytest.fixture
def no_log(caplog):
    """The errors that tifffile and GDAL log are not kept: thousands of them take memory."""
    caplog.set_level(logging.CRITICAL + 1)
