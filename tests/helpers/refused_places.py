"""Places that nobody may look at: root itself, as who tests often run, is let in everywhere."""

import errno
import os
from pathlib import Path


def refuse(monkeypatch, start):
    """Let what lies at ``start``, or below it, not be looked at."""
    real = os.stat

    def look(path, *arguments, **named):
        place = Path(path) if isinstance(path, (str, Path)) else None
        if place is not None and (place == start or start in place.parents):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr(os, "stat", look)
