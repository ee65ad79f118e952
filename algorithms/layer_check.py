"""Whether a layer that was just written is whole, told by reading it.

OGR writes the last rows when it closes a file, and QGIS does not look whether they arrived: on a
full disk a layer is cut, or has no row at all, without an error.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Callable

from qgis.core import QgsFeatureSource, QgsVectorLayer

from ..core.bridge.errors import CancelledError

ROWS_BETWEEN_LOOKS = 1000
QUOTED = re.compile(rb'"[^"]*"')
HEAD_BYTES, TAIL_BYTES = 32, 64
SQLITE, ZIP = b"SQLite format 3", b"PK\3\4"
MAP_BLOCK_BYTES = 512
# How files end that readers take for whole without their end, but for blanks.
ENDS = {
    ".geojson": b"}",
    ".gml": b"FeatureCollection>",
    ".kml": b"</kml>",
    ".prj": b"]",
    ".sql": b"COMMIT;",
    ".tab": b";",
    ".xsd": b"schema>",
}
# How layers end that nothing can open again while they have no rows.
CLOSED_WITHOUT_ROWS = (".geojsonl", ".geojsonl.json", ".geojsons", ".geojsons.json", ".gxt", ".ods")
EMPTY_WITHOUT_ROWS = (*CLOSED_WITHOUT_ROWS, ".id")
# The name of an encoding, which users may leave out; what it stands beside tells of a full disk.
MAY_BE_EMPTY = ".cpg"


def is_whole(file: Path, count: int, is_cancelled: Callable[[], bool]) -> bool:
    """Whether the layer at ``file``, which has a folder of its own, has all its ``count`` rows.

    Raises:
        CancelledError: ``is_cancelled`` said so.
    """
    for path in filter(Path.is_file, file.parent.iterdir()):
        is_empty = path.stat().st_size == 0 and _may_be_empty(path, count)
        if not is_empty and not _ends_well(path):
            return False
    if file.suffix.lower() == ".sql":  # nothing can open it again
        return True
    if count == 0 and file.name.lower().endswith(CLOSED_WITHOUT_ROWS):
        return True
    if file.suffix.lower() == ".csv" and not _has_whole_rows(file, count):
        return False
    layer = _open(file)
    if not layer.isValid() or (file.suffix.lower() == ".gpkg" and not _has_index(layer)):
        return False
    try:
        # Some formats make two rows of one.
        return _count_rows(layer, is_cancelled) >= count
    finally:
        # QGIS keeps a file open for a minute after it was read, unless told that it changed.
        layer.dataProvider().reloadData()


def _open(file: Path) -> QgsVectorLayer:
    options = QgsVectorLayer.LayerOptions()
    options.loadDefaultStyle = False
    layer = QgsVectorLayer(str(file), file.stem, "ogr", options)
    if not layer.isValid() and file.suffix.lower() == ".sqlite":
        # A table without geometry is opened by its name only, as OGR writes it.
        table = re.sub("['#-]", "_", file.stem.encode().lower().decode())
        layer = QgsVectorLayer(f"{file}|layername={table}", table, "ogr", options)
    return layer


def _has_index(layer: QgsVectorLayer) -> bool:
    """Whether a GeoPackage's layer has its spatial index, the last that is written of it."""
    present = QgsFeatureSource.SpatialIndexPresence.SpatialIndexPresent
    return not layer.isSpatial() or layer.hasSpatialIndex() == present


def _count_rows(layer: QgsVectorLayer, is_cancelled: Callable[[], bool]) -> int:
    count = 0
    for _ in layer.getFeatures():
        count += 1
        if count % ROWS_BETWEEN_LOOKS == 0 and is_cancelled():
            raise CancelledError("The run was cancelled.")
    return count


def _may_be_empty(path: Path, count: int) -> bool:
    """Whether a layer of ``count`` rows may have no byte in this file."""
    if path.suffix.lower() == MAY_BE_EMPTY:
        return True
    return count == 0 and path.name.lower().endswith(EMPTY_WITHOUT_ROWS)


def _ends_well(path: Path) -> bool:
    """Whether the file has all bytes that its header tells of, or the end that its format has."""
    ending, size = path.suffix.lower(), path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(0, size - TAIL_BYTES))
        tail = file.read().rstrip()
    if head.startswith(SQLITE):
        page, pages = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
        return size >= (page if page > 1 else 1 << 16) * pages
    if ending in (".shp", ".shx"):
        return size == 2 * int.from_bytes(head[24:28], "big")
    if ending in (".dbf", ".dat"):
        rows, start, width = (
            int.from_bytes(head[first:end], "little") for first, end in ((4, 8), (8, 10), (10, 12))
        )
        return size >= start + rows * width > 0
    if ending == ".map":
        return size % MAP_BLOCK_BYTES == 0
    if head.startswith(ZIP):
        return _is_whole_zip(path)
    return size > 0 and tail.endswith(ENDS.get(ending, b""))


def _is_whole_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except zipfile.BadZipFile:
        return False


def _has_whole_rows(file: Path, count: int) -> bool:
    """Whether a CSV file has a header, ``count`` rows of as many cells, and a line's end."""
    widths, row = [], b""
    with file.open("rb") as lines:
        for line in lines:
            row += line
            if row.count(b'"') % 2 == 0:  # else a cell goes on in the next line
                widths.append(QUOTED.sub(b"", row).count(b","))
                row = b""
    return not row and len(widths) == count + 1 and len(set(widths)) == 1 and line.endswith(b"\n")
