"""TIFFs that LERC has compressed, which keeps NaN as a mask of its own, over zeros."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import rasterio
import tifffile
from affine import Affine
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files.tiff import TiffFile
from rasterio.enums import Resampling

SHAPE = (100, 130)
TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64}
PLACES_OF_TILES, SIZES_OF_TILES = 324, 325


@pytest.fixture
def write(tmp_path):
    """A function that writes a TIFF with NaN in it, and an overview; and returns its path."""

    def write(dtype, **options):
        path = tmp_path / "lerc.tif"
        numbers = np.random.default_rng(5).integers(-120, 120, SHAPE) / 7
        numbers[3:9, 60:70] = np.nan
        numbers[64:, :64] = np.nan
        with rasterio.open(
            path, "w", driver="GTiff", count=1, dtype=dtype, height=SHAPE[0], width=SHAPE[1],
            crs="EPSG:32633", transform=Affine(10, 0, 500_000, 0, -10, 5_000_000), **options,
        ) as dataset:  # fmt: skip
            dataset.write(numbers.astype(dtype), 1)
            dataset.build_overviews([2], Resampling.nearest)
        return str(path)

    return write


def read(files, path, level):
    file = files.open(path)
    assert type(file) is TiffFile
    whole = tuple(slice(0, side) for side in file.levels[level].shape)
    return file.read(level, whole, whole)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("compress", ["LERC", "LERC_DEFLATE", "LERC_ZSTD"])
@pytest.mark.parametrize(
    "layout",
    [TILED, {"blockysize": 7}, {**TILED, "endianness": "BIG"}],
    ids=["tiles", "strips", "big-endian"],
)
def test_what_lerc_hides_is_no_number(write, files, dtype, compress, layout):
    path = write(dtype, **layout, compress=compress)
    for level in (0, 1):
        options = {"overview_level": level - 1} if level else {}
        with rasterio.open(path, **options) as dataset:
            expected = dataset.read(1)
        if "endianness" not in layout:
            # There, GDAL itself makes other numbers of most of them.
            assert np.isnan(expected).mean() > 0.1
        np.testing.assert_array_equal(read(files, path, level), expected)


def test_a_tile_of_another_size_is_broken(write, files):
    path = write("float32", **TILED, compress="LERC")
    content = Path(path).read_bytes()
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        start, size = (tags[code].value[0] for code in (PLACES_OF_TILES, SIZES_OF_TILES))
    large = imagecodecs.lerc_encode(np.zeros((5000, 5000), np.float32))
    assert len(large) <= size
    Path(path).write_bytes(content[:start] + large + content[start + len(large) :])
    with pytest.raises(ReadError, match="tile 0 is broken"):
        read(files, path, 0)
