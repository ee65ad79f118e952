"""Files that this computer has and a cluster's workers do not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ...bridge.errors import ReadError

# What systems say of a file that is not there, or that another user may not read.
NOT_SEEN = (os.strerror(errno.ENOENT), os.strerror(errno.EACCES))


def check_is_shared(file: str, reason: str) -> None:
    """Whether a file that a worker could not read, for ``reason``, is one it cannot see.

    Raises:
        ReadError: it is a path that this computer can read.
    """
    if "://" in file or not any(words in reason for words in NOT_SEEN):
        return
    if os.access(file, os.R_OK):
        raise ReadError(
            f"A worker of the cluster does not find {Path(file)}, which is on this computer; put "
            "the scenes where every worker finds them under the same path, or leave CLUSTER empty.",
            file,
            reason,
        )
