"""CRSs as strangers name them: PROJ is never led to a file or an address."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from odc.geo.crs import CRS
from pyproj.exceptions import CRSError

MOST_CHARACTERS = 20_000

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,19}:[A-Za-z0-9_.]{1,19}")
_WKT = re.compile(r"\s*[A-Za-z][A-Za-z0-9_]{2,29}\s*[\[(]")
# How a WKT names files of shifts, and the names of methods and geoids in which PROJ looks for
# settings or a file of its own.
_NAMES_FILES = re.compile(r'PARAMETERFILE|PROJ4_GRIDS|PROJ[- ]based|"\s*PROJ\s', re.IGNORECASE)

# WKT itself has no ``key=value``; a PROJ string in it has, and some keys of it name files. These
# name none (proj.org, Cartographic projections and Geodetic conventions); the last two stand in
# names of planets' CRSs.
_HARMLESS_KEY = re.compile(
    r"proj|type|axis|v?units|v?to_meter|zone|datum|ellps|pm|towgs84|a|b|es|f|r|r_a|rf"
    r"|lat_([012]|ts)|lon_([012]|wrap)|lonc|alpha|azi|gamma|tilt|k|k_0|x_0|y_0|h|sweep|m|n|q|w"
    r"|clon|r_m",
    re.IGNORECASE,
)
_KEY = re.compile(r"(\w*)\s*$")
_VALUE = re.compile(r'\s*([^\s"]*)')
_LONGEST_KEY = 40


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
    """Whether PROJ might open files that ``wkt`` names."""
    return _NAMES_FILES.search(wkt) is not None or not all(
        _is_harmless(before, after) for before, after in pairwise(wkt.split("="))
    )


def _is_harmless(before: str, after: str) -> bool:
    """Whether a setting, what stands before and after its ``=``, names no file."""
    found, value = _KEY.search(before[-_LONGEST_KEY:]), _VALUE.match(after)
    key = found.group(1) if found else ""
    is_no_grid = key == "nadgrids" and value is not None and value.group(1) == "@null"
    return is_no_grid or _HARMLESS_KEY.fullmatch(key) is not None
