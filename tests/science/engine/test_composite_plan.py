import dataclasses

import numpy as np
import pytest
import shapely
from dask.callbacks import Callback
from fairweather.core.bridge.errors import InvalidRequestError, NoScenesError, ReadError
from fairweather.core.bridge.request import PixelGrid
from fairweather.core.science.composite.block_grid import BlockGrid
from odc.geo.geobox import GeoBox


def noise(seed, shape=(24, 30)):
    return np.random.default_rng(seed).integers(1, 4000, shape).astype(np.uint16)


@pytest.fixture
def made(scenes):
    return [scenes.scene(day, {"red": noise(day)}, np.full((24, 30), 4)) for day in (1, 2, 3)]


@pytest.mark.parametrize(("edge", "blocks"), [(24, 2), (7, 20), (100, 1)])
@pytest.mark.parametrize("days", [1, 3])
def test_as_many_dask_tasks_as_blocks_whatever_the_scenes(made, engine, grid, edge, blocks, days):
    keys = []
    with Callback(pretask=lambda key, *_: keys.append(key)):
        found = engine.compose(made[:days], grid().box(), edge=edge)
    assert len(keys) == blocks == found.plan.block_count


@pytest.mark.parametrize("edge", [5, 8, 24, 100])
def test_blocks_cover_the_raster_once(made, engine, grid, edge):
    plan = dataclasses.replace(engine.plan(made, grid().box()), block_grid=BlockGrid(edge, edge))
    times = np.zeros(plan.geobox.shape, int)
    blocks = list(plan.blocks())
    for block in blocks:
        times[block.rows, block.columns] += 1
        assert block.geobox == plan.geobox[block.rows, block.columns]
    assert (times == 1).all()
    assert len(blocks) == plan.block_count


def test_a_block_has_only_the_days_that_touch_it(scenes, engine, grid):
    left = scenes.scene(1, {"red": noise(1, (24, 10))})
    right = scenes.scene(2, {"red": noise(2, (24, 10))}, grid=grid(left=500_200.0))
    plan = engine.plan([left, right], grid().box(), masked=None)
    plan = dataclasses.replace(plan, block_grid=BlockGrid(8, 8))
    by_left = {block.columns.start: [day.scenes[0].id for day in block.days]
               for block in plan.blocks()}  # fmt: skip
    assert by_left == {0: [left.id], 8: [left.id], 16: [right.id], 24: [right.id]}


def test_scenes_outside_the_raster_are_named_and_not_used(made, scenes, engine, grid):
    away = scenes.scene(2, {"red": noise(9)}, grid=grid(left=600_000.0), name="away")
    plan = engine.plan([*made, away], grid().box(inset=1))
    assert plan.outside == ("away",)
    assert {scene.id for scene in plan.scenes} == {scene.id for scene in made}
    with pytest.raises(NoScenesError, match="area"):
        engine.plan([away], grid().box(inset=1))


def test_an_offset_of_a_scene_outside_changes_no_encoding(made, scenes, engine, grid):
    away = scenes.scene(2, {"red": noise(9)}, grid=grid(left=600_000.0), offset=-0.1)
    plan = engine.plan([*made, away], grid().box(inset=1))
    assert plan.recipe.encodings["red"].held_as == "stored"


def test_the_servers_order_does_not_matter(made, scenes, engine, grid):
    # Two source grids, equally common: the first by time decides.
    early = scenes.scene(1, {"red": noise(1)}, grid=grid(left=500_003.0), hour=8)
    for order in ([early, made[0]], [made[0], early]):
        plan = engine.plan(order, grid().box(inset=2), masked=None)
        assert plan.geobox.transform.c % 10 == 3


def test_align_wins_over_resolution_and_crs(made, engine, grid):
    align = PixelGrid("EPSG:32633", 500_002.5, 5_000_001.25, 7.5, 7.5)
    plan = engine.plan(made, grid().box(), align=align, resolution=60.0, crs="EPSG:4326")
    assert plan.geobox.resolution.x == 7.5
    assert (plan.geobox.transform.c - 500_002.5) % 7.5 == 0
    assert (plan.geobox.transform.f - 5_000_001.25) % 7.5 == 0
    west, south, east, north = grid().box().bounds
    left, bottom, right, top = plan.geobox.extent.boundingbox.bbox
    assert left <= west
    assert bottom <= south
    assert right >= east
    assert top >= north


def test_a_composite_on_another_rasters_pixels(scenes, engine, oracle_of, grid, same):
    made = [scenes.scene(1, {"red": noise(1)})]
    align = PixelGrid("EPSG:32634", 3.3, 7.7, 8.0, 12.0)
    found = engine.compose(made, grid().box(inset=0.1), masked=None, align=align, is_extent=True)
    assert found.plan.geobox.resolution.y == -12
    same(found.bands["red"], oracle_of(found).cube(made, "red", None)[0])


def test_a_polygon_clips_and_an_extent_does_not(made, engine, grid):
    assert engine.plan(made, grid().box()).recipe.clip_to is not None
    assert engine.plan(made, grid().box(), is_extent=True).recipe.clip_to is None
    assert engine.plan(made, grid().box(), clip=False).recipe.clip_to is None


def test_an_extent_of_another_crs_becomes_its_bounding_rectangle(made, engine):
    box = shapely.box(15.001, 45.1510, 15.003, 45.1520)
    plan = engine.plan(made, box, area_crs="EPSG:4326", is_extent=True)
    assert str(plan.geobox.crs) == "EPSG:32633"
    assert plan.recipe.clip_to is None


def test_a_scene_across_the_antimeridian_in_degrees(scenes, engine, grid):
    # UTM zone 1 begins at 180° west; the scene reaches over it to the other side.
    zone1 = grid(left=250_000.0, size=100.0, shape=(200, 300), crs="EPSG:32601")
    made = [scenes.scene(1, {"red": noise(1, (200, 300))}, grid=zone1)]
    for west in (-179.95, 179.88):
        found = engine.compose(
            made, shapely.box(west, 45.0, west + 0.05, 45.05), area_crs="EPSG:4326",
            crs="EPSG:4326", resolution=0.001, masked=None, edge=30,
        )  # fmt: skip
        assert np.isfinite(found.bands["red"]).all()


def test_an_area_without_memory_for_its_days_is_told(made, engine, grid):
    with pytest.raises(InvalidRequestError, match="MEMORY"):
        engine.plan(made, grid().box(), memory_gb=0.1)


def test_a_missing_file_without_a_grid_is_told_before_the_run(made, scenes, engine, grid):
    gone = dataclasses.replace(made[0].bands["red"], href="/no/such.tif", geobox=None)
    made[0] = dataclasses.replace(made[0], bands={"red": gone})
    with pytest.raises(ReadError, match=r"such\.tif"):
        engine.plan(made, grid().box(), on_error="fail")


def test_a_missing_file_ends_the_run_with_one_sentence(made, engine, grid):
    gone = dataclasses.replace(made[1].bands["red"], href="/no/such.tif")
    made[1] = dataclasses.replace(made[1], bands={"red": gone})
    with pytest.raises(ReadError, match=r"such\.tif"):
        engine.compose(made, grid().box(), edge=8, on_error="fail")


def test_the_summary_says_it_in_a_sentence(made, engine, grid):
    text = engine.plan(made, grid().box()).summary()
    assert "3 scenes on 3 days" in text
    assert "30 × 24 pixels of 10 metres in EPSG:32633" in text
    text = engine.plan(made, grid().box(), crs="EPSG:4326", resolution=0.001).summary()
    assert "pixels of 0.001 degrees in EPSG:4326" in text


def test_the_grid_of_the_output_is_part_of_the_recipe(made, engine, grid):
    plan = engine.plan(made, grid().box())
    assert plan.recipe.raster == plan.geobox == GeoBox((24, 30), grid().transform, "EPSG:32633")
