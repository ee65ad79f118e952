"""What is made in a folder that a group shares, shared with that group, whatever the umask."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import Union

FOR_FILES = stat.S_IRGRP | stat.S_IWGRP
FOR_FOLDERS = stat.S_IRWXG | stat.S_ISGID


def share_with_group(made: Union[int, Path], folder: Path) -> None:
    """Give ``made``, this user's own file or folder in ``folder``, the group's rights there.

    Nothing is changed where the group may not write in ``folder``. Where the disk, or the system,
    does not let it be given (to a group that this user is not in, say), it stays its user's alone.
    ``made`` may be the descriptor of an open file.
    """
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        shared = folder.stat()
        own = os.stat(made)  # noqa: PTH116
        if not shared.st_mode & stat.S_IWGRP or own.st_uid != os.geteuid():
            return
        rights = shared.st_mode & (FOR_FOLDERS if stat.S_ISDIR(own.st_mode) else FOR_FILES)
        if own.st_gid != shared.st_gid:
            os.chown(made, -1, shared.st_gid)
        if own.st_mode & rights != rights:
            os.chmod(made, stat.S_IMODE(own.st_mode) | rights)  # noqa: PTH101
