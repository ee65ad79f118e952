"""How many bytes a folder holds."""

from __future__ import annotations

import os
from pathlib import Path


def folder_size(folder: Path) -> int:
    """The bytes of all files under ``folder``; what vanishes meanwhile counts as nothing."""
    total = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
