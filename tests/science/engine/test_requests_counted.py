"""What is asked of a server: no tile twice, none outside the area, none of a cloudy day."""

import dataclasses
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from dask.callbacks import Callback
from fairweather.core.bridge.request import Site
from fairweather.core.science.composite import run as composite_run
from fairweather.core.science.imagery import memory_budget
from fairweather.core.science.imagery.encoding import choose_encoding
from fairweather.core.science.imagery.files import raster_files
from fairweather.core.science.imagery.files.byte_ranges import RangeReader
from fairweather.core.science.imagery.files.raster_files import RasterFiles
from fairweather.core.science.imagery.files.tile_cache import TileCache
from fairweather.core.science.imagery.output_bands import OutputBand
from fairweather.core.science.imagery.readers import TILE_CACHE_BYTES, Readers
from fairweather.core.science.reporter import RecordingReporter, StageProgress
from fairweather.core.science.timeseries import site_blocks
from fairweather.core.science.timeseries.observing import ObservingRecipe, observe_blocks
from fairweather.core.science.timeseries.sites import locate_sites
from range_server import tile_places
from rasterio.features import geometry_mask

UTM33 = "EPSG:32633"
MASKED = (3, 8, 9, 10)
CLEAR, CLOUD = 4, 9
SIDE, TILE = 384, 64
# Rim and corners lie on no tile's edge; the tip reaches into tiles of which most is outside.
AREA = shapely.Polygon(
    [(500_310, 4_999_590), (502_370, 4_999_170), (503_690, 4_997_330), (501_050, 4_996_410)]
)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """Blocks as large as the tiles of these files, as they are in earnest."""
    monkeypatch.setattr(memory_budget, "LARGEST_EDGE", TILE)


@pytest.fixture
def maker(scenes, tmp_path):
    scenes.folder = tmp_path / "served"
    scenes.folder.mkdir()
    return scenes


@pytest.fixture
def server(maker, serve_files):
    return serve_files(maker.folder)


def noise(seed, shape=(SIDE, SIDE)):
    return np.random.default_rng(seed).integers(1, 4000, shape).astype(np.uint16)


def clouds(day, side=SIDE // 2):
    """Classes on pixels of 20 m: day 1 clear, 2 cloudy, others with clouds of their own."""
    classes = np.full((side, side), CLEAR, np.uint8)
    if day == 2:
        classes[:] = CLOUD
    if day > 2:
        numbers = np.random.default_rng(day)
        for row, column, radius in numbers.integers(20, side, (6, 3)):
            rows, columns = np.ogrid[:side, :side]
            classes[(rows - row) ** 2 + (columns - column) ** 2 < (radius / 2) ** 2] = CLOUD
    return classes


def over_http(scene, server):
    """The scene with its files on the server."""
    at = lambda source: dataclasses.replace(source, href=server.href(source.href))  # noqa: E731
    bands = {name: at(source) for name, source in scene.bands.items()}
    return dataclasses.replace(scene, bands=bands, mask=scene.mask and at(scene.mask))


@pytest.fixture
def made(maker, grid):
    """Five days of red and nir in 10 m with a mask in 20 m, as files."""
    fine, coarse = grid(shape=(SIDE, SIDE)), grid(shape=(SIDE // 2, SIDE // 2), size=20.0)
    return [
        maker.scene(
            day,
            {"red": noise(day), "nir": noise(day + 50)},
            maker.source(clouds(day), coarse, scale=1.0, offset=0.0),
            fine,
        )
        for day in (1, 2, 3, 4, 5)
    ]


def tiles_with(pixels):
    """The tiles that have a true pixel."""
    return {(int(row) // TILE, int(column) // TILE) for row, column in np.argwhere(pixels)}


def inside_area(grid):
    return ~geometry_mask([AREA], (SIDE, SIDE), grid().transform)


@pytest.fixture
def expected_tiles(grid):
    """The tiles of a band that hold a clear pixel in the area, and those of the mask over it."""

    def find(day):
        inside = inside_area(grid)
        clear = clouds(day).repeat(2, axis=0).repeat(2, axis=1) == CLEAR
        return tiles_with(inside & clear), {(r // 2, c // 2) for r, c in tiles_with(inside)}

    return find


@pytest.mark.parametrize("threads", [1, 32])
def test_each_tile_with_a_clear_pixel_in_the_area_once_and_no_other(
    maker, made, server, engine, expected_tiles, grid, oracle_of, same, median_of,
    threads,
):  # fmt: skip
    served = [over_http(scene, server) for scene in made]
    plan = engine.plan(served, AREA, ("red", "NDVI"))
    assert plan.block_grid.height == plan.block_grid.width == TILE
    assert plan.block_count > 16
    server.asked.clear()
    found = engine.run(plan, threads=threads)
    requested, asked = 0, sum(a.stop - a.start for a in server.asked if not a.is_header)
    for day, scene in enumerate(made, 1):
        of_bands, of_mask = expected_tiles(day)
        for source, tiles in (
            (scene.bands["red"], of_bands), (scene.bands["nir"], of_bands), (scene.mask, of_mask),
        ):  # fmt: skip
            places = tile_places(source.href)
            assert server.tiles_fetched(source.href, places) == Counter(dict.fromkeys(tiles, 1))
            requested += sum(places[tile][1] for tile in tiles)
    assert requested <= asked <= 1.01 * requested
    cloudy = {Path(source.href).name for source in made[1].bands.values()}
    assert not cloudy & {request.name for request in server.asked}
    assert set(server.header_requests().values()) == {1}
    local = oracle_of(found)
    same(found.bands["red"], local.clip(median_of(local.cube(made, "red")), AREA))


def test_without_a_mask_each_tile_that_the_area_touches(made, server, engine, grid):
    served = [over_http(scene, server) for scene in made[:2]]
    plan = engine.plan(served, AREA, masked=None)
    server.asked.clear()
    engine.run(plan)
    for scene in made[:2]:
        href = scene.bands["red"].href
        fetched = server.tiles_fetched(href, tile_places(href))
        assert fetched == Counter(dict.fromkeys(tiles_with(inside_area(grid)), 1))
        assert not server.tiles_fetched(scene.mask.href, tile_places(scene.mask.href))


def test_grids_that_do_not_agree_fetch_no_tile_twice(made, server, engine):
    """Blocks cut through the tiles, in another CRS; each is still fetched once."""
    served = [over_http(scene, server) for scene in made]
    plan = engine.plan(served, AREA, crs="EPSG:32634", resolution=10.0)
    server.asked.clear()
    engine.run(plan, threads=8)
    for scene in made:
        for source in (*scene.bands.values(), scene.mask):
            fetched = server.tiles_fetched(source.href, tile_places(source.href))
            assert set(fetched.values()) <= {1}
    assert server.tiles_fetched(made[0].bands["red"].href, tile_places(made[0].bands["red"].href))


def test_planning_asks_for_one_header(made, server, engine):
    engine.plan([over_http(scene, server) for scene in made], AREA)
    assert len(server.asked) == 1
    assert server.asked[0].is_header


def test_a_preview_asks_for_overviews_only(maker, server, engine, grid):
    wide = grid(shape=(SIDE, SIDE))
    scene = maker.scene(1, {"red": noise(1)}, None, wide, overviews=(2, 4))
    plan = engine.plan([over_http(scene, server)], AREA, masked=None, resolution=40.0)
    server.asked.clear()
    engine.run(plan)
    href = scene.bands["red"].href
    assert not server.tiles_fetched(href, tile_places(href))
    assert sum(asked.stop - asked.start for asked in server.asked if not asked.is_header) > 0


@pytest.mark.parametrize("layout", ["overviews", "strips", "rewritten"])
def test_two_requests_at_most_for_a_header(maker, server, tmp_path, grid, layout):
    """Also where 20,000 strips make it longer than the first, or it lies behind the pixels."""
    shape = (20_000, 8) if layout == "strips" else (700, 700)
    options = {"blockysize": 1} if layout == "strips" else {"tiled": True, "blockxsize": 16,
                                                            "blockysize": 16}  # fmt: skip
    path = maker.folder / "long.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=shape[0], width=shape[1], count=1, dtype="uint16",
        crs=UTM33, transform=grid().transform, **options,
    ) as dataset:  # fmt: skip
        dataset.write(noise(1, shape), 1)
    if layout == "overviews":
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2, 4], rasterio.enums.Resampling.average)
    if layout == "rewritten":
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(NOTE="x" * 3000)
    files = RasterFiles(4, tmp_path, 10**6)
    file = files.open(server.href(path))
    assert len(file.levels) == (3 if layout == "overviews" else 1)
    files.close()
    assert len(server.asked) <= 2


def test_as_many_tasks_as_blocks(made, engine):
    for days in (1, 5):
        plan = engine.plan(made[:days], AREA, ("red", "NDVI"))
        tasks = []
        with Callback(pretask=lambda key, *_: tasks.append(key)):  # noqa: B023
            engine.run(plan)
        assert len(tasks) == plan.block_count > 16


def test_blocks_that_share_tiles_come_one_after_the_other(made, engine, monkeypatch):
    """By names of its own, Dask would take them in no order."""
    plan = engine.plan(made, AREA)
    order = []
    compose = composite_run.compose_block

    def note(block, *others):
        order.append((block.rows.start, block.columns.start))
        return compose(block, *others)

    monkeypatch.setattr(composite_run, "compose_block", note)
    engine.run(dataclasses.replace(
        plan, block_plan=dataclasses.replace(plan.block_plan, at_once=1)
    ))  # fmt: skip
    planned = [(block.rows.start, block.columns.start) for block in plan.blocks()]
    assert order in (planned, planned[::-1])


@pytest.fixture
def count_ranges(monkeypatch):
    """Counts what is read of local files: (path, first byte)."""
    counts = Counter()
    read = RangeReader.read

    def counting(reader, href, start, length):
        counts[href, start] += 1
        return read(reader, href, start, length)

    monkeypatch.setattr(RangeReader, "read", counting)
    return counts


@pytest.fixture
def many_days(maker, grid):
    """A function: scenes of many days, whose files are one and the same under many names."""

    def make(days):
        fine, coarse = grid(shape=(SIDE, SIDE)), grid(shape=(SIDE // 2, SIDE // 2), size=20.0)
        first = maker.scene(
            1, {"red": noise(1)}, maker.source(clouds(1), coarse, scale=1.0, offset=0.0), fine
        )

        def linked(source, day):
            path = source.href.replace(".tif", f"-{day}.tif")
            os.link(source.href, path)
            return dataclasses.replace(source, href=path)

        return [
            dataclasses.replace(
                first,
                id=str(day),
                moment=first.moment + timedelta(days=day),
                bands={"red": linked(first.bands["red"], day)},
                mask=linked(first.mask, day),
            )
            for day in range(days)
        ]

    return make


# These files' tiles have a 256th of the pixels of Sentinel-2's.
SMALL_CACHE = TILE_CACHE_BYTES // 256


# Blocks of two groups may be in work at once, so the cache has to hold the masks of both.
@pytest.mark.parametrize("days", [24, pytest.param(60, marks=pytest.mark.slow)])
def test_the_cache_is_large_enough(many_days, engine, count_ranges, monkeypatch, days):
    made = many_days(days)
    plan = engine.plan(made, AREA)
    count_ranges.clear()
    monkeypatch.setattr(raster_files, "TileCache", lambda _: TileCache(SMALL_CACHE))
    engine.run(plan, threads=8)
    repeated = {place: times for place, times in count_ranges.items() if times > 1}
    assert not repeated


class TestSites:
    """Time series at many places of one scene."""

    @pytest.fixture
    def observe(self, monkeypatch):
        monkeypatch.setattr(site_blocks, "SQUARE_EDGE", TILE)

        def observe(scenes, places, cache_bytes, folder):
            sites = locate_sites(
                [
                    Site(n, str(n), {"type": "Point", "coordinates": list(place)})
                    for n, place in enumerate(places)
                ],
                UTM33,
                RecordingReporter(),
            )
            west = shapely.box(14, 44, 16, 46)
            scenes = [dataclasses.replace(scene, footprint=west) for scene in scenes]
            grids = [scene.bands["red"].geobox for scene in scenes]
            plan = site_blocks.plan_sites(sites, scenes, grids)
            recipe = ObservingRecipe(
                indices=(OutputBand("red", "Red", ("red",), None),),
                encodings={"red": choose_encoding([scene.bands["red"] for scene in scenes])},
                masked_classes=MASKED,
                statistic="mean",
                min_clear=0.0,
            )
            progress = StageProgress(RecordingReporter(), 0, 100, 1, "", "")
            with Readers(32, folder, cache_bytes) as readers:
                return dict(
                    pair
                    for block, found in observe_blocks(plan.blocks, recipe, readers, progress, 32)
                    for pair in zip(block.site_ids, found.indices[0].values.T, strict=True)
                )

        return observe

    def test_a_hundred_sites_in_one_tile(self, made, server, observe, tmp_path):
        numbers = np.random.default_rng(3)
        pixels = numbers.integers(70, 120, (100, 2))
        places = [(500_005 + 10 * column, 4_999_995 - 10 * row) for row, column in pixels]
        values = observe(
            [over_http(scene, server) for scene in made], places, SMALL_CACHE, tmp_path
        )
        for day, scene in enumerate(made, 1):
            clear = clouds(day).repeat(2, axis=0).repeat(2, axis=1) == CLEAR
            expected = np.where(clear, noise(day) * 1e-4, np.nan)
            for site, (row, column) in enumerate(pixels):
                np.testing.assert_allclose(values[site][day - 1], expected[row, column])
            fetched = server.tiles_fetched(
                scene.bands["red"].href, tile_places(scene.bands["red"].href)
            )
            is_clear_at_one = clear[pixels[:, 0], pixels[:, 1]].any()
            assert fetched == ({(1, 1): 1} if is_clear_at_one else {})
            assert server.tiles_fetched(scene.mask.href, tile_places(scene.mask.href)) == {
                (0, 0): 1
            }

    def test_sites_all_over_a_scene(self, many_days, observe, count_ranges, tmp_path):
        numbers = np.random.default_rng(4)
        places = [
            (500_005 + 10 * column, 4_999_995 - 10 * row)
            for row, column in numbers.integers(0, SIDE, (100, 2))
        ]
        made = many_days(24)
        values = observe(made, places, SMALL_CACHE, tmp_path)
        assert all(np.isfinite(own).all() for own in values.values())
        bands = {source.href for scene in made for source in scene.bands.values()}
        assert {times for (href, _), times in count_ranges.items() if href in bands} == {1}
        # Where one batch of squares ends and the next begins, a mask is fetched once more.
        assert sum(count_ranges.values()) <= 1.1 * len(count_ranges)
