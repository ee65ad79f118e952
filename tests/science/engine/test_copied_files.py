"""Whole copies of remote files: a disk's failures, answers that were a part, and threads."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine
from failing_disk import FailingDisk, failing
from fairweather.core.bridge.errors import OutputError, ReadError
from fairweather.core.science.imagery.files.byte_ranges import RangeReader
from fairweather.core.science.imagery.files.completed_file import CompletedFile
from fairweather.core.science.imagery.files.copied_files import CopiedFiles
from fairweather.core.science.imagery.files.file_versions import (
    DamagedError,
    FileVersions,
    ReplacedError,
)
from fairweather.core.science.imagery.files.raster_file import read_error
from fairweather.core.science.imagery.files.raster_files import RasterFiles
from faulty_server import FaultyServer, running
from republishing_server import NewFile, RepublishingServer
from republishing_server import running as republishing

HREF = "https://example.com/a.tif"
CONTENT = b"II*\0" + np.random.default_rng(1).bytes(99_996)

OF_THE_DISK = (
    *("ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "EIO"),
    *("ENOENT", "ESTALE", "EMFILE", "ENODEV", "ETIMEDOUT"),
)


@pytest.fixture
def copies(tmp_path):
    (tmp_path / "scratch").mkdir()
    return CopiedFiles(tmp_path / "scratch", FileVersions())


class OneError(FailingDisk):
    """A disk with an error of its own at each step of one kind."""

    def fail(self, number, kind):
        self.number, self.kind = number, kind
        return self

    def step(self, what, path):
        if what == self.kind:
            raise OSError(self.number, os.strerror(self.number), path)
        return False


@pytest.mark.parametrize("kind", ["open", "write"])
@pytest.mark.parametrize("name", OF_THE_DISK)
def test_whatever_the_disk_says_ends_the_run(copies, tmp_path, name, kind):
    folder = tmp_path / "scratch"
    disk = OneError((folder,)).fail(getattr(errno, name), kind)
    with failing(disk), pytest.raises(OutputError) as caught:
        copies.keep(HREF, iter([CONTENT]))
    text = str(caught.value)
    assert text.startswith(f"A copy of a remote file in {folder} cannot be written")
    assert text.endswith("set FAIRWEATHER_HOME to a folder on another one.")
    assert "Errno" not in text
    assert copies.find(HREF) is None
    assert not list(folder.iterdir())


@pytest.mark.parametrize("error", [ConnectionResetError(errno.ECONNRESET, "reset"), OSError(5, "")])
def test_what_the_network_says_is_not_told_as_the_disk_s(copies, tmp_path, error):
    def content():
        yield CONTENT[:1000]
        raise error

    with pytest.raises(OSError, check=lambda found: found is error):
        copies.keep(HREF, content())
    assert not list((tmp_path / "scratch").iterdir())


@pytest.fixture
def served(tmp_path):
    """A server without ranges, told by ``answers`` what to send, in turn; the last for good."""
    answers, asked = [], []

    def answer(path, _):
        asked.append(path)
        return 200, answers.pop(0) if len(answers) > 1 else answers[0]

    server = FaultyServer(tmp_path, has_ranges=False, answer=answer)
    server.answers, server.asked = answers, asked
    with running(server):
        server.href = f"{server.address}/a.tif"
        yield server


@pytest.fixture
def ranges(tmp_path):
    (tmp_path / "scratch").mkdir()
    reader = RangeReader(8, tmp_path / "scratch")
    yield reader
    reader.close()


def test_a_copy_that_was_a_part_is_completed_once(served, ranges):
    served.answers += [CONTENT[:50_000], CONTENT]
    assert ranges.read(served.href, 49_000, 5000) == CONTENT[49_000:50_000]
    place = ranges.copies.find(served.href)
    ranges.complete_copy(served.href)
    assert ranges.copies.find(served.href) == place
    assert ranges.read(served.href, 49_000, 5000) == CONTENT[49_000:54_000]
    assert place.read_bytes() == CONTENT
    ranges.complete_copy(served.href)
    assert len(served.asked) == 2


def test_a_copy_that_stays_a_part_is_asked_for_twice(served, ranges):
    served.answers += [CONTENT[:50_000]]
    for _ in range(4):
        ranges.read(served.href, 0, 10)
        ranges.complete_copy(served.href)
    assert ranges.copies.find(served.href).read_bytes() == CONTENT[:50_000]
    assert len(served.asked) == 2


def test_another_file_is_not_mixed_with_the_part(served, ranges):
    served.answers += [CONTENT[:50_000], CONTENT[:40_000] + bytes(60_000)]
    ranges.read(served.href, 0, 10)
    with pytest.raises(ReplacedError):
        ranges.complete_copy(served.href)
    assert ranges.copies.find(served.href).read_bytes() == CONTENT[:50_000]


OLD_TAG, NEW_TAG = {"ETag": '"old"'}, {"ETag": '"new"'}
WEAK_TAG = {"ETag": 'W/"new"'}
EARLIER = {"Last-Modified": "Mon, 03 Jun 2024 10:00:00 GMT"}
LATER = {"Last-Modified": "Tue, 04 Jun 2024 10:00:00 GMT"}
DAMAGED = CONTENT[:40_000] + bytes(64) + CONTENT[40_064:]


@pytest.mark.parametrize(
    ("before", "after", "content", "expected"),
    [
        ({}, {}, CONTENT, DamagedError),
        (OLD_TAG, OLD_TAG, CONTENT, DamagedError),
        (EARLIER, EARLIER, CONTENT, DamagedError),
        # Only one of the two tells, so that nothing says they are two versions.
        (OLD_TAG, {}, CONTENT, DamagedError),
        (OLD_TAG, WEAK_TAG, CONTENT, DamagedError),
        (OLD_TAG, NEW_TAG, CONTENT, ReplacedError),
        (EARLIER, LATER, CONTENT, ReplacedError),
        ({}, {}, CONTENT + bytes(9), ReplacedError),
        ({}, {}, CONTENT[:-9], ReplacedError),
        (OLD_TAG, OLD_TAG, CONTENT[:-9], ReplacedError),
    ],
    ids=str,
)
def test_two_answers_that_differ(tmp_path, ranges, before, after, content, expected):
    """Which of them is damaged nobody knows; another length or version is another file."""
    (tmp_path / "a.tif").write_bytes(DAMAGED)
    server = RepublishingServer(tmp_path, before, has_ranges=False)
    server.new["a.tif"] = NewFile(1, content, after, is_whole=True)
    with republishing(server):
        href = f"{server.address}/a.tif"
        ranges.read(href, 0, 10)
        with pytest.raises(expected) as caught:
            ranges.complete_copy(href)
        ranges.complete_copy(href)
        assert ranges.copies.find(href).read_bytes() == DAMAGED
    assert server.counts["a.tif"] == 2
    assert caught.value.is_lasting


def test_an_answer_that_differs_and_breaks_off_is_asked_for_again(served, ranges):
    """It would tell nothing of the file's length."""
    served.answers += [DAMAGED, CONTENT]
    served.script[2] = "cut"
    ranges.read(served.href, 0, 10)
    with pytest.raises(DamagedError):
        ranges.complete_copy(served.href)
    assert len(served.asked) == 3


def test_the_error_of_two_answers_that_differ():
    error = read_error("https://a.example/b.tif?signature=planted", DamagedError())
    assert not error.is_replaced
    assert str(error) == (
        "https://a.example/b.tif cannot be read: two answers of its server differ, so that one of "
        "them is damaged; run again, or leave its scene out."
    )


def test_several_threads_ask_once_and_wait(served, ranges):
    served.answers += [CONTENT[:50_000], CONTENT]
    ranges.read(served.href, 0, 10)

    def complete(_):
        ranges.complete_copy(served.href)
        return ranges.read(served.href, 90_000, 100)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(complete, range(16))) == [CONTENT[90_000:90_100]] * 16
    assert len(served.asked) == 2


def test_a_copy_that_came_by_ranges_is_not_asked_for_again(tmp_path, ranges):
    asked = []

    def answer(path, _):
        asked.append(path)
        return 200, CONTENT

    with running(FaultyServer(tmp_path, answer=answer)) as server:
        href = f"{server.address}/a.tif"
        assert ranges.copy(href).read_bytes() == CONTENT
        before = len(asked)
        ranges.complete_copy(href)
        assert ranges.copies.find(href).read_bytes() == CONTENT
        assert len(asked) == before


def test_a_copy_that_is_gone_is_the_disk_s_fault(served, ranges):
    served.answers += [CONTENT]
    ranges.read(served.href, 0, 10)
    ranges.copies.find(served.href).unlink()
    with pytest.raises(OutputError, match=r"cannot be read any more .*set FAIRWEATHER_HOME"):
        ranges.read(served.href, 0, 10)


KINDS = {
    "TIFF": {"driver": "GTiff", "tiled": True, "blockxsize": 64, "blockysize": 64},
    "TIFF by GDAL": {"driver": "GTiff", "compress": "JPEG", "tiled": True, "blockxsize": 64,
                     "blockysize": 64},
    "JPEG 2000": {"driver": "JP2OpenJPEG", "quality": 100, "reversible": "YES", "blockxsize": 64,
                  "blockysize": 64},
    "JPEG 2000 by GDAL": {"driver": "JP2OpenJPEG", "quality": 100, "reversible": "YES",
                          "blockxsize": 256, "blockysize": 256},
}  # fmt: skip


@pytest.fixture(params=KINDS)
def raster(request, tmp_path):
    """The bytes of a file, and its pixels."""
    path = tmp_path / "raster.jp2"  # of any other name, GDAL writes a bare codestream
    numbers = np.random.default_rng(3).integers(1, 250, (256, 256)).astype(np.uint8)
    with rasterio.open(
        path, "w", count=1, dtype="uint8", width=256, height=256, crs="EPSG:32633",
        transform=Affine(10, 0, 500_000, 0, -10, 5_000_000), **KINDS[request.param],
    ) as dataset:  # fmt: skip
        dataset.write(numbers, 1)
    with rasterio.open(path) as dataset:
        return path.read_bytes(), dataset.read(1)


def read_all(file):
    everything = (slice(0, 256), slice(0, 256))
    return file.read(0, everything, everything)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "copies").mkdir()
    files = RasterFiles(4, tmp_path / "copies", 1_000_000)
    yield files
    files.close()


@pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.98])
def test_half_a_file_at_first_costs_one_request(raster, served, files, share):
    content, pixels = raster
    served.answers += [content[: max(100, int(share * len(content)))], content]
    file = files.open(served.href)
    assert type(file) is CompletedFile
    np.testing.assert_array_equal(read_all(file), pixels)
    assert len(served.asked) == 2


@pytest.mark.parametrize("share", [0.001, 0.5])
def test_half_a_file_for_good_is_lost_after_two_requests(raster, served, files, share):
    content, _ = raster
    served.answers += [content[: max(100, int(share * len(content)))]]
    for _ in range(3):
        with pytest.raises(ReadError, match=r"a\.tif cannot be read"):
            read_all(files.open(served.href))
    assert len(served.asked) == 2


def test_what_was_damaged_at_first_is_opened_at_the_second_try(raster, served, files):
    content, pixels = raster
    served.answers += [content[:16] + bytes(len(content) - 16), content]
    np.testing.assert_array_equal(read_all(files.open(served.href)), pixels)
    assert len(served.asked) == 2
