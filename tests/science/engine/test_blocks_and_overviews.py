"""Overviews, and blocks that never change a pixel; the oracle is in conftest.py."""

import dataclasses

import numpy as np
import pytest
import shapely
from pyproj import Transformer
from shapely.geometry import Polygon

UTM33, UTM34 = "EPSG:32633", "EPSG:32634"


def noise(seed, shape=(24, 30), low=1):
    return np.random.default_rng(seed).integers(low, 4000, shape).astype(np.uint16)


def classes(seed, shape=(24, 30)):
    return np.random.default_rng(seed).choice([0, 3, 4, 5, 8, 9, 10, 11], shape)


@pytest.mark.parametrize("crs", [UTM33, UTM34])
@pytest.mark.parametrize(("resolution", "level"), [(20.0, 0), (45.0, 1), (100.0, 1)])
def test_a_coarse_output_reads_overviews(
    scenes, engine, oracle_of, grid, same, median_of, resolution, level, crs
):
    wide = grid(left=700_000.0, shape=(200, 240))
    made = [
        scenes.scene(day, {"red": noise(day, (200, 240))}, None, wide, overviews=(2, 4))
        for day in (1, 2, 3)
    ]
    plan = engine.plan(
        made, wide.box(inset=0.1), is_extent=True, masked=None, resolution=resolution, crs=crs
    )
    found = engine.run(plan, edge=80)
    oracle = oracle_of(found)
    same(found.bands["red"], median_of(oracle.cube(made, "red", None, overview_level=level)))


@pytest.fixture(scope="module")
def many_blocks(tmp_path_factory, parts):
    """Nine days in two zones with gaps, and the polygon to make a composite of."""
    folder = tmp_path_factory.mktemp("blocks")
    maker, engine = parts.SceneMaker(folder), parts.Engine(folder)
    shape = (100, 115)
    west = parts.Grid(left=699_960.0, top=5_000_040.0, shape=shape)
    left, top = Transformer.from_crs(UTM33, UTM34, always_xy=True).transform(700_300, 4_999_990)
    east = parts.Grid(left=round(left, -1) + 3, top=round(top, -1), shape=shape, crs=UTM34)
    made = [
        maker.scene(
            day,
            {"red": noise(day, shape, 0), "nir": noise(day + 99, shape, 0)},
            classes(day, shape),
            (west, east)[day % 2],
            offset=-0.1 if day % 3 else 0.0,
            overviews=(2,),
        )
        for day in range(1, 10)
    ]
    circle = shapely.Point(700_500, 4_999_500).buffer(520)
    return engine, made, circle


@pytest.fixture(scope="module")
def whole(many_blocks):
    engine, made, circle = many_blocks
    return engine.compose(made, circle, ("red", "NDVI"), count_band=True)


@pytest.mark.parametrize(
    "options",
    [
        {"edge": 64},
        {"edge": 53, "at_once": 1, "threads": 1},
        {"edge": 41, "at_once": 5, "threads": 16, "shuffled": True},
        {"memory_gb": 0.4},
        {"memory_gb": 16.0},
    ],
)
def test_blocks_threads_and_memory_never_change_a_pixel(many_blocks, whole, options):
    engine, made, circle = many_blocks
    found = engine.compose(made, circle, ("red", "NDVI"), count_band=True, **options)
    assert found.bands.keys() == whole.bands.keys()
    for name, pixels in whole.bands.items():
        assert found.bands[name].tobytes() == pixels.tobytes()
    assert found.statistics == whole.statistics


def test_the_order_of_the_scenes_never_changes_a_pixel(many_blocks, whole):
    engine, made, circle = many_blocks
    found = engine.compose(made[::-1], circle, ("red", "NDVI"), count_band=True)
    assert found.profile["transform"] == whole.profile["transform"]
    for name, pixels in whole.bands.items():
        assert found.bands[name].tobytes() == pixels.tobytes()


@pytest.mark.parametrize("resolution", [2.5e-4, pytest.param(1.6e-4, marks=pytest.mark.slow)])
def test_blocks_never_change_the_overview(many_blocks, resolution):
    # Degrees are of another length in every block.
    engine, made, circle = many_blocks
    plan = engine.plan(made, circle, crs="EPSG:4326", resolution=resolution)
    whole, blocks = engine.run(plan), engine.run(plan, edge=48)
    assert blocks.bands["red"].tobytes() == whole.bands["red"].tobytes()


def test_an_area_partly_outside_all_scenes(scenes, engine, oracle_of, grid, same):
    made = [scenes.scene(1, {"red": noise(1)}, classes(1))]
    triangle = Polygon([(499_800, 4_999_700), (500_350, 4_999_900), (500_100, 5_000_200)])
    found = engine.compose(made, triangle, count_band=True, edge=16)
    oracle = oracle_of(found)
    cube = oracle.cube(made, "red")
    same(found.bands["red"], oracle.clip(cube[0], triangle))
    same(found.bands["clear_days"], oracle.clip((~np.isnan(cube[0])).astype(float), triangle))
    west, south, east, north = triangle.bounds
    transform, profile = found.profile["transform"], found.profile
    assert transform.c <= west
    assert transform.f >= north
    assert transform.c + 10 * profile["width"] >= east
    assert transform.f - 10 * profile["height"] <= south


def test_clip_false_keeps_the_whole_rectangle(scenes, engine, oracle_of, grid, same):
    made = [scenes.scene(1, {"red": noise(1)}, classes(1))]
    triangle = Polygon([(500_010, 4_999_810), (500_250, 4_999_900), (500_100, 4_999_990)])
    found = engine.compose(made, triangle, clip=False)
    same(found.bands["red"], oracle_of(found).cube(made, "red")[0])


def test_an_area_smaller_than_a_pixel(scenes, engine, grid):
    made = [scenes.scene(1, {"red": noise(1)})]
    around_centre = shapely.box(500_044, 4_999_944, 500_046, 4_999_946)
    beside = shapely.box(500_041, 4_999_941, 500_043, 4_999_943)
    value = noise(1)[5, 4] * 1e-4
    for box, is_extent, is_thin in (
        (around_centre, False, False), (beside, False, True), (beside, True, False),
    ):  # fmt: skip
        found = engine.compose(made, box, masked=None, is_extent=is_extent)
        assert found.plan.is_thin is is_thin
        np.testing.assert_allclose(found.bands["red"], [[value]], atol=1e-7)


def test_scenes_that_tell_no_grid(scenes, engine, oracle_of, grid, same):
    made = [
        scenes.scene(day, {"red": noise(day)}, classes(day), with_grid=False) for day in (1, 2, 3)
    ]
    made = [
        dataclasses.replace(scene, mask=dataclasses.replace(scene.mask, geobox=None))
        for scene in made
    ]
    found = engine.compose(made[:1], grid().box(), is_extent=True)
    same(found.bands["red"], oracle_of(found).cube(made[:1], "red")[0])
