"""The names of files and folders still being written, which writer and cleaner must agree on.

Of a target that is a link, what it leads to is written anew, and parts lie beside that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import time
from pathlib import Path
from typing import Callable

# What the system says of a name that no disk takes.
NO_NAME_ERRORS = (errno.ENAMETOOLONG, errno.EINVAL)
# What it says where there is no room, or not for this user; and what is as good as none.
FULL_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT)
FULL_DISK_BYTES = 1 << 20

PART_ENDING = ".part"

# There, nobody replaces or removes what another program (a virus scanner, say) has open.
OTHERS_HINDER = sys.platform == "win32"
SECONDS_OF_OTHERS = 0.5


def real_place(target: Path) -> Path:
    """What is replaced when ``target`` is written: where it leads, if it is a link."""
    try:
        return Path(os.path.realpath(target))
    except (OSError, ValueError):  # a name that no disk takes
        return target.absolute()


def is_device(target: Path) -> bool:
    """Whether ``target`` is a device, a pipe or a socket, whose name no file may take."""
    try:
        # Not of its real place: a link to a pipe leads to a name that is none.
        mode = target.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder that can be looked at."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def part_path(target: Path, scratch: Path) -> Path:
    """Where the job whose scratch folder is ``scratch`` writes before ``target`` is whole."""
    place = real_place(target)
    return place.parent / f".{place.name}.{scratch.name}{PART_ENDING}"


def has_part(target: Path, scratch: Path) -> bool:
    """Whether that file is there; it is not where no disk takes its name."""
    return _is_there(part_path(target, scratch))


def former_path(target: Path, scratch: Path) -> Path:
    """Where that job keeps the folder that ``target`` was, while a new one takes its place."""
    place = real_place(target)
    return place.parent / f".{place.name}.{scratch.name}.former"


def may_have_left_something(target: Path, scratch: Path) -> bool:
    """Whether ``remove_parts`` could not do its work: a drive is away, or not writable now, say."""
    return any(_may_be_there(place(target, scratch)) for place in (part_path, former_path))


def remove_parts(target: Path, scratch: Path) -> None:
    """Remove the part of ``target`` and what a writer put beside it (``….part.aux.xml``).

    A former folder that nothing has replaced is put back. It raises nothing, whatever ``target`` is
    called.
    """
    place, part = real_place(target), part_path(target, scratch)
    former = former_path(target, scratch)
    if _is_there(former):
        if _is_there(place):
            remove_path(former)
        else:
            with contextlib.suppress(OSError):
                former.rename(place)
    # By its name first: there are folders that take files and list none.
    remove_path(part)
    with contextlib.suppress(OSError, ValueError):
        for path in part.parent.iterdir():
            if path.name.startswith(part.name):
                remove_path(path)


def write_whole(target: Path, content: bytes) -> None:
    """Write a small file that appears whole or not at all, also after a power cut.

    Neither under its name nor under that of its part a link that is there is followed.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _outlast_others(lambda: part.replace(target))
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def make_part_folder(folder: Path) -> None:
    """Make ``folder``, a part; an empty one that is there already is made anew.

    Such a one was left where it could not be removed when it was tried. Nothing that somebody else
    may have made, a folder or a link, is taken.

    Raises:
        OSError: it cannot be made, or is not empty, or no folder.
    """

    def make_anew() -> None:
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()
        folder.mkdir()

    try:
        folder.mkdir()
    except FileExistsError:
        _outlast_others(make_anew)


def _outlast_others(do: Callable[[], object]) -> None:
    """Do what other programs may hinder for a moment."""
    end = time.monotonic() + SECONDS_OF_OTHERS
    while True:
        try:
            do()
            return
        except PermissionError:
            if not OTHERS_HINDER or time.monotonic() > end:
                raise
        time.sleep(0.01)


def flush_file(path: Path) -> None:
    """Let the content of a file survive a power cut."""
    # Opened for writing, because Windows flushes no file that is open for reading only.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Let the names in a folder survive a power cut, as far as its disk can."""
    if os.name == "posix":
        # Some network drives refuse this.
        with contextlib.suppress(OSError):
            number = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no disk takes
        return False


def _may_be_there(path: Path) -> bool:
    """Whether ``path`` is there, or where nobody can look now."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return not is_folder(path.parent)
    except ValueError:
        return False
    except OSError as error:
        return error.errno not in NO_NAME_ERRORS
    return True


def remove_path(path: Path) -> None:
    """Remove the file, link or folder at ``path`` as far as that is possible."""
    with contextlib.suppress(OSError, ValueError):
        if not path.is_dir() or path.is_symlink():
            path.unlink()
            return
        # Twice: a file that a virus scanner, say, held for a moment would keep the whole folder.
        for _ in range(2):
            shutil.rmtree(path, ignore_errors=True)
