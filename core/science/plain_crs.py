"""CRSs as strangers name them: PROJ is never led to a file or an address."""

from __future__ import annotations

import re
from typing import Any

from odc.geo.crs import CRS
from pyproj.exceptions import CRSError

MOST_CHARACTERS = 20_000

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,19}:[A-Za-z0-9_.]{1,19}")
_WKT = re.compile(r"\s*[A-Za-z][A-Za-z0-9_]{2,29}\s*[\[(]")
# How a WKT names files of shifts, or holds a PROJ string, which may name some; ``@null`` is none.
_NAMES_FILES = re.compile(
    r"PARAMETERFILE|PROJ4_GRIDS|PROJ[- ]based|grids\s*=(?!\s*@null)|\+\s*init", re.IGNORECASE
)


def plain_crs(text: Any) -> CRS:
    """The CRS of an authority code, such as ``EPSG:32633``, or of a WKT that names no file.

    PROJ itself takes much more for a CRS, and opens the files that this names.

    Raises:
        CRSError: it is neither, or unknown.
    """
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        raise CRSError("it is no code and no WKT")
    if not (_CODE.fullmatch(text) or (_WKT.match(text) and not names_files(text))):
        raise CRSError("it is no code, and no WKT that does without files")
    return CRS(text)


def names_files(wkt: str) -> bool:
    """Whether PROJ would open files that ``wkt`` names."""
    return _NAMES_FILES.search(wkt) is not None
