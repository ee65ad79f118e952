"""The plugin's version, as its metadata tells it."""

from __future__ import annotations

import configparser
import pkgutil
from functools import cache

PACKAGE = __name__.partition(".")[0]


@cache
def plugin_version() -> str:
    """The version in metadata.txt, such as ``0.1.0``."""
    metadata = configparser.ConfigParser(interpolation=None)
    # From the package's loader: the folder may be another version's meanwhile.
    metadata.read_string((pkgutil.get_data(PACKAGE, "metadata.txt") or b"").decode("utf-8"))
    return metadata["general"]["version"]
