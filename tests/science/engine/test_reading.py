import dataclasses
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery import reading
from fairweather.core.science.imagery.reading import BlockReader, is_data
from odc.geo.geobox import GeoBox


@pytest.fixture
def pixels():
    return np.random.default_rng(3).integers(1, 4000, (400, 500)).astype(np.uint16)


def block_of(grid, top, left, shape, size):
    transform = dataclasses.replace(grid, size=size).transform
    return GeoBox(shape, transform * transform.translation(left, top), grid.crs)


def test_where_grids_agree_pixels_are_copied(scenes, files, grid, pixels):
    wide = grid(shape=pixels.shape)
    source = scenes.source(pixels, wide)
    values, valid = BlockReader(source.geobox[50:90, 60:200], files).read(source)
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values, pixels[50:90, 60:200])
    assert valid.all()


def test_nothing_outside_the_file(scenes, files, grid, pixels):
    source = scenes.source(pixels, grid(shape=pixels.shape))
    values, valid = BlockReader(source.geobox.pad(7), files).read(source)
    assert not valid[:7].any()
    assert not valid[:, -7:].any()
    np.testing.assert_array_equal(values[7:-7, 7:-7], pixels)
    away = grid(left=0.0)
    assert BlockReader(GeoBox((9, 9), away.transform, away.crs), files).read(source) is None


@pytest.mark.parametrize(
    ("size", "level"),
    [(10, None), (19.9, None), (20, 0), (30, 0), (39.9, 0), (40, 1), (60, 1), (80, 2), (500, 2)],
)
def test_the_overview_whose_pixels_are_at_most_the_outputs(
    scenes, files, grid, pixels, size, level
):
    source = scenes.source(pixels, grid(shape=pixels.shape), overviews=(2, 4, 8))
    shape = (int(4000 // size), int(5000 // size))
    block = block_of(grid(shape=pixels.shape), 0, 0, shape, size)
    options = {} if level is None else {"overview_level": level}
    with rasterio.open(source.href, **options) as dataset:
        stored, inverse = dataset.read(1), ~dataset.transform
    step = np.arange(max(shape)) + 0.5
    x, y = grid().left + step[: shape[1]] * size, grid().top - step[: shape[0]] * size
    columns = np.floor(inverse.a * x + inverse.c + 1e-6).astype(int)
    rows = np.floor(inverse.e * y + inverse.f + 1e-6).astype(int)
    values, valid = BlockReader(block, files).read(source)
    assert valid.all()
    np.testing.assert_array_equal(values, stored[np.ix_(rows, columns)])


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:32634", "EPSG:4326"])
def test_strips_of_a_file_without_overviews_do_not_show(
    scenes, files, grid, pixels, monkeypatch, crs
):
    source = scenes.source(pixels, grid(shape=pixels.shape))
    output = source.geobox.to_crs(crs)
    block = output.zoom_out(7)
    whole = BlockReader(block, files).read(source)
    monkeypatch.setattr(reading, "MOST_PIXELS_AT_ONCE", 0.1)
    strips = BlockReader(block, files).read(source)
    np.testing.assert_array_equal(strips[1], whole[1])
    np.testing.assert_array_equal(strips[0][strips[1]], whole[0][whole[1]])


def test_few_pixels_are_read_at_once(scenes, files, grid, pixels, monkeypatch):
    source = scenes.source(pixels, grid(shape=pixels.shape))
    block = source.geobox.zoom_out(10)
    sizes = []
    take = reading.PixelLookup.take

    def measuring_take(lookup, found, window):
        sizes.append(found.size)
        return take(lookup, found, window)

    monkeypatch.setattr(reading.PixelLookup, "take", measuring_take)
    BlockReader(block, files).read(source)
    assert max(sizes) <= reading.MOST_PIXELS_AT_ONCE * block.shape[0] * block.shape[1]


@pytest.mark.parametrize(
    ("values", "nodata", "expected"),
    [
        (np.array([0, 1, 2], np.uint16), 0.0, [False, True, True]),
        (np.array([0, 1, 2], np.uint16), None, [True, True, True]),
        (np.array([0, 1, 2], np.uint16), -9999.0, [True, True, True]),
        (np.array([0, 1, 2], np.uint16), float("nan"), [True, True, True]),
        (np.array([-9999, 0], np.int16), -9999.0, [False, True]),
        (np.array([np.nan, 0, 1], np.float32), None, [False, True, True]),
        (np.array([np.nan, 0, 1], np.float32), 0.0, [False, False, True]),
        (np.array([np.nan, -3.4028235e38], np.float32), -3.4028234663852886e38, [False, False]),
        (np.array([0.1, 1], np.float32), 0.1, [False, True]),
        (np.array([255, 0], np.uint8), 256.0, [True, True]),
    ],
)
def test_what_is_data(values, nodata, expected):
    np.testing.assert_array_equal(is_data(values, nodata), expected)


def test_a_missing_file_is_one_sentence(scenes, files, grid, pixels):
    source = dataclasses.replace(
        scenes.source(pixels, grid(shape=pixels.shape)), href=str(scenes.folder / "no such.tif")
    )
    with pytest.raises(ReadError, match=r"no such\.tif"):
        BlockReader(source.geobox, files).read(source)


def test_a_file_cut_short_is_an_error_and_never_data(scenes, files, grid, pixels):
    source = scenes.source(pixels, grid(shape=pixels.shape))
    path = scenes.folder / "cut.tif"
    content = Path(source.href).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    cut = dataclasses.replace(source, href=str(path))
    with pytest.raises(ReadError):
        BlockReader(source.geobox, files).read(cut)


def test_a_file_without_a_crs_is_told(scenes, files, grid, pixels):
    path = scenes.folder / "nowhere.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8",
        transform=grid().transform,
    ):  # fmt: skip
        pass
    source = dataclasses.replace(scenes.source(pixels, grid(shape=pixels.shape)), href=str(path))
    with pytest.raises(ReadError, match="no CRS"):
        files.open(source.href).levels[0]
    with pytest.raises(ReadError, match="no CRS"):
        BlockReader(source.geobox, files).read(source)


def test_a_virtual_raster_in_disguise_is_not_opened(scenes, files, grid, pixels):
    source = scenes.source(pixels, grid(shape=pixels.shape))
    path = scenes.folder / "disguised.tif"
    path.write_text(
        f"""<VRTDataset rasterXSize="500" rasterYSize="400"><SRS>EPSG:32633</SRS>
        <GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform>
        <VRTRasterBand dataType="UInt16" band="1"><SimpleSource>
        <SourceFilename>{source.href}</SourceFilename><SourceBand>1</SourceBand>
        </SimpleSource></VRTRasterBand></VRTDataset>"""
    )
    with rasterio.open(path) as dataset:
        assert dataset.driver == "VRT"
    with pytest.raises(ReadError):
        BlockReader(source.geobox, files).read(dataclasses.replace(source, href=str(path)))


def test_the_grid_is_the_files_own(scenes, files, grid, pixels):
    source = scenes.source(pixels, grid(shape=pixels.shape), with_grid=False)
    assert files.open(source.href).levels[0] == GeoBox(pixels.shape, grid().transform, "EPSG:32633")
