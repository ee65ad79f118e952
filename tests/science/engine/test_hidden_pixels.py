"""Pixels that a file hides by a mask of its own or an alpha band, against rasterio's masks."""

import numpy as np
import pytest
import rasterio
import tifffile
from affine import Affine
from fairweather.core.science.imagery.files.gdal import GdalFile
from fairweather.core.science.imagery.reading import BlockReader
from fairweather.core.science.imagery.scene import SourceBand
from rasterio.enums import ColorInterp, Resampling

SHAPE = (150, 210)
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
HOLE = (slice(20, 90), slice(30, 150))
FACTOR = 2
KINDS = ("mask", "mask of 8 bits", "mask of JPEG", "alpha", "alpha of 16 bits", "alpha of JP2")


def numbers(dtype):
    """Never 0, so that no number could be taken for none."""
    return np.random.default_rng(2).integers(1, 200, SHAPE).astype(dtype)


def write_mask(path, dtype, **options):
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", count=1, dtype=dtype, **grid(), **options) as one,
    ):
        one.write(numbers(dtype), 1)
        one.write_mask(shown())


def write_mask_of_bytes(path):
    """As other programs do it: GDAL itself takes one bit."""
    places = [
        (33550, "d", 3, (10.0, 10.0, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 500_000.0, 5_000_000.0, 0.0), True),
        (34735, "H", 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633), True),
    ]
    with tifffile.TiffWriter(path) as writer:
        writer.write(numbers("uint16"), tile=(64, 64), extratags=places, metadata=None)
        writer.write(
            np.where(shown(), 255, 0).astype(np.uint8),
            tile=(64, 64), subfiletype=1, photometric=1, metadata=None,
        )  # fmt: skip
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[1].tags[254].overwrite(4)


def write_alpha(path, dtype, driver="GTiff", **options):
    most = np.iinfo(dtype).max
    with rasterio.open(path, "w", driver=driver, count=2, dtype=dtype, **grid(), **options) as one:
        one.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
        one.write(numbers(dtype), 1)
        one.write(np.where(shown(), most, 0).astype(dtype), 2)


def grid():
    tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    place = {"crs": "EPSG:32633", "transform": TRANSFORM}
    return {"height": SHAPE[0], "width": SHAPE[1], **place, **tiles}


def shown():
    found = np.ones(SHAPE, bool)
    found[HOLE] = False
    return found


@pytest.fixture(params=KINDS)
def path(request, tmp_path):
    path = tmp_path / "hidden.tif"
    if request.param == "mask":
        write_mask(path, "uint16", compress="DEFLATE")
    elif request.param == "mask of 8 bits":
        write_mask_of_bytes(path)
    elif request.param == "mask of JPEG":
        write_mask(path, "uint8", compress="JPEG")
    elif request.param == "alpha":
        write_alpha(path, "uint8", compress="DEFLATE")
    elif request.param == "alpha of 16 bits":
        write_alpha(path, "uint16")
    else:
        path = tmp_path / "hidden.jp2"
        write_alpha(path, "uint8", "JP2OpenJPEG", quality=100, reversible="YES")
        return str(path)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([FACTOR], Resampling.nearest)
    return str(path)


def source_of(path, **more):
    return SourceBand(path, None, 1.0, 0.0, None, **more)


def test_what_a_file_hides_is_no_data(path, files):
    file = files.open(path)
    assert type(file) is GdalFile
    assert len(file.levels) == (1 if path.endswith("jp2") else 2)
    for level, grid_of_level in enumerate(file.levels):
        options = {"overview_level": level - 1} if level else {}
        with rasterio.open(path, **options) as dataset:
            expected, values = dataset.read_masks(1) != 0, dataset.read(1)
        assert 0 < expected.sum() < expected.size
        found, valid = BlockReader(grid_of_level, files).read(source_of(path))
        np.testing.assert_array_equal(valid, expected)
        np.testing.assert_array_equal(found[valid], values[valid])


def test_a_part_of_it_over_http(path, files, serve_files, tmp_path):
    href = serve_files(tmp_path).href(path)
    part = (slice(15, 70), slice(100, 171))
    block = files.open(href).levels[0][part]
    _, valid = BlockReader(block, files).read(source_of(href))
    np.testing.assert_array_equal(valid, shown()[part])


def test_a_classification_is_believed_where_it_hides_pixels(files, tmp_path):
    """There, no class may count as clear."""
    path = tmp_path / "classes.tif"
    write_mask(path, "uint8", compress="DEFLATE")
    source = source_of(str(path), is_mask=True)
    _, valid = BlockReader(files.open(str(path)).levels[0], files).read(source)
    assert valid.all()


def test_a_nodata_value_and_a_mask_hide_both(files, tmp_path):
    path = tmp_path / "both.tif"
    write_mask(path, "uint16", nodata=7)
    source = source_of(str(path))
    _, valid = BlockReader(files.open(str(path)).levels[0], files).read(source)
    np.testing.assert_array_equal(valid, shown() & (numbers("uint16") != 7))


@pytest.mark.parametrize("shape", [(152, 212), (151, 211)])
def test_a_mask_without_overviews_hides_what_it_hides_in_coarser_pixels_too(files, tmp_path, shape):
    """As of a file that was given overviews first; GDAL's own overviews show all of it."""
    path = str(tmp_path / "late.tif")
    places = {**grid(), "height": shape[0], "width": shape[1]}
    hidden = np.kron(np.random.default_rng(1).integers(0, 2, (31, 43)), np.ones((5, 5)))
    hidden = hidden[: shape[0], : shape[1]].astype(bool)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_TIFF_OVR_BLOCKSIZE=64):
        with rasterio.open(path, "w", driver="GTiff", count=1, dtype="uint16", **places) as one:
            one.write(np.ones(shape, "uint16"), 1)
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2, 4], Resampling.nearest)
        with rasterio.open(path, "r+") as dataset:
            dataset.write_mask(~hidden)
    file = files.open(path)
    for number, level in enumerate(file.levels):
        rows, columns = (
            ((np.arange(side) + 0.5) * full / side).astype(int)
            for side, full in zip(level.shape, shape, strict=True)
        )
        expected = ~hidden[np.ix_(rows, columns)]
        assert 0 < expected.sum() < expected.size
        for part in ((slice(7, 33), slice(5, 41)), (slice(0, len(rows)), slice(0, len(columns)))):
            found = file.mask.read(number, part, part)
            np.testing.assert_array_equal(found != 0, expected[part])
            if level.resolution.x == 10 * 2**number:
                _, valid = BlockReader(level[part], files).read(source_of(path))
                np.testing.assert_array_equal(valid, expected[part])
