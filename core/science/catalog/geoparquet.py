"""Items in a GeoParquet file as stac-geoparquet lays them out, one row an item.

The layout: https://github.com/radiantearth/stac-geoparquet-spec. The members of an item's
``properties`` are columns beside ``id``, ``geometry`` (WKB), ``bbox``, ``assets`` and ``links``;
times are timestamps, and what an item does not have is null.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import IO, Any

import shapely

from ...bridge.errors import CatalogError
from .candidates import scene_moment
from .checks import Conditions, Period
from .documents import NoStacError
from .parquet_pages import (
    MAGIC,
    SMALLER_PARTS,
    TextEncodingError,
    TooLargeError,
    rows_at_once,
)
from .source import RawItem, SearchedSource

ROWS_AT_ONCE = 100
# Of so many rows, fewer if need be. Published ones take a few megabytes.
MOST_BYTES_AT_ONCE = 128 * 2**20
NEEDED_COLUMNS = frozenset({"id", "geometry", "assets"})
TOP_LEVEL = frozenset(
    {"type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets"}
    | {"collection", "properties"}
)
BOX_SIDES = ("xmin", "ymin", "zmin", "xmax", "ymax", "zmax")


def is_parquet(file: IO[bytes]) -> bool:
    """Whether ``file``, which is at its beginning, is Parquet."""
    is_one = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    return is_one


def check_parquet_ends(file: IO[bytes], location: str) -> None:
    """Check that Parquet ends as it does, and leave ``file`` at its beginning.

    Raises:
        NoStacError: it is a part of a file, or something follows.
    """
    file.seek(-len(MAGIC), os.SEEK_END)
    is_whole = file.read() == MAGIC
    file.seek(0)
    if not is_whole:
        raise NoStacError(_damaged(location))


class GeoParquetSource(SearchedSource):
    """The items of one file, a hundred rows at once at most."""

    def __init__(self, file: IO[bytes], location: str) -> None:
        super().__init__(location, location)
        self._file = file
        self._collections: set[str] = set()

    def batches(self, conditions: Conditions | None) -> Iterator[list[RawItem]]:
        """Every item; those of other dates without their assets, which are most of an item.

        Raises:
            CatalogError: the file is damaged or too large, or its columns are not those of items.
        """
        try:
            yield from self._batches(conditions)
        except BaseException as error:
            # The reader has no common type of exception, and panics at some files.
            is_readers = isinstance(error, Exception) or type(error).__name__ == "PanicException"
            if isinstance(error, CatalogError) or not is_readers:
                raise
            raise CatalogError(_damaged(self.location)) from error
        self.share_done = 1.0

    def collection(self, name: str) -> dict[str, Any] | None:  # noqa: ARG002
        """None: the file has items only."""
        return None

    def collection_names(self) -> list[str]:
        """The collections that the items name."""
        return sorted(self._collections - {"None"})

    def _batches(self, conditions: Conditions | None) -> Iterator[list[RawItem]]:
        for table in _open(self._file, self.location):
            if table.nbytes > MOST_BYTES_AT_ONCE:
                raise _too_large(self.location)
            names = table.schema.names
            missing = sorted(NEEDED_COLUMNS - set(names))
            if missing:
                raise CatalogError(
                    f"{self.location} is a Parquet file without the column {missing[0]!r}; "
                    "give one in the layout of stac-geoparquet."
                )
            columns = [table.column(name).to_pylist() for name in names if name != "assets"]
            names = [name for name in names if name != "assets"]
            items = [read_row(dict(zip(names, row))) for row in zip(*columns)]
            assets = table.column("assets")
            for number, item in enumerate(items):
                if conditions is None or _is_in(conditions.period, item):
                    item["assets"] = _plain(assets[number].as_py())
            self._collections.update(str(item.get("collection")) for item in items)
            yield [(item, self.location) for item in items]


def _open(file: IO[bytes], location: str) -> Any:
    """The tables of the file, ``ROWS_AT_ONCE`` rows each, or fewer if those would be too large."""
    try:
        # Imported here: few catalogues are Parquet.
        import arro3.io  # noqa: PLC0415
    except ImportError as error:
        raise CatalogError(
            f"{location} is Parquet, which needs the package arro3-io; "
            "install it, or give the items as JSON."
        ) from error
    try:
        rows = rows_at_once(file, ROWS_AT_ONCE, MOST_BYTES_AT_ONCE)
    except TextEncodingError as error:
        raise CatalogError(
            f"The texts of the catalogue {location} are stored by their differences, so that "
            "nothing tells how long they are; write it again with plain or dictionary encoding."
        ) from error
    except TooLargeError as error:
        raise CatalogError(f"The catalogue {location} {error}.") from error
    if not rows:
        raise _too_large(location)
    file.seek(0)
    return arro3.io.read_parquet(file, batch_size=rows)


def _damaged(location: str) -> str:
    return f"The catalogue {location} is damaged Parquet; fetch or write it again."


def _too_large(location: str) -> CatalogError:
    return CatalogError(
        f"A row of the catalogue {location} may take more than {MOST_BYTES_AT_ONCE >> 20} MB, as "
        f"no STAC item does; {SMALLER_PARTS}, or give the items as JSON."
    )


def _is_in(period: Period, item: dict[str, Any]) -> bool:
    try:
        return period.contains(scene_moment(item["properties"]))
    except ValueError:
        return False


def read_row(row: dict[str, Any]) -> dict[str, Any]:
    """The STAC item in one row but for its assets, as JSON has it.

    What is null is left out, as it was in the item, and so is a footprint that is not WKB:
    whoever checks items says so.
    """
    item = _plain({name: row[name] for name in (TOP_LEVEL - {"geometry"}) & set(row)})
    properties = item.get("properties")
    properties = dict(properties) if isinstance(properties, dict) else {}
    properties.update(_plain({name: row[name] for name in row.keys() - TOP_LEVEL}))
    properties.setdefault("datetime", None)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "links": [],
        "assets": {},
        **item,
        "geometry": _geometry(row.get("geometry")),
        "bbox": _bounds(item.get("bbox")),
        "properties": properties,
    }


def _plain(value: Any) -> Any:
    """``value`` as JSON has it: no nulls in objects, times as text, geometries as GeoJSON."""
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, dict):
        # Most members are null: an asset has the members of all assets.
        return {
            name: plain
            for name, member in value.items()
            if member is not None and (plain := _plain(member)) is not None
        }
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    return _geometry(value)


def _geometry(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, bytes):
        return None
    try:
        return dict(shapely.geometry.mapping(shapely.from_wkb(value)))
    except shapely.errors.ShapelyError:
        return None


def _bounds(value: Any) -> list[float] | None:
    if isinstance(value, dict):
        return [value[side] for side in BOX_SIDES if side in value]
    return value if isinstance(value, list) else None
