"""A file whose folder is itself a part: the folder is made with the file, and may be gone."""

import os
from pathlib import Path

import pytest
from fairweather.core.bridge import part_files
from fairweather.core.bridge.errors import OutputError
from fairweather.core.science.whole_file import check_target, whole_file


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "výsledky a b"
    folder.mkdir()
    return folder


@pytest.fixture
def scratch(tmp_path):
    return tmp_path / "job-1"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def staged(folder):
    """A file in a folder that is itself a part, as QGIS asks for."""
    return folder / ".OUTPUT_CHART-series-0a_b1c2d.series-0a_b1c2d.part" / "chart.html"


def test_a_folder_of_parts_is_made_with_its_file_and_not_before(folder, scratch, staged):
    check_target(staged, scratch)
    assert names(folder) == []
    with whole_file(staged, scratch) as path:
        path.write_bytes(b"new")
    assert names(folder) == [staged.parent.name]
    assert names(staged.parent) == ["chart.html"]


ALIKE = (
    *(".mosaic.v2.part", ".a.part", "a.part", ".a.job-1.part", ".job-0a_b1c2d.part"),
    *("a.job-0a_b1c2d.part", ".a.task-0a_b1c2d.part", ".a.job-0a_b1c2d.parts"),
)


def test_no_other_folder_is_made(folder, scratch):
    for name in ("missing", ".hidden", *ALIKE):
        with pytest.raises(OutputError, match="does not exist; make it"):
            check_target(folder / name / "a.tif", scratch)
    assert names(folder) == []


@pytest.mark.parametrize("name", ALIKE)
def test_a_user_s_own_folder_that_ends_alike_is_one_as_any_other(folder, scratch, name):
    own = folder / name
    own.mkdir()
    check_target(own / "a.tif", scratch)
    with whole_file(own / "a.tif", scratch) as path:
        path.write_bytes(b"new")
    assert names(own) == ["a.tif"]


@pytest.fixture
def hindered(monkeypatch):
    """Let another program have a folder open, so that the first tries to remove it fail."""

    def hinder(times):
        remove, tries = Path.rmdir, []

        def hindered_rmdir(path):
            tries.append(path)
            if len(tries) <= times:
                raise PermissionError(13, "The process cannot access the file")
            remove(path)

        monkeypatch.setattr(part_files, "OTHERS_HINDER", True)
        monkeypatch.setattr(Path, "rmdir", hindered_rmdir)
        return tries

    return hinder


def test_a_folder_of_parts_that_another_program_has_open_for_a_moment(
    folder, scratch, staged, hindered
):
    tries = hindered(3)
    check_target(staged, scratch)
    assert names(folder) == [staged.parent.name]
    with whole_file(staged, scratch) as path:
        path.write_bytes(b"new")
    assert names(folder) == [staged.parent.name]
    assert names(staged.parent) == ["chart.html"]
    assert set(tries) == {staged.parent}
    assert len(tries) == 5  # the last before the file is made


def test_a_folder_of_parts_that_another_program_keeps_open(
    folder, scratch, staged, hindered, monkeypatch
):
    monkeypatch.setattr(part_files, "SECONDS_OF_OTHERS", 0)
    hindered(1000)
    check_target(staged, scratch)
    with pytest.raises(OutputError, match="cannot be written"), whole_file(staged, scratch):
        pytest.fail("the body must not run")


def test_a_folder_that_another_has_made_meanwhile_is_not_written_into(folder, scratch, staged):
    staged.parent.mkdir()
    (staged.parent / "theirs").touch()
    with pytest.raises(OutputError, match="cannot be written"), whole_file(staged, scratch):
        pytest.fail("the body must not run")
    assert names(staged.parent) == ["theirs"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_an_empty_one_is_made_anew(folder, scratch, staged):
    staged.parent.mkdir()
    staged.parent.chmod(0o777)
    with whole_file(staged, scratch) as path:
        path.write_bytes(b"new")
    assert staged.parent.stat().st_mode & 0o002 == 0


@pytest.mark.skipif(os.name != "posix", reason="Windows lets not everybody make links")
def test_a_link_that_another_has_made_there_is_not_followed(folder, scratch, staged, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    staged.parent.symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(OutputError, match="cannot be written"), whole_file(staged, scratch):
        pytest.fail("the body must not run")
    assert names(elsewhere) == []


def write_and_rename(staged, scratch, *, is_made_anew):
    folder = staged.parent.parent
    with whole_file(staged, scratch) as path:
        path.write_bytes(b"new")
        folder.rename(folder.with_name("renamed"))
        if is_made_anew:
            folder.mkdir()


def test_parts_that_are_moved_are_called_that(folder, scratch, staged):
    with pytest.raises(OutputError, match="made there was moved or removed; run again"):
        write_and_rename(staged, scratch, is_made_anew=True)
    assert names(folder) == []


def test_a_folder_that_is_gone_with_the_parts_is_called_that(folder, scratch, staged):
    with pytest.raises(OutputError, match="the folder is gone; make it again"):
        write_and_rename(staged, scratch, is_made_anew=False)
    assert not folder.exists()
