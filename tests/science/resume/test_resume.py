"""A composite that was stopped goes on where it was, and its file is the same to the byte."""

import dataclasses
import errno
import os
import shutil
from collections import namedtuple
from datetime import date
from pathlib import Path

import pytest
from fairweather.core.bridge import leftovers
from fairweather.core.bridge.errors import OutputError
from fairweather.core.bridge.folder_size import folder_size
from fairweather.core.bridge.home import unfinished_folder
from fairweather.core.bridge.owned_folders import claim
from fairweather.core.science.composite import finished_blocks, job, on_cluster, run_key
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.stack_memory import StackMemory

BLOCKS = 6
DiskUsage = namedtuple("DiskUsage", "total used free")


def test_a_run_stopped_after_any_block_goes_on_there(runs, unfinished):
    whole = runs.run()
    all_requests = runs.requests
    for done in range(BLOCKS):
        assert runs.run(stop_after=done) is None
        spent = runs.requests
        assert len(unfinished()) == done
        assert runs.run() == whole
        assert runs.composed == BLOCKS - done
        # Every file's header is read again, and nothing of the finished blocks.
        headers = len(list(runs.server.folder.iterdir()))
        assert runs.requests <= all_requests - spent + headers
        assert bool(runs.messages("finished by an earlier run")) == (done > 0)
        assert not unfinished_folder().exists() or list(unfinished_folder().iterdir()) == []


def test_a_run_stopped_again_and_again_comes_to_its_end(runs):
    whole = runs.run()
    for _ in range(BLOCKS - 1):
        assert runs.run(stop_after=1) is None
        assert runs.composed == 1
    assert runs.run(stop_after=1) == whole


def test_progress_starts_where_the_last_run_was(runs):
    runs.run(stop_after=3)
    runs.run()
    told = [(percent, text) for percent, text in runs.reporter.progresses if "blocks" in text]
    assert f"Reading and reducing: 3 of {BLOCKS} blocks" in [text for _, text in told]
    assert told == sorted(told, key=lambda pair: pair[0])
    assert told[-1][0] == 95


@pytest.mark.parametrize(
    "fields",
    [
        {"bands": ("red",)},
        {"bands": ("red", "NDVI=(nir-red)/(nir+red+0)")},
        {"dtype": "int16"},
        {"count_band": False},
        {"mask_classes": ()},
        {"mask_buffer": 20.0},
        {"resolution": 20.0},
    ],
    ids=str,
)
def test_another_request_picks_nothing_up(runs, fields):
    runs.run(stop_after=2)
    assert runs.run(stop_after=1, **fields) is None
    assert runs.composed == 1
    assert not runs.messages("finished by an earlier run")


def test_another_output_or_on_error_goes_on(runs, tmp_path):
    runs.run(stop_after=4)
    runs.run(stop_after=1, on_error="fail", output=str(runs.folder / "other.tif"))
    assert runs.run(report=str(tmp_path / "report.html")) is not None
    assert runs.composed == 1


@pytest.mark.parametrize(
    "edit",
    [
        lambda item: item["properties"].update(updated="2024-07-01T00:00:00Z"),
        lambda item: item["assets"]["red"]["raster:bands"][0].update(offset=0.0),
        lambda item: item["assets"]["scl"].update(href=item["assets"]["scl"]["href"] + "?v=2"),
        lambda item: item.update(id="scene-x"),
    ],
    ids=["updated", "offset", "address", "id"],
)
def test_an_edited_scene_picks_nothing_up(runs, edit):
    runs.run(stop_after=2)
    edit(runs.job.items[1])
    runs.run(stop_after=1)
    assert not runs.messages("finished by an earlier run")


def test_an_edited_file_on_this_computer_picks_nothing_up(local_runs):
    local_runs.run(stop_after=4)
    assert local_runs.run(stop_after=0) is None
    assert local_runs.messages("4 of 6 blocks were finished")
    path = local_runs.server.folder / "nir-1.tif"
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    local_runs.run(stop_after=0)
    assert not local_runs.messages("finished by an earlier run")


def in_place(path):
    """The file edited where it is, as an uncompressed one can be."""
    path.write_bytes(one_bit_flipped(path.read_bytes()))


def by_another_file(path):
    """The file replaced by a copy of another one, as `rsync -t` and `cp -p` do it."""
    edited = path.with_name("edited")
    edited.write_bytes(one_bit_flipped(path.read_bytes()))
    edited.replace(path)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(
            in_place,
            marks=pytest.mark.skipif(os.name != "posix", reason="Windows keeps no such time"),
        ),
        by_another_file,
    ],
)
def test_a_file_edited_with_its_size_and_time_kept_picks_nothing_up(local_runs, edit):
    local_runs.run(stop_after=4)
    path = local_runs.server.folder / "nir-1.tif"
    before = path.stat()
    edit(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    local_runs.run(stop_after=0)
    assert not local_runs.messages("finished by an earlier run")


def test_another_version_picks_nothing_up(runs, monkeypatch):
    runs.run(stop_after=4)
    monkeypatch.setattr(run_key, "versions", lambda: {"fairweather": "0.0.9"})
    assert runs.run() is not None
    assert runs.composed == BLOCKS


def cut(content):
    return content[: len(content) // 2]


def zeroes_at_the_end(content):
    return content[:-4096] + bytes(4096)


def one_bit_flipped(content):
    return content[:20] + bytes([content[20] ^ 1]) + content[21:]


@pytest.mark.parametrize(
    "damage", [cut, zeroes_at_the_end, one_bit_flipped, lambda _: b"", lambda _: b"\0" * 9]
)
def test_a_torn_block_is_computed_again(runs, damage):
    whole = runs.run()
    runs.run(stop_after=4)
    torn = sorted(unfinished_folder().glob("*/block-*"))[1]
    torn.write_bytes(damage(torn.read_bytes()))
    assert runs.run() == whole
    assert runs.composed == BLOCKS - 3


def test_a_second_run_of_the_same_request_at_the_same_time_runs_without(runs, unfinished):
    whole = runs.run()
    runs.run(stop_after=4)
    [folder] = unfinished_folder().iterdir()
    lock = claim(folder)
    assert runs.run() == whole
    assert runs.composed == BLOCKS
    assert runs.messages("another run of the same request")
    assert len(unfinished()) == 4
    lock.release()
    assert runs.run() == whole
    assert runs.composed == BLOCKS - 4


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("place", [1, 3])
def test_a_folder_that_fails_costs_no_run(runs, monkeypatch, number, place):
    whole = runs.run()
    write, written = finished_blocks._write, []

    def fail(*arguments):
        written.append(arguments)
        if len(written) >= place:
            raise OSError(number, os.strerror(number))
        write(*arguments)

    monkeypatch.setattr(finished_blocks, "_write", fail)
    assert runs.run() == whole
    assert len(written) == place
    assert len(runs.messages("the next one computes them again")) == 1
    assert list(unfinished_folder().iterdir()) == []


def test_who_stopped_keeping_removes_nothing_of_the_next_run(runs, monkeypatch, unfinished):
    """Its folder stays its own to the end, empty."""
    seen = []

    def fail(path, *_):
        raise OSError(errno.ENOSPC, "full")

    put = job.run_composite_blocks

    def look(*arguments):
        statistics = put(*arguments)
        [folder] = unfinished_folder().iterdir()
        seen.append((claim(folder), unfinished()))
        return statistics

    monkeypatch.setattr(finished_blocks, "_write", fail)
    monkeypatch.setattr(job, "run_composite_blocks", look)
    assert runs.run() is not None
    assert seen == [(None, [])]
    assert list(unfinished_folder().iterdir()) == []


def test_a_folder_that_cannot_be_made_costs_no_run(runs, monkeypatch):
    whole = runs.run()
    shutil.rmtree(unfinished_folder(), ignore_errors=True)
    unfinished_folder().write_text("in the way")
    assert runs.run() == whole
    assert len(runs.messages("the next one computes them again")) == 1


@pytest.mark.parametrize(
    ("times_the_raster", "kept"), [(1.9, 0), (2.1, 4)], ids=["too little", "enough"]
)
def test_blocks_are_kept_only_where_there_is_room_for_both(
    runs, monkeypatch, unfinished, times_the_raster, kept
):
    free = int(times_the_raster * 64 * 64 * BLOCKS * 3 * 4)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(0, 0, free))
    assert runs.run(stop_after=4) is None
    assert len(unfinished()) == kept


def test_no_more_blocks_are_kept_when_the_disk_fills(runs, monkeypatch, unfinished):
    raster = 64 * 64 * BLOCKS * 3 * 4

    def usage(_):
        return DiskUsage(0, 0, raster // 9 if len(unfinished()) == 2 else 10 * raster)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert runs.run(stop_after=4) is None
    assert len(runs.messages("no room for them")) == 1
    assert len(unfinished()) == 2


@pytest.fixture
def small_bound(monkeypatch):
    """All unfinished composites may take two and a half blocks."""
    bound = int(2.5 * 64 * 64 * 3 * 4)
    monkeypatch.setattr(leftovers, "MOST_BYTES", bound)
    monkeypatch.setattr(finished_blocks, "MOST_BYTES", bound)
    return bound


def test_a_composite_larger_than_the_bound_goes_on_after_its_first_blocks(
    runs, unfinished, small_bound
):
    whole = runs.run()
    assert runs.messages("Only the first")
    assert runs.run(stop_after=4) is None
    assert len(unfinished()) == 2
    leftovers.tidy_up()
    assert runs.run() == whole
    assert runs.composed == BLOCKS - 2


def test_others_are_removed_before_the_bound_is_passed(runs, unfinished, small_bound):
    runs.run(stop_after=2, bands=("nir",))
    [other] = unfinished_folder().iterdir()
    runs.run(stop_after=2)
    [own] = unfinished_folder().iterdir()
    assert own != other
    assert folder_size(own) <= small_bound


def test_a_folder_swept_before_it_is_claimed_is_made_anew(runs, unfinished, monkeypatch):
    make, swept = finished_blocks.make_home_folder, []

    def make_and_sweep(folder):
        make(folder)
        if not swept:
            swept.append(folder)
            leftovers.tidy_up()
            assert not folder.exists()

    monkeypatch.setattr(finished_blocks, "make_home_folder", make_and_sweep)
    runs.run(stop_after=2)
    assert len(unfinished()) == 2
    assert [path.name for path in swept] == [path.name for path in unfinished_folder().iterdir()]


def test_a_block_that_lost_a_day_is_tried_again(runs):
    whole = runs.run()
    start, stop = runs.job.tile_bytes("red-1.tif", 2)
    runs.server.lasting["red-1.tif"] = ("404", start, stop)
    assert runs.run(stop_after=BLOCKS - 1) is None
    runs.server.calm()
    assert runs.run() == whole
    assert runs.composed == 2


def test_a_run_that_could_not_write_its_file_keeps_its_blocks(runs, monkeypatch):
    whole = runs.run()
    output = runs.folder / "composite.tif"
    replace = Path.replace

    def refuse(path, target):
        if Path(target) == output:
            raise PermissionError(errno.EACCES, "in use")
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(OutputError):
            runs.run()
    assert runs.run() == whole
    assert runs.composed == 0


def test_a_dry_run_keeps_nothing(runs):
    run_composite(runs.request(dry_run=True), RecordingReporter(), runs.folder)
    assert not unfinished_folder().exists()


def test_nothing_of_the_catalogue_is_readable_in_the_folder(runs):
    runs.job.items[0]["assets"]["red"]["href"] += "?sig=planted-secret"
    runs.run(stop_after=2)
    [folder] = unfinished_folder().iterdir()
    contents = b"".join(path.read_bytes() for path in folder.iterdir())
    for secret in (b"planted-secret", runs.server.address.encode(), b"scenes.json"):
        assert secret not in contents
    assert b"composite.tif" in contents


class FakeCluster:
    """Computes in this process, block by block, and counts."""

    def __init__(self, tools):
        self.tools = tools
        self.sent = 0

    def compute(self, work, blocks):
        for block in blocks:
            self.sent += 1
            yield block, work.compute(block, self.tools)


def test_finished_blocks_are_not_sent_to_a_cluster(runs, monkeypatch):
    whole = runs.run()
    runs.run(stop_after=4)
    clusters = []

    def on_fake_cluster(plan, raster, readers, progress, finished):
        tools = type("Tools", (), {"readers": readers, "memory": StackMemory()})
        clusters.append(FakeCluster(tools))
        return on_cluster.run_composite_on_cluster(
            plan, raster, clusters[0], progress, readers.access.rules, finished=finished
        )

    monkeypatch.setattr(job, "run_composite_blocks", on_fake_cluster)
    assert runs.run() == whole
    assert clusters[0].sent == BLOCKS - 4


@dataclasses.dataclass(frozen=True)
class _Odd:
    thing: object


def test_what_is_not_known_is_not_left_out_of_the_key():
    assert run_key._plain(_Odd(date(2024, 6, 1))) == ["_Odd", {"thing": ["date", "2024-06-01"]}]
    with pytest.raises(TypeError):
        run_key._plain(_Odd({1, 2}))


def test_the_order_of_properties_is_not_in_the_key():
    one, other = {"a": 1, "b": (2.5, None)}, {"b": (2.5, None), "a": 1}
    assert run_key._plain(one) == run_key._plain(other)
    assert run_key._plain(one) != run_key._plain({"a": "1", "b": (2.5, None)})
