"""A file whose folder is itself a part: the folder is made with the file, and may be gone."""

import pytest
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
    return folder / ".OUTPUT_CHART-series-1.series-1.part" / "chart.html"


def test_a_folder_of_parts_is_made_with_its_file_and_not_before(folder, scratch, staged):
    check_target(staged, scratch)
    assert names(folder) == []
    with whole_file(staged, scratch) as path:
        path.write_bytes(b"new")
    assert names(folder) == [staged.parent.name]
    assert names(staged.parent) == ["chart.html"]


def test_no_other_folder_is_made(folder, scratch):
    for name in ("missing", ".hidden", "a.part", ".a.part"):
        with pytest.raises(OutputError, match="does not exist; make it"):
            check_target(folder / name / "a.tif", scratch)
    assert names(folder) == []


def test_a_folder_that_another_has_made_meanwhile_is_not_written_into(folder, scratch, staged):
    staged.parent.mkdir()
    with pytest.raises(OutputError, match="cannot be written"), whole_file(staged, scratch):
        pytest.fail("the body must not run")
    assert names(staged.parent) == []


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
