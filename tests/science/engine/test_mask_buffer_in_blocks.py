"""MASK_BUFFER in whole runs: no seam between blocks, whatever the scenes' tiles and CRSs."""

import numpy as np
import pytest
import shapely
from affine import Affine
from fairweather.core.bridge.errors import InvalidRequestError
from scipy.ndimage import distance_transform_edt

FAR = 15  # pixels around the raster that the oracle looks at


@pytest.fixture
def land(scenes, grid):
    """Scenes of three days: two tiles that overlap, one in another CRS, and gaps in all masks."""
    numbers = np.random.default_rng(11)
    west, east = grid(shape=(60, 40)), grid(left=500_350.0, shape=(60, 40))
    other = grid(left=21_000.0, top=5_008_400.0, size=11.0, shape=(120, 140), crs="EPSG:32634")

    def make(day, place, name, hour=10):
        classes = np.where(numbers.random(place.shape) < 0.006, 9, 4)
        classes[numbers.random(place.shape) < 0.02] = 0
        red = numbers.integers(300, 4000, place.shape).astype("uint16")
        return scenes.scene(day, {"red": red}, classes, place, name=name, hour=hour)

    return [
        *(make(day, west, f"west-{day}") for day in range(1, 4)),
        *(make(day, east, f"east-{day}", hour=11) for day in range(1, 4)),
        make(4, other, "other"),
    ]


def padded_oracle(composite, oracle_of):
    oracle = oracle_of(composite)
    height, width = oracle.shape
    around = oracle.transform * Affine.translation(-FAR, -FAR)
    shape = (height + 2 * FAR, width + 2 * FAR)
    return oracle, type(oracle)(shape, around, oracle.crs)


def expected_days(composite, oracle_of, scenes, buffer):
    """(days, height, width): one band, without what is near to a masked pixel of the whole."""
    oracle, wide = padded_oracle(composite, oracle_of)
    planes = []
    for day in oracle.days(scenes):
        plane = oracle.fuse([scene.bands["red"] for scene in day])
        hidden = np.isin(np.nan_to_num(wide.fuse([scene.mask for scene in day])), (3, 8, 9, 10))
        if hidden.any():
            hidden = distance_transform_edt(~hidden, sampling=oracle.transform.a) <= buffer + 1e-6
        plane[hidden[FAR:-FAR, FAR:-FAR]] = np.nan
        planes.append(plane)
    return np.stack(planes)


@pytest.mark.parametrize("edge", [8, 13, 32, 512])
def test_no_seam(edge, land, engine, grid, oracle_of, same, median_of):
    area = grid(shape=(60, 75)).box(top=4, bottom=50, left=5, right=70)
    found = engine.compose(land, area, is_extent=True, mask_buffer=50.0, edge=edge, count_band=True)
    days = expected_days(found, oracle_of, land, 50.0)
    assert not np.array_equal(np.isnan(days), np.isnan(expected_days(found, oracle_of, land, 0.0)))
    same(found.bands["red"], median_of(days))
    np.testing.assert_array_equal(found.bands["clear_days"], (~np.isnan(days)).sum(axis=0))


@pytest.mark.parametrize("edge", [16, 512])
def test_in_another_crs(edge, land, engine, grid, oracle_of, same, median_of):
    found = engine.compose(
        land, grid(shape=(60, 75)).box(inset=6), is_extent=True, mask_buffer=47.0, edge=edge,
        crs="EPSG:32634", resolution=10.0,
    )  # fmt: skip
    same(found.bands["red"], median_of(expected_days(found, oracle_of, land, 47.0)))


@pytest.mark.parametrize("edge", [4, 512])
def test_a_cloud_just_outside_of_the_raster(edge, scenes, engine, grid):
    classes = np.full((24, 30), 4)
    classes[3, 12] = 9
    scene = scenes.scene(1, {"red": np.full((24, 30), 1000, "uint16")}, classes)
    area = grid().box(top=5, bottom=20, left=4, right=28)
    found = engine.compose([scene], area, is_extent=True, mask_buffer=30.0, edge=edge)
    rows, columns = np.nonzero(np.isnan(found.bands["red"]))
    # Two and three rows below the cloud.
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [
        *((0, column) for column in (6, 7, 8, 9, 10)), (1, 8),
    ]  # fmt: skip


def test_what_has_no_class_is_clear_and_not_grown(scenes, engine, grid):
    classes = np.full((24, 30), 4)
    classes[10, 10] = 0
    scene = scenes.scene(1, {"red": np.full((24, 30), 1000, "uint16")}, classes)
    found = engine.compose([scene], grid().box(), is_extent=True, mask_buffer=100.0)
    assert not np.isnan(found.bands["red"]).any()
    hiding = engine.compose([scene], grid().box(), is_extent=True, mask_buffer=100.0, masked=(0, 9))
    assert np.argwhere(np.isnan(hiding.bands["red"])).tolist() == [[10, 10]]


def test_without_a_mask_there_is_nothing_to_grow(land, engine, grid, same):
    area = grid(shape=(60, 75)).box()
    plain = engine.compose(land, area, is_extent=True, masked=None)
    grown = engine.compose(land, area, is_extent=True, masked=None, mask_buffer=200.0)
    same(grown.bands["red"], plain.bands["red"])


def test_a_block_reads_the_masks_around_it_and_no_day_that_is_not_in_it(land, engine, grid):
    plan = engine.plan(land, grid(shape=(60, 75)).box(inset=6), is_extent=True, mask_buffer=50.0)
    for block in plan.blocks():
        for day in block.days:
            bounds = [shapely.box(*plan.bounds_by_scene[scene.id]) for scene in day.scenes]
            assert shapely.box(*block.geobox.boundingbox.bbox).intersects(bounds).any()
    assert plan.recipe.mask_buffer == 50.0


def test_memory_is_kept_for_growing(land, engine, grid):
    area = grid(shape=(60, 75)).box(inset=6)
    fields = {"is_extent": True, "memory_gb": 0.5}
    edges = [
        engine.plan(land, area, mask_buffer=buffer, **fields).block_plan.edge
        for buffer in (0.0, 200.0, 1000.0)
    ]
    assert edges == sorted(edges, reverse=True)
    assert edges[-1] < edges[0]
    with pytest.raises(InvalidRequestError, match="fewer dates or a smaller MASK_BUFFER"):
        engine.plan(land, area, mask_buffer=2000.0, is_extent=True, memory_gb=0.395)
