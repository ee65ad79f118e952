"""Which scenes touch a block, against a look at each pair."""

import dataclasses
import re
import time
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import shapely
from affine import Affine
from fairweather.core.science.composite.block_grid import BlockGrid
from fairweather.core.science.composite.scene_bounds import bounds_by_scene, overlap
from fairweather.core.science.composite.workload import estimate_composite
from fairweather.core.science.imagery.scene import Scene, SourceBand
from odc.geo.geobox import GeoBox

UTM32, UTM33 = "EPSG:32632", "EPSG:32633"
FIRST = datetime(2023, 1, 1, 10, tzinfo=timezone.utc)


def make_scene(day, left, top, crs=UTM33, pixels=10_980, size=10, name=None):
    grid = GeoBox((pixels, pixels), Affine(size, 0, left, 0, -size, top), crs)
    red = SourceBand("https://example.com/red.tif", 0, 1e-4, 0.0, grid, "uint16")
    return Scene(
        id=name or f"{day}-{crs}-{left}-{top}",
        moment=FIRST + timedelta(days=day),
        footprint=shapely.Polygon(),
        bands={"red": red},
        mask=None,
        encoding="",
        properties={},
    )


@pytest.fixture
def no_files(monkeypatch):
    """Nobody asks the made-up files how they are tiled."""
    monkeypatch.setattr(
        "fairweather.core.science.composite.plan._block_grid",
        lambda *arguments: BlockGrid(arguments[-1], arguments[-1]),
    )


def tiles(days, columns, rows):
    """Tiles that overlap their neighbours, in two zones."""
    return [
        make_scene(day, 300_000 + column * 100_000, 5_400_000 + row * 100_000, crs)
        for day in range(days)
        for crs in (UTM32, UTM33)
        for column in range(columns)
        for row in range(rows)
    ]


@pytest.mark.parametrize("buffer", [0.0, 5_000.0])
def test_blocks_have_the_days_that_a_look_at_each_pair_finds(engine, no_files, buffer):
    scenes = tiles(days=3, columns=2, rows=2)
    plan = engine.plan(
        scenes, shapely.box(10, 48.5, 16, 50), area_crs="EPSG:4326", mask_buffer=buffer,
        resolution=100.0,
    )  # fmt: skip
    plan = dataclasses.replace(plan, block_grid=BlockGrid(300, 410))
    blocks = list(plan.blocks())
    assert len({len(block.days) for block in blocks}) > 1
    for block in blocks:
        west, south, east, north = block.geobox.boundingbox.bbox
        margin = np.ceil(buffer / 100) * 100 + 100 if buffer else 0
        around = (west - margin, south - margin, east + margin, north + margin)
        expected = []
        for day in plan.days:
            if any(overlap(plan.bounds_by_scene[s.id], (west, south, east, north))
                   for s in day.scenes):  # fmt: skip
                near = [s.id for s in day.scenes if overlap(plan.bounds_by_scene[s.id], around)]
                expected.append((day.day, near))
        assert [(day.day, [scene.id for scene in day.scenes]) for day in block.days] == expected


def test_blocks_with_the_same_scenes_share_their_days(engine, no_files):
    area = shapely.box(9, 47.5, 10, 48.5)
    plan = engine.plan(tiles(2, 3, 2), area, area_crs="EPSG:4326")
    plan = dataclasses.replace(plan, block_grid=BlockGrid(256, 256))
    blocks = list(plan.blocks())
    by_ids = {}
    for block in blocks:
        ids = tuple(scene.id for day in block.days for scene in day.scenes)
        assert by_ids.setdefault(ids, block.days) is block.days
    assert len(by_ids) < len(blocks) / 10


def test_a_country_is_planned_in_seconds(engine, no_files):
    turn = np.linspace(0, 2 * np.pi, 2_000)[:-1]
    radius = 1 + 0.1 * np.sin(30 * turn)
    country = np.column_stack([10.5 + 4 * radius * np.cos(turn), 51 + 3 * radius * np.sin(turn)])
    scenes = tiles(days=40, columns=4, rows=8)
    start = time.process_time()
    plan = engine.plan(scenes, shapely.Polygon(country), area_crs="EPSG:4326", memory_gb=4.0)
    blocks = sum(1 for _ in plan.blocks())
    request = engine.request(("red",), shapely.Polygon(country), "EPSG:4326", False)
    told = estimate_composite(plan, request).in_words()
    # Of 2 560 scenes and 4 392 blocks; a look at each pair took a minute and a half.
    assert blocks == plan.block_count > 4_000
    assert time.process_time() - start < 10
    assert re.search(
        r"40 days in 4,\d\d\d blocks, about \d\d\d GB to read and \d\d GB to write", told
    )


@pytest.mark.parametrize(
    ("west", "east", "expected"),
    [
        (179.0, 181.0, (178.5, 181.5)),  # as the area was drawn
        (-181.0, -179.0, (-181.5, -178.5)),
        (-180.0, -170.0, (-181.5, -178.5)),
        (170.0, 180.0, (178.5, 181.5)),
        (-180.0, 180.0, (-181.5, 181.5)),  # it touches both ends
        (10.0, 20.0, (178.5, 181.5)),  # nowhere near
    ],
)
def test_a_scene_across_the_antimeridian_lies_where_the_raster_has_it(west, east, expected):
    output = GeoBox.from_bbox((west, -10, east, 10), "EPSG:4326", resolution=0.01)
    size, half = 1000, 167  # 1.5 degrees to each side
    grid = GeoBox((10, 2 * half), Affine(size, 0, 500_000 - 167_000, 0, -size, 5_000), "EPSG:32601")
    turned = "+proj=tmerc +lon_0=180 +k=0.9996 +x_0=500000 +datum=WGS84 +units=m +type=crs"
    grid = GeoBox(grid.shape, grid.transform, turned)
    scene = dataclasses.replace(
        make_scene(0, 0, 0), bands={"red": SourceBand("red.tif", 0, 1e-4, 0.0, grid)}
    )
    found = bounds_by_scene([scene], output)[scene.id]
    np.testing.assert_allclose([found[0], found[2]], expected, atol=0.02)


def test_a_scene_has_the_bounds_of_all_its_bands():
    small = make_scene(0, 500_000, 5_000_000, pixels=100)
    large = make_scene(0, 499_000, 5_000_100, pixels=100, size=20)
    scene = dataclasses.replace(
        small, bands={"red": small.bands["red"], "swir16": large.bands["red"]}
    )
    output = GeoBox((100, 100), Affine(10, 0, 500_000, 0, -10, 5_000_000), UTM33)
    # A pixel of each is left around it.
    expected = (499_000 - 20, 4_998_100 - 20, 501_020, 5_000_120)
    assert bounds_by_scene([scene], output)[scene.id] == expected
