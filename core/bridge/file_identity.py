"""Which names are one file: by links, by relative paths, or by how their letters are written."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Optional, Tuple

# Device and number of what is there; of what is not, those of its folder, and its name.
FileIdentity = Tuple[object, ...]


def file_identity(path: Path) -> FileIdentity:
    """The same for two paths if they are, or would be, one file.

    Of a file that is not there yet, neither the case of letters nor the way in which accents are
    written counts: to some disks they are the same.
    """
    path = path.absolute()
    found = identity_of_existing(path)
    if found is not None:
        return found
    name = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path.name).casefold())
    return (identity_of_existing(path.parent) or str(path.parent), name)


def identity_of_existing(path: Path) -> Optional[FileIdentity]:
    """That of a file or folder that is there, None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: no name of a file at all
        return None
    # Some network drives do not number their files.
    return (found.st_dev, found.st_ino) if found.st_ino else (os.path.realpath(path),)
