"""What a TIFF says is no data, and its tiles that are not stored, against rasterio."""

import numpy as np
import pytest
import rasterio
import tifffile
from affine import Affine
from fairweather.core.science.imagery.files.tiff import TiffFile
from fairweather.core.science.imagery.reading import BlockReader
from fairweather.core.science.imagery.scene import SourceBand

STORED = (slice(64, 128), slice(0, 64))
GDAL_NODATA = 42113


@pytest.fixture
def write(tmp_path):
    """A function that writes a TIFF of which one tile is stored, and what it tells as nodata."""

    def write(dtype, told):
        path = tmp_path / "sparse.tif"
        with rasterio.open(
            path, "w", driver="GTiff", width=200, height=140, count=1, dtype=dtype,
            nodata=None if told is None else 123, crs="EPSG:32633",
            transform=Affine(10, 0, 500_000, 0, -10, 5_000_000), sparse_ok=True,
            compress="DEFLATE", tiled=True, blockxsize=64, blockysize=64,
        ) as dataset:  # fmt: skip
            window = rasterio.windows.Window.from_slices(*STORED)
            dataset.write(np.full((64, 64), 5, dtype), 1, window=window)
        if told is not None:
            with tifffile.TiffFile(path, mode="r+") as file:
                file.pages[0].tags[GDAL_NODATA].overwrite(told)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("dtype", "told"),
    [
        ("uint16", None),
        ("uint16", "7"),
        ("uint16", "65535"),
        ("int16", "256"),
        ("int16", "32767"),
        ("int16", "-9999"),
        ("int16", "1e3"),
        ("uint16", "-9999"),
        ("uint16", "nan"),
        ("uint16", ""),
        ("uint16", "7.0"),
        ("float32", "-3.40282346638529e+38"),
        ("float32", "-3.4028234663852886e+38"),
        ("float32", "0.1"),
        ("float32", "1,5"),
        ("float32", "1e300"),
        ("float32", "nan"),
        ("float64", "-3.40282346638529e+38"),
    ],
)
def test_as_rasterio_tells_it(write, files, dtype, told):
    path = write(dtype, told)
    with rasterio.open(path) as dataset:
        expected, pixels = dataset.nodata, dataset.read(1)
    file = files.open(path)
    assert type(file) is TiffFile
    np.testing.assert_equal(file.nodata, expected)
    block = BlockReader(file.levels[0], files)
    values, valid = block.read(SourceBand(path, None, 1.0, 0.0, None))
    np.testing.assert_array_equal(values, pixels)
    # What is not stored is no data, if the file tells what that is.
    assert valid[STORED].all()
    assert valid.sum() == (valid.size if expected is None else 64 * 64)


@pytest.mark.parametrize("told", ["none", "7 apples", "inf", "70000", "7.5"])
def test_what_no_pixel_can_be(write, files, told):
    file = files.open(write("uint16", told))
    assert file.nodata is None
    whole = (slice(0, 140), slice(0, 200))
    pixels = file.read(0, whole, whole)
    assert (pixels[STORED] == 5).all()
    assert (pixels != 0).sum() == 64 * 64
