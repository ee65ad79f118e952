"""What is written before it has its name, and what it replaces, goes whole."""

import errno
import os
import socket
from pathlib import Path
from typing import get_args

import pytest
from fairweather.core.bridge import part_files
from fairweather.core.bridge.job_folders import Kind, is_part, job_folder
from fairweather.core.bridge.part_files import (
    former_path,
    is_device,
    may_have_left_something,
    part_path,
    remove_parts,
    write_whole,
)

needs_links = pytest.mark.skipif(os.name != "posix", reason="Windows lets not everybody make links")


@pytest.mark.parametrize("place", [former_path, part_path])
def test_a_file_that_is_held_for_a_moment_keeps_no_folder(tmp_path, monkeypatch, place):
    target, scratch = tmp_path / "catalogue", tmp_path / "job-1"
    target.mkdir()
    folder = place(target, scratch)
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / name).touch()
    unlink, held = os.unlink, ["b"]

    def refuse_once(path, **options):
        if Path(path).name in held:
            held.clear()
            raise PermissionError(errno.EACCES, "held by a virus scanner")
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", refuse_once)
    remove_parts(target, scratch)
    assert held == []
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue"]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_parts_of_every_job_are_known_by_their_names(tmp_path, kind):
    with job_folder(kind) as scratch:
        for name in ("made.tif", "a b.", ".hidden", "two\nlines"):
            assert is_part(part_path(tmp_path / name, scratch))
            assert not is_part(former_path(tmp_path / name, scratch))


def test_parts_go_from_a_folder_that_lists_nothing(tmp_path, monkeypatch):
    """One where everybody may put files, and nobody look, on a server say."""
    target, scratch = tmp_path / "made.tif", tmp_path / "job-1"
    part = part_path(target, scratch)
    part.write_text("half")

    def refuse(self):
        raise PermissionError(errno.EACCES, "may not be listed")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", refuse)
        remove_parts(target, scratch)
    assert not part.exists()


@needs_links
def test_parts_of_a_link_lie_beside_what_it_leads_to(tmp_path):
    link, place, scratch = tmp_path / "link.tif", tmp_path / "disk" / "real.tif", tmp_path / "job-1"
    place.parent.mkdir()
    (tmp_path / "between").symlink_to(place)
    link.symlink_to("between")
    for _ in range(2):
        part = part_path(link, scratch)
        assert part == part_path(place, scratch)
        assert part.parent == place.parent
        part.write_text("half")
        assert may_have_left_something(link, scratch)
        remove_parts(link, scratch)
        assert not part.exists()
        assert not may_have_left_something(link, scratch)
        place.write_text("there")
    assert [path.name for path in place.parent.iterdir()] == ["real.tif"]
    assert link.is_symlink()


@needs_links
def test_a_former_folder_is_put_back_where_a_link_leads(tmp_path):
    link, place, scratch = tmp_path / "link", tmp_path / "disk" / "catalogue", tmp_path / "job-1"
    place.mkdir(parents=True)
    (place / "catalog.json").write_text("former")
    link.symlink_to(place)
    place.rename(former_path(link, scratch))
    remove_parts(link, scratch)
    assert (link / "catalog.json").read_text() == "former"
    assert link.is_symlink()
    assert [path.name for path in place.parent.iterdir()] == ["catalogue"]


@pytest.mark.parametrize(
    ("error", "may_be"),
    [(errno.EACCES, True), (errno.EIO, True), (errno.ESTALE, True), (errno.ENAMETOOLONG, False)],
)
def test_what_nobody_can_look_at_may_be_there(tmp_path, monkeypatch, error, may_be):
    def refuse(*_):
        raise OSError(error, "not now")

    monkeypatch.setattr(Path, "lstat", refuse)
    assert may_have_left_something(tmp_path / "made.tif", tmp_path / "job-1") is may_be


def test_what_lies_in_a_folder_that_is_away_may_be_there(tmp_path):
    scratch = tmp_path / "job-1"
    assert not may_have_left_something(tmp_path / "made.tif", scratch)
    assert may_have_left_something(tmp_path / "away" / "made.tif", scratch)
    (tmp_path / "away").write_text("a file")
    assert may_have_left_something(tmp_path / "away" / "made.tif", scratch)


@pytest.mark.skipif(os.name != "posix", reason="devices and pipes with names are POSIX's")
def test_devices_are_told_from_files(tmp_path):
    pipe, link, plug = tmp_path / "pipe", tmp_path / "link", tmp_path / "plug"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(plug))
        assert is_device(plug)
    assert is_device(pipe)
    assert is_device(link)
    assert is_device(Path("/dev/null"))
    (tmp_path / "file").touch()
    (tmp_path / "to a file").symlink_to(tmp_path / "file")
    (tmp_path / "round").symlink_to("round")
    for name in ("file", "to a file", "", "nothing", "round", "a" * 300, "a\0b"):
        assert not is_device(tmp_path / name)


@pytest.fixture
def read_by_another(monkeypatch):
    """Let somebody have a file open that is replaced, as many times as it is tried; the tries."""

    def read(times):
        replace, tries = Path.replace, []

        def refuse(path, target):
            tries.append(target)
            if len(tries) <= times:
                raise PermissionError(errno.EACCES, "Access is denied")
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", refuse)
        return tries

    return read


def test_a_small_file_is_replaced_when_nobody_reads_it_any_more(
    tmp_path, monkeypatch, read_by_another
):
    monkeypatch.setattr(part_files, "OTHERS_HINDER", True)
    tries = read_by_another(3)
    write_whole(tmp_path / "note", b"new")
    assert len(tries) == 4
    assert (tmp_path / "note").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


@pytest.mark.parametrize(("others_hinder", "seconds"), [(True, 0), (False, 1000)])
def test_a_small_file_that_cannot_be_replaced_stays(
    tmp_path, monkeypatch, read_by_another, others_hinder, seconds
):
    (tmp_path / "note").write_bytes(b"old")
    monkeypatch.setattr(part_files, "OTHERS_HINDER", others_hinder)
    monkeypatch.setattr(part_files, "SECONDS_OF_OTHERS", seconds)
    read_by_another(1000)
    with pytest.raises(PermissionError):
        write_whole(tmp_path / "note", b"new")
    assert (tmp_path / "note").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["note"]
