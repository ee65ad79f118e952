"""What is written before it has its name, and what it replaces, goes whole."""

import errno
import os
from pathlib import Path

import pytest
from fairweather.core.bridge.part_files import former_path, part_path, remove_parts


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
