"""Files that name others which hold their data or overviews: refused before QGIS opens them.

GDAL tells such a file by its first bytes, whatever it is called, and opens what it names, an
address too. An analyst's own says by its ending what it is; a stranger's may be called
``area.geojson``. How GDAL's drivers tell them: OGR_VRT, WFS, VRT, WMS, WMTS, WCS, GTI and GDALG.

Only where they begin, files are looked at, and in no 7z or rar. What an honest GML or GeoJSON may
name, too (the schema of its WFS, its CRS), QGIS asks for.
"""

from __future__ import annotations

import gzip
import html
import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, Iterator

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingParameterCrs,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterRasterLayer,
    QgsProperty,
    QgsProviderRegistry,
)

from ..core.bridge.errors import InvalidRequestError

# QGIS opens a file that is named as the value of one of these.
OPENED = (
    QgsProcessingParameterCrs,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterRasterLayer,
)
PROVIDER = re.compile(r"(?:ogr|gdal)://", re.IGNORECASE)
NAMES_OTHERS = re.compile(
    rb"<(?:ogrvrtdatasource|ogrwfsdatasource|(?:wfs:)?wfs_capabilities)"
    rb"|<(?:vrtdataset|gdal_wms|gdal_wmts|wcs_gdal|gdaltileindexdataset)"
    rb'|"gdal_streamed_alg"',
    re.IGNORECASE,
)
# In the tags of a TIFF, and in what lies beside a raster. Overviews in its own folder GDAL itself
# names by the second.
METADATA = re.compile(rb"<(?:gdalmetadata|pamdataset)", re.IGNORECASE)
OVERVIEWS_ELSEWHERE = re.compile(r'OVERVIEW_FILE(?!">:::BASE:::)', re.IGNORECASE)
BESIDE_RASTER = (".aux.xml", ".ovr")
# The endings of files that are known to name others.
SAYS_SO = (".vrt", ".gdalg.json")
# GDAL looks at a few kilobytes, up to the first zero.
HEAD_BYTES = 2**16
MOST_MEMBERS = 10_000
PYTHON_READS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
GZIP = b"\x1f\x8b"
TAR, TAR_AT = b"ustar", 257
# What GDAL takes for a tar is one, though the oldest begin with no more than a name.
TAR_ENDINGS = (".tar", ".tgz", ".tar.gz")
# What Python raises at an archive that it cannot read; GDAL may.
UNREADABLE = (
    *(EOFError, NotImplementedError, RuntimeError, ValueError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


def check_names_no_other(
    definition: QgsProcessingParameterDefinition, value: Any, context: QgsProcessingContext
) -> None:
    """Check that ``value``, where QGIS opens it as a file, names no other that is opened with it.

    A layer of the project is open already, and what is no file (a connection, an address) is what
    the user asks for: neither is looked at.

    Raises:
        InvalidRequestError: it names other files or addresses without saying so by its ending, is
            an archive that cannot be looked into, or is a device or a pipe, for which QGIS waits.
    """
    text = _text_of(value, context) if isinstance(definition, OPENED) else ""
    parts = QgsProviderRegistry.instance().decodeUri("ogr", PROVIDER.sub("", text, count=1))
    path = str(parts.get("path") or "")
    if parts.get("vsiPrefix"):
        path = path.lstrip("{")
    mode = _mode_of(path)
    if not mode or stat.S_ISDIR(mode):
        return
    name = definition.name()
    if not stat.S_ISREG(mode):
        raise InvalidRequestError(f"{name}: {path} is a device or a pipe; give a file.")
    says_so = (path + str(parts.get("vsiSuffix") or "")).lower().endswith(SAYS_SO)
    if not says_so and _names_others(name, path):
        raise InvalidRequestError(
            f"{name}: {path} names other files or addresses to open, for its data or overviews, "
            "which its ending does not tell; give the data's own file, or, if you trust this one, "
            "open it in QGIS and choose its layer."
        )


def _text_of(value: Any, context: QgsProcessingContext) -> str:
    if isinstance(value, QgsProcessingFeatureSourceDefinition):
        value = value.source
    if isinstance(value, QgsProperty):
        value, _ = value.valueAsString(context.expressionContext())
    return value if isinstance(value, str) else ""


def _mode_of(path: str) -> int:
    """What is at ``path``; 0 where nothing is, or nobody can tell."""
    try:
        return Path(path).stat().st_mode if path else 0
    except (OSError, ValueError):
        return 0


def _names_others(name: str, path: str) -> bool:
    try:
        if any(map(_is_naming, _beginnings(path))):
            return True
    except OSError:  # QGIS cannot read it either, and says so
        return False
    except UNREADABLE as error:
        raise InvalidRequestError(
            f"{name}: the archive {path} cannot be looked into; unpack it, and give the file in it."
        ) from error
    beside = (path + ending for ending in BESIDE_RASTER)
    return any(_is_naming(_text(_head(other))) for other in beside if stat.S_ISREG(_mode_of(other)))


def _is_naming(beginning: bytes) -> bool:
    if NAMES_OTHERS.search(beginning):
        return True
    if not METADATA.search(beginning):
        return False
    return OVERVIEWS_ELSEWHERE.search(html.unescape(beginning.decode("latin-1"))) is not None


def _head(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(HEAD_BYTES)


def _beginnings(path: str) -> Iterator[bytes]:
    """How a file begins and, of an archive, how each file in it does."""
    head = _head(path)
    if head.startswith(GZIP):
        with gzip.open(path) as file:
            head = file.read(HEAD_BYTES)
    # Between the files in a tar there are zeros.
    is_tar = path.lower().endswith(TAR_ENDINGS) or head.startswith(TAR, TAR_AT)
    yield head if is_tar else _text(head)
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) > MOST_MEMBERS:
            raise zipfile.BadZipFile
        for member in members:
            # Of several files, none is opened that the user did not name.
            if len(members) == 1 or not member.filename.lower().endswith(SAYS_SO):
                if member.compress_type not in PYTHON_READS:
                    raise zipfile.BadZipFile
                with archive.open(member) as file:
                    yield _text(file.read(HEAD_BYTES))


def _text(head: bytes) -> bytes:
    """What in ``head`` may name others: all in a TIFF, whose tags lie anywhere, or its text."""
    return head if head.startswith(TIFF) else head.partition(b"\0")[0]
