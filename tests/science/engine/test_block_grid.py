"""How a raster is cut into blocks, and what that means for the source's tiles."""

import numpy as np
import pytest
from affine import Affine
from fairweather.core.science.composite.block_grid import BlockGrid, choose_block_grid
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

UTM33 = "EPSG:32633"


def raster_at(shape, row=0, column=0, size=10.0, crs=UTM33):
    transform = Affine(10, 0, 500_000, 0, -10, 5_000_000) * Affine.translation(column, row)
    return GeoBox(shape, transform * Affine.scale(size / 10), crs)


def covered(grid, raster):
    times = np.zeros(raster.shape, int)
    for rows, columns in grid.cut(raster):
        times[rows, columns] += 1
    return times


SIZES = st.integers(1, 90)


@given(SIZES, SIZES, st.integers(0, 179), st.integers(0, 179), SIZES, SIZES)
def test_blocks_cover_every_pixel_once(height, width, top, left, rows, columns):
    grid = BlockGrid(height, width, top % (2 * height), left % (2 * width))
    raster = raster_at((rows, columns))
    assert (covered(grid, raster) == 1).all()
    for block_rows, block_columns in grid.cut(raster):
        assert 1 <= block_rows.stop - block_rows.start <= height
        assert 1 <= block_columns.stop - block_columns.start <= width


@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.tuples(st.integers(-500, 500), st.integers(-500, 500)),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.sampled_from([16, 64, 128]),
)
def test_blocks_of_whole_tiles_or_smaller_than_one(shape, place, tile_shape, edge):
    raster, source = raster_at(shape, *place), raster_at((1000, 1000))
    grid = choose_block_grid(raster, source, tile_shape, edge)
    assert grid.height * grid.width <= edge * edge
    assert (covered(grid, raster) == 1).all()
    if tile_shape[0] * tile_shape[1] > edge * edge:
        assert (grid.height, grid.width) == (edge, edge)
        return
    assert grid.height % tile_shape[0] == 0
    assert grid.width % tile_shape[1] == 0
    # No tile lies in two blocks.
    owner = {}
    for number, (rows, columns) in enumerate(grid.cut(raster)):
        for row in {(place[0] + row) // tile_shape[0] for row in (rows.start, rows.stop - 1)}:
            for column in {
                (place[1] + column) // tile_shape[1] for column in (columns.start, columns.stop - 1)
            }:
                assert owner.setdefault((row, column), number) == number


@pytest.mark.parametrize(
    ("tile_shape", "expected"),
    [
        ((1024, 1024), (1024, 1024)),
        ((512, 512), (1024, 1024)),
        ((256, 256), (1024, 1024)),
        ((1, 10_980), (95, 10_980)),
        ((7, 5490), (189, 5490)),
        ((2048, 512), (2048, 512)),
        ((2048, 256), (2048, 512)),
        ((4096, 4096), (1024, 1024)),
        ((10_980, 10_980), (1024, 1024)),
        ((128, 10_980), (1024, 1024)),
        ((600, 600), (1200, 600)),
    ],
)
def test_the_tiles_of_real_files(tile_shape, expected):
    raster = raster_at((4000, 4000), 100, 200)
    grid = choose_block_grid(raster, raster_at((10_980, 10_980)), tile_shape, 1024)
    assert (grid.height, grid.width) == expected


@given(st.integers(0, 3000), st.integers(0, 3000), st.sampled_from([2048, 4096]))
def test_a_block_smaller_than_a_tile_lies_in_one(row, column, tile):
    raster = raster_at((1500, 1500), row, column)
    grid = choose_block_grid(raster, raster_at((10_980, 10_980)), (tile, tile), 1024)
    for rows, columns in grid.cut(raster):
        assert (row + rows.start) // tile == (row + rows.stop - 1) // tile
        assert (column + columns.start) // tile == (column + columns.stop - 1) // tile


@pytest.mark.parametrize(
    "source",
    [
        raster_at((1000, 1000), size=20.0),
        raster_at((1000, 1000), row=0.5),
        raster_at((1000, 1000), column=0.01),
        raster_at((1000, 1000), crs="EPSG:32634"),
        raster_at((1000, 1000), size=10.0001),
    ],
)
def test_other_pixels_than_the_sources_need_no_tiles(source):
    raster = raster_at((500, 500), 3, 3)
    assert choose_block_grid(raster, source, (64, 64), 128) == BlockGrid(128, 128)


def test_rounding_does_not_make_a_grid_another_one():
    source = raster_at((1000, 1000))
    exact = choose_block_grid(raster_at((500, 500), 3, 5), source, (64, 64), 128)
    assert (exact.top % 128, exact.left % 128) == (125, 123)
    rounded = raster_at((500, 500), 3 + 1e-9, 5 - 1e-9)
    assert choose_block_grid(rounded, source, (64, 64), 128) == exact


@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.tuples(st.integers(-500, 500), st.integers(-500, 500)),
)
def test_blocks_over_one_tile_of_twice_the_size_come_one_after_the_other(shape, place):
    """So a tile of a mask of 20 m is needed once, not until the next row of blocks."""
    grid = choose_block_grid(raster_at(shape, *place), raster_at((1000, 1000)), (64, 64), 64)
    tiles = [
        ((place[0] + rows.start) // 128, (place[1] + columns.start) // 128)
        for rows, columns in grid.cut(raster_at(shape, *place))
    ]
    changes = [tile for tile, before in zip(tiles, [None, *tiles], strict=False) if tile != before]
    assert len(changes) == len(set(tiles))
