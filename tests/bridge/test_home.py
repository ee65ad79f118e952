"""FAIRWEATHER_HOME is its user's: nobody else may put code there, or lead what is removed."""

import os
import stat
import sys
from pathlib import Path

import pytest
from fairweather.core.bridge import days_of_use, home, leftovers, worker_process
from fairweather.core.bridge.environment import (
    check_environment,
    clean,
    command_line,
    find_worker_python,
    list_leftovers,
    remove_environment,
)
from fairweather.core.bridge.errors import FairweatherError, OutputError
from fairweather.core.bridge.file_lock import try_lock
from fairweather.core.bridge.home import (
    cache_folder,
    environments_folder,
    fairweather_home,
    jobs_folder,
    make_home_folder,
    unfinished_folder,
    worker_log_file,
)
from fairweather.core.bridge.job_folders import all_job_folders, job_folder
from fairweather.core.bridge.part_files import write_whole
from left_behind import killed_job
from refused_places import refuse

FOLDERS = {
    "home": fairweather_home, "environments": environments_folder, "jobs": jobs_folder,
    "unfinished": unfinished_folder, "cache": cache_folder,
}  # fmt: skip
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def fresh_home(tmp_path, monkeypatch):
    """A FAIRWEATHER_HOME that is not there yet."""
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "a" / "home"))
    return tmp_path / "a" / "home"


@pytest.fixture
def all_made():
    for folder in FOLDERS.values():
        folder().mkdir(exist_ok=True)
        folder().chmod(0o700)


@pytest.fixture
def seem(monkeypatch):
    """Let a folder seem to have another owner, group or mode."""
    others = {}
    real = os.stat

    def look(path, *arguments, **named):
        found = real(path, *arguments, **named)
        changes = others.get(str(path), {}) if isinstance(path, (str, Path)) else {}
        fields = list(found)
        for number, value in changes.items():
            fields[number] = value
        return os.stat_result(fields) if changes else found

    def change(path, uid=None, gid=None, permissions=None):
        changes = {stat.ST_UID: uid, stat.ST_GID: gid}
        if permissions is not None:
            changes[stat.ST_MODE] = stat.S_IFDIR | permissions
        others[str(path)] = {key: value for key, value in changes.items() if value is not None}

    monkeypatch.setattr(os, "stat", look)
    return change


@posix
@pytest.mark.parametrize("mask", [0o000, 0o002, 0o022, 0o077])
def test_folders_are_made_for_their_user_alone(fresh_home, mask):
    before = os.umask(mask)
    try:
        with job_folder() as folder:
            assert mode(folder) == 0o700
        for name in ("environments", "unfinished"):
            make_home_folder(FOLDERS[name]() / "one")
    finally:
        os.umask(before)
    made = [fresh_home, *(path for path in fresh_home.rglob("*") if path.is_dir())]
    assert len(made) == 6
    assert {mode(path) for path in made} == {0o700}


@posix
@pytest.mark.parametrize(("mask", "made"), [(0o000, 0o755), (0o022, 0o755), (0o077, 0o700)])
def test_folders_on_the_way_to_the_home_are_not_for_everybody_to_write(
    tmp_path, monkeypatch, mask, made
):
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "a" / "b" / "home"))
    before = os.umask(mask)
    try:
        make_home_folder(jobs_folder())
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == made
    assert mode(fairweather_home()) == 0o700


@posix
@pytest.mark.parametrize("mask", [0o002, 0o022, 0o027, 0o077])
def test_what_is_made_in_a_groups_home_is_the_groups(fresh_home, mask):
    """Whatever the umask: its folders can be written, and its locks be taken, by all of it."""
    fresh_home.mkdir(parents=True)
    other = next((group for group in os.getgroups() if group != os.getegid()), os.getegid())
    os.chown(fresh_home, -1, other)
    fresh_home.chmod(0o2775)
    before = os.umask(mask)
    try:
        make_home_folder(fresh_home / "unfinished" / "one")
        lock = try_lock(fresh_home / "unfinished" / "one" / "owner.lock")
        with job_folder() as job:
            assert mode(job) & 0o777 == 0o700
    finally:
        os.umask(before)
    lock.release()
    for folder in (fresh_home / "jobs", fresh_home / "unfinished", fresh_home / "unfinished/one"):
        assert mode(folder) & 0o2770 == 0o2770
        assert not mode(folder) & 0o002
        assert folder.stat().st_gid == other
    found = fresh_home / "unfinished" / "one" / "owner.lock"
    assert mode(found) & 0o662 == 0o660
    assert found.stat().st_gid == other


@posix
@pytest.mark.parametrize(("shared", "made"), [(0o770, 0o770), (0o755, 0o755), (0o777, 0o775)])
def test_folders_in_a_shared_home_are_shared_but_never_with_everybody(fresh_home, shared, made):
    fresh_home.mkdir(parents=True)
    fresh_home.chmod(shared)
    before = os.umask(0)
    try:
        make_home_folder(fresh_home / "unfinished" / "one")
    finally:
        os.umask(before)
    assert mode(fresh_home / "unfinished" / "one") == mode(fresh_home / "unfinished") == made


@posix
@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_everybody_may_write(all_made, name):
    folder = FOLDERS[name]()
    folder.chmod(0o777)
    uses = list(FOLDERS.values())[1:] if name == "home" else [FOLDERS[name]]
    for use in uses:
        with pytest.raises(OutputError, match=r"can be written by everybody.*; take") as raised:
            use()
        assert str(folder) in str(raised.value)


@posix
@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_another_user(all_made, seem, name):
    folder = FOLDERS[name]()
    seem(folder, uid=os.geteuid() + 4321)
    uses = list(FOLDERS.values())[1:] if name == "home" else [FOLDERS[name]]
    for use in uses:
        with pytest.raises(OutputError, match=r"belongs to another user.*; set") as raised:
            use()
        assert str(folder) in str(raised.value)


@posix
def test_a_folder_that_everybody_may_rename_the_home_in(fresh_home, tmp_path, monkeypatch):
    fresh_home.mkdir(parents=True)
    fresh_home.parent.chmod(0o777)
    linked(tmp_path / "link", fresh_home)
    for _ in range(2):
        for use in list(FOLDERS.values())[1:]:
            with pytest.raises(OutputError, match=r"can be written by everybody.*; take") as raised:
                use()
            assert str(tmp_path / "a") in str(raised.value)
        # The same, through a link that nobody else may change.
        monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "link"))
    fresh_home.parent.chmod(0o1777)
    for use in FOLDERS.values():
        use()


@posix
def test_nothing_is_done_in_a_folder_that_is_not_trusted(all_made, monkeypatch):
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    planted = killed_job()
    fairweather_home().chmod(0o777)
    for use in (find_worker_python, all_job_folders, lambda: job_folder().__enter__()):
        with pytest.raises(FairweatherError, match="can be written by everybody"):
            use()
    assert [path.name for path in planted.parent.iterdir()] == [planted.name]


@posix
def test_a_shared_environment_of_root_that_nobody_may_write(all_made, seem):
    for folder in [use() for use in FOLDERS.values()]:
        seem(folder, uid=0, gid=0, permissions=0o555)
    for use in FOLDERS.values():
        use()


@posix
@pytest.mark.parametrize("owner", ["me", "root", "a fellow"])
@pytest.mark.parametrize("inside", [0o2775, 0o755, 0o700])
def test_a_home_that_a_group_shares(all_made, seem, owner, inside):
    fellow = os.geteuid() + 4321
    owners = {"me": os.geteuid(), "root": 0, "a fellow": fellow}
    for folder in [use() for use in FOLDERS.values()]:
        seem(folder, uid=fellow, gid=os.getegid(), permissions=inside)
    seem(fairweather_home(), uid=owners[owner], gid=os.getegid(), permissions=0o2770)
    for use in FOLDERS.values():
        use()


@posix
def test_a_group_that_one_is_not_in_shares_nothing(all_made, seem):
    seem(fairweather_home(), uid=os.geteuid() + 4321, gid=987_654, permissions=0o770)
    with pytest.raises(OutputError, match="belongs to another user"):
        environments_folder()


def test_a_user_who_is_not_known(monkeypatch):
    monkeypatch.setenv("FAIRWEATHER_HOME", "~nobody-of-that-name/x")
    with pytest.raises(OutputError, match=r"~nobody-of-that-name/x.*; give"):
        fairweather_home()
    with pytest.raises(OutputError, match="~nobody-of-that-name/x"), job_folder():
        pytest.fail("there is none")


@posix
def test_a_home_in_a_folder_that_is_gone(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setenv("FAIRWEATHER_HOME", "home")
    with pytest.raises(OutputError, match=r"FAIRWEATHER_HOME, home, begins in .* gone; give"):
        fairweather_home()
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path))
    assert fairweather_home() == tmp_path


@posix
def test_a_home_whose_name_no_disk_takes(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / ("n" * 300)))
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    _check_all_uses("cannot be entered")


@posix
def test_a_home_that_may_not_be_entered(tmp_path, monkeypatch):
    refuse(monkeypatch, tmp_path / "locked" / "home")
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "locked" / "home"))
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    _check_all_uses(r"cannot be entered \(Permission denied\)")


def _check_all_uses(words):
    uses = (find_worker_python, check_environment, list_leftovers, clean, remove_environment)
    for use in (*uses, lambda: job_folder().__enter__()):
        with pytest.raises(OutputError, match=f"{words}.*; set FAIRWEATHER_HOME"):
            use()
    for action in ("check", "create", "remove", "clean"):
        assert command_line.main([action]) == 1


@posix
def test_a_relative_data_folder_counts_as_none(tmp_path, monkeypatch):
    """As the XDG Base Directory Specification has it."""
    monkeypatch.delenv("FAIRWEATHER_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", "data")
    assert fairweather_home() == tmp_path / ".local" / "share" / "fairweather"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert fairweather_home() == tmp_path / "data" / "fairweather"


def test_a_user_without_a_folder(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    for name in ("FAIRWEATHER_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(home.Path, "home", nowhere)
    with pytest.raises(OutputError, match="set FAIRWEATHER_HOME"):
        fairweather_home()


def linked(link, target):
    try:
        link.symlink_to(target)
    except OSError as error:
        pytest.skip(f"this disk has no links ({error})")


@pytest.fixture
def precious(tmp_path):
    file = tmp_path / "precious"
    file.write_text("precious")
    yield file
    assert file.read_text() == "precious"


def test_a_link_in_the_place_of_the_log(precious):
    linked(worker_log_file(), precious)
    assert worker_process._save_log("what was said") == worker_log_file()
    assert worker_log_file().read_text() == "what was said"
    assert not worker_log_file().is_symlink()


def test_links_in_the_place_of_notes(precious):
    folder = unfinished_folder() / "one"
    make_home_folder(folder)
    for name in (leftovers.TITLE_FILE, days_of_use.DAYS_FILE):
        linked(folder / name, precious)
    leftovers.write_title(folder, {"bands": "red"})
    linked(folder / days_of_use.DAYS_FILE, precious)
    days_of_use.note_day(folder)
    assert days_of_use.count_days(folder) == 1


@posix
def test_a_link_in_the_place_of_a_lock(precious, tmp_path):
    linked(tmp_path / "owner.lock", precious)
    linked(tmp_path / "other.lock", tmp_path / "not there")
    for name in ("owner.lock", "other.lock"):
        with pytest.raises(OSError, match=r"owner|other"):
            try_lock(tmp_path / name)
    assert not (tmp_path / "not there").exists()


def test_a_link_in_the_place_of_a_part(precious, tmp_path):
    linked(tmp_path / f".note.{os.getpid()}.part", precious)
    write_whole(tmp_path / "note", b"new")
    assert (tmp_path / "note").read_text() == "new"


def test_a_hard_link_keeps_what_it_had(precious, tmp_path):
    os.link(precious, tmp_path / "note")
    write_whole(tmp_path / "note", b"new")
    assert (tmp_path / "note").read_text() == "new"
