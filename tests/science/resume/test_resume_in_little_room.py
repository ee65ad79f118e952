"""Finished blocks stay while the disk takes what is written, however little seems to be free."""

import errno
import os
import shutil
from collections import namedtuple

import pytest
from failing_disk import FailingDisk, failing
from fairweather.core.bridge.errors import OutputError
from fairweather.core.bridge.folder_size import folder_size
from fairweather.core.bridge.home import unfinished_folder
from fairweather.core.science.composite import room

BLOCKS = 6
RASTER = 64 * 64 * BLOCKS * 3 * 4
DiskUsage = namedtuple("DiskUsage", "total used free")


class SmallDisk(FailingDisk):
    """Holds ``capacity`` bytes; of the last write it takes what fits, as real ones do."""

    capacity = 10**12

    @property
    def taken(self):
        return sum(map(folder_size, self.folders))

    @property
    def free(self):
        return max(0, self.capacity - self.taken)

    def written(self, content, path, write):
        view = memoryview(content).cast("B")
        free = self.free
        if view and not free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return write(view[:free])


@pytest.fixture
def disk(runs, monkeypatch):
    """All that a run writes goes there."""
    folders = (unfinished_folder(), runs.job.folder / "scratch", runs.folder)
    small = SmallDisk(folders)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(10**12, 0, small.free))
    monkeypatch.setattr(room, "check_room", lambda *_: None)
    with failing(small):
        yield small


@pytest.mark.parametrize("times_the_raster", [1.5, 0.9, 0.3, 0.0])
def test_what_seems_to_be_free_costs_no_block(runs, monkeypatch, times_the_raster):
    whole = runs.run()
    runs.run(stop_after=BLOCKS - 1)
    free = int(times_the_raster * RASTER)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(10**12, 0, free))
    assert runs.run() == whole
    assert runs.composed == 1
    assert not runs.messages("removed")


def test_nor_a_block_of_another_run(runs, monkeypatch, unfinished):
    runs.run(stop_after=4, bands=("nir",))
    free = int(0.9 * RASTER)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(10**12, 0, free))
    assert runs.run() is not None
    assert len(unfinished()) == 4
    assert not runs.messages("removed")


@pytest.mark.parametrize("share", [1.2, 1.5, 1.9, 2.5])
def test_blocks_go_only_where_a_full_disk_needs_their_room(runs, disk, share):
    """``share`` times what the file takes is free beside the blocks."""
    whole = runs.run()
    runs.run(stop_after=BLOCKS - 1)
    disk.capacity = disk.taken + int(share * len(whole))
    assert runs.run() == whole
    # The tiles, and the file made of them.
    told = runs.messages("finished blocks of this composite had to be removed")
    assert len(told) == (share < 2)
    assert runs.composed == 1


def test_a_run_that_cannot_begin_removes_nothing(runs, disk, unfinished):
    whole = runs.run()
    runs.run(stop_after=BLOCKS - 1)
    disk.capacity = disk.taken
    with pytest.raises(OutputError, match="the disk is full"):
        runs.run()
    assert len(unfinished()) == BLOCKS - 1
    disk.capacity = 10**12
    assert runs.run() == whole
    assert runs.composed == 1


def test_blocks_that_went_in_vain_are_told(runs, disk, unfinished):
    whole = runs.run()
    runs.run(stop_after=BLOCKS - 1)
    disk.capacity = disk.taken + len(whole) // 3
    with pytest.raises(OutputError, match="the disk is full"):
        runs.run()
    assert unfinished() == []
    assert runs.messages("finished blocks of this composite had to be removed")
    disk.capacity = 10**12
    assert runs.run() == whole


def test_other_composites_go_before_the_own_one(runs, disk, unfinished):
    whole = runs.run()
    runs.run(stop_after=BLOCKS - 1, bands=("red", "nir", "NDVI"))
    runs.run(stop_after=BLOCKS - 1)
    assert len(unfinished()) == 2 * (BLOCKS - 1)
    disk.capacity = disk.taken + int(1.5 * len(whole))
    assert runs.run() == whole
    assert len(runs.messages("what other unfinished composites had kept")) == 1
    assert not runs.messages("had to be removed")
    assert unfinished() == []
