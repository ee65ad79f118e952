"""Files that hold no data but name where it is: refused as layers before QGIS opens them.

GDAL tells such a file by its first bytes, whatever it is called, and opens what it names, an
address too. An analyst's own says by its ending what it is; a stranger's may be called
``area.geojson``. How GDAL's drivers tell them: OGR_VRT, WFS, VRT, WMS, WMTS, WCS, GTI and GDALG.
"""

from __future__ import annotations

import gzip
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
# The endings of files that are known to name others.
SAYS_SO = (".vrt", ".gdalg.json")
# GDAL looks at a few kilobytes, up to the first zero.
HEAD_BYTES = 2**16
MOST_MEMBERS = 10_000
PYTHON_READS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
GZIP = b"\x1f\x8b"
TAR, TAR_AT = b"ustar", 257
# What Python raises at an archive that it cannot read; GDAL may.
UNREADABLE = (
    *(EOFError, NotImplementedError, RuntimeError, ValueError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


def check_names_no_other(
    definition: QgsProcessingParameterDefinition, value: Any, context: QgsProcessingContext
) -> None:
    """Check that ``value``, where QGIS opens it as a file, is one that holds its data itself.

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
            f"{name}: {path} holds no data but names other files or addresses to open, which its "
            "ending does not tell; give the data's own file, or, if you trust this one, open it "
            "in QGIS and choose its layer."
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
        return any(map(NAMES_OTHERS.search, _beginnings(path)))
    except OSError:  # QGIS cannot read it either, and says so
        return False
    except UNREADABLE as error:
        raise InvalidRequestError(
            f"{name}: the archive {path} cannot be looked into; unpack it, and give the file in it."
        ) from error


def _beginnings(path: str) -> Iterator[bytes]:
    """How a file begins and, of an archive, how each file in it does."""
    with Path(path).open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(GZIP):
        with gzip.open(path) as file:
            head = file.read(HEAD_BYTES)
    # Between the files in a tar there are zeros.
    yield head if head.startswith(TAR, TAR_AT) else _text(head)
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
                    raise NotImplementedError
                with archive.open(member) as file:
                    yield _text(file.read(HEAD_BYTES))


def _text(head: bytes) -> bytes:
    return head.partition(b"\0")[0]
