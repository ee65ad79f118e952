"""The plugin's version, as its metadata tells it."""

from __future__ import annotations

import configparser
from functools import cache
from pathlib import Path

METADATA_FILE = Path(__file__).resolve().parent.parent.parent / "metadata.txt"


@cache
def plugin_version() -> str:
    """The version in metadata.txt, such as ``0.1.0``."""
    metadata = configparser.ConfigParser(interpolation=None)
    metadata.read(METADATA_FILE, encoding="utf-8")
    return metadata["general"]["version"]
