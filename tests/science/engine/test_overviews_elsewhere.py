"""Files that name another one as their overviews, which GDAL would open wherever it is."""

import socket

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files.gdal import GdalFile, OpenDatasets
from fairweather.core.science.imagery.files.jpeg2000 import Jpeg2000File
from rasterio.io import MemoryFile

SIDE = 512
GRID = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
PIXELS = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(1, SIDE, SIDE) % 4000
PRIVATE = 4242

# The one is read by GDAL as a whole, the other tile by tile.
KINDS = ("TIFF", "JPEG 2000")
TAGS = ("OVERVIEWS OVERVIEW_FILE", "overviews overview_file")


class Canary:
    """Listens, and answers nobody."""

    def __init__(self, listener):
        self._listener = listener
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.tif"

    def heard_something(self):
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def canary():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield Canary(listener)


def write(path, kind, **tags):
    bands = 2 if kind == "TIFF" else 1
    profile = {
        "driver": "GTiff", "width": SIDE, "height": SIDE, "count": bands, "dtype": "uint16",
        "crs": "EPSG:32633", "transform": GRID,
    }  # fmt: skip
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(np.repeat(PIXELS, bands, axis=0))
            for domain, name in (key.split() for key in tags):
                dataset.update_tags(ns=domain, **{name: tags[f"{domain} {name}"]})
        if kind == "TIFF":
            path.write_bytes(memory.getbuffer())
            return str(path)
        with memory.open() as dataset:
            options = {"quality": 100, "reversible": "YES", "resolutions": 2}
            options |= {"blockxsize": SIDE // 2, "blockysize": SIDE // 2, "write_metadata": "YES"}
            rasterio.shutil.copy(dataset, path, driver="JP2OpenJPEG", **options)
    return str(path)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_address(files, canary, tmp_path, kind, tag):
    path = write(tmp_path / "a.jp2", kind, **{tag: f"/vsicurl?url={canary.address}&max_retry=0"})
    with pytest.raises(ReadError, match="names another file as its overviews"):
        files.open(path)
    assert not canary.heard_something()


def test_an_address_in_a_jpeg2000_that_gdal_reads_as_a_whole(canary, tmp_path):
    path = write(tmp_path / "a.jp2", "JPEG 2000", **{TAGS[0]: f"/vsicurl/{canary.address}"})
    with pytest.raises(ReadError, match="names another file as its overviews"):
        GdalFile(path, OpenDatasets())
    assert not canary.heard_something()


def test_an_address_over_http(files, canary, serve_files, tmp_path):
    write(tmp_path / "a.tif", "TIFF", **{TAGS[0]: canary.address})
    with pytest.raises(ReadError, match="names another file as its overviews"):
        files.open(serve_files(tmp_path).href("a.tif"))
    assert not canary.heard_something()


@pytest.mark.parametrize("form", ["{path}", "vrt://{path}", "<VRTDataset>"])
def test_a_file_of_the_users(files, tmp_path, form):
    private = tmp_path / "private.tif"
    with rasterio.open(
        private, "w", driver="GTiff", width=SIDE // 2, height=SIDE // 2, count=2, dtype="uint16"
    ) as dataset:
        dataset.write(np.full((2, SIDE // 2, SIDE // 2), PRIVATE, np.uint16))
    named = inline_vrt(private) if form == "<VRTDataset>" else form.format(path=private)
    with pytest.raises(ReadError, match="names another file as its overviews"):
        files.open(write(tmp_path / "a.tif", "TIFF", **{TAGS[0]: named}))


def inline_vrt(path):
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{band}"><SimpleSource>'
        f"<SourceFilename>{path}</SourceFilename><SourceBand>{band}</SourceBand>"
        "</SimpleSource></VRTRasterBand>"
        for band in (1, 2)
    )
    return f'<VRTDataset rasterXSize="{SIDE // 2}" rasterYSize="{SIDE // 2}">{bands}</VRTDataset>'


@pytest.mark.parametrize("kind", KINDS)
def test_other_words_of_the_files_own_are_no_harm(files, tmp_path, kind):
    tags = {"OVERVIEWS RESAMPLING": "AVERAGE", "AREA OVERVIEW_FILE": "a.tif"}
    file = files.open(write(tmp_path / "a.jp2", kind, **tags))
    assert type(file) is (GdalFile if kind == "TIFF" else Jpeg2000File)
    whole = (slice(0, SIDE), slice(0, SIDE))
    np.testing.assert_array_equal(file.read(0, whole, whole), PIXELS[0])
