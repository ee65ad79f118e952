"""Which files a sample catalogue consists of, so that nobody else's are taken for its own."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...bridge.errors import OutputError
from ..whole_file import BESIDE_RASTER
from .documents import COLLECTION_ID
from .scenes import BAND_RESOLUTIONS, Scene, choose_passes
from .tiles import Tile, make_tiles

FEWEST_DAYS, MOST_DAYS = 12, 146  # of two years
CATALOG_FILE, AREA_FILE, TRUTH_FOLDER = "catalog.json", "area.geojson", "truth"

# How often a folder is looked at that another run replaces meanwhile.
MOST_LOOKS = 20

# What the file managers of macOS and Windows leave wherever somebody looks: nobody's own.
BY_FILE_MANAGERS = (".DS_Store", "Thumbs.db", "desktop.ini")


def find_other_file(folder: Path) -> str | None:
    """What makes ``folder`` no sample catalogue; None if it is one, is empty or is not there.

    It is told relative to ``folder``: the first file or folder that no sample catalogue has. What
    GDAL keeps beside a raster is the raster's; what is neither a file nor a folder, a link say, is
    somebody else's whatever its name. Without a sample's ``catalog.json``, nothing is its own.

    Raises:
        OSError: not all of it can be looked at.
        OutputError: something else never stops changing it.
    """
    for _ in range(MOST_LOOKS):
        seen = _identity(folder)
        try:
            other = _look(folder)
        except (FileNotFoundError, NotADirectoryError):
            if _identity(folder) == seen:
                raise
        else:
            # Of a folder that another run replaced meanwhile, parts of two were seen, or none.
            if _identity(folder) == seen:
                return other
    raise OutputError(
        f"The folder {folder} changes all the time; wait until what writes there has ended, or "
        "choose another one."
    )


def _identity(folder: Path) -> tuple[int, ...] | None:
    """Which folder it is, and as of when; None if there is none."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns)


def _look(folder: Path) -> str | None:
    entries = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    other = _find_foreign_file(folder) if entries else None
    if other is None and entries and not _is_sample_catalog(folder / CATALOG_FILE):
        return entries[0]
    return other


def _is_sample_catalog(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("id") == COLLECTION_ID


def _find_foreign_file(folder: Path) -> str | None:
    """The first that is not on the list of a sample catalogue's."""

    def refuse(error: OSError) -> None:
        raise error

    tiles = make_tiles()
    own_folders, own_files = set(_own_folders(tiles)), set(_own_files(tiles))
    for place, folders, files in os.walk(folder, onerror=refuse):
        inside = Path(place).relative_to(folder)
        for names, own, is_kind in (
            (folders, own_folders, stat.S_ISDIR),
            (files, own_files, stat.S_ISREG),
        ):
            for name in sorted(set(names).difference(BY_FILE_MANAGERS)):
                path = (inside / name).as_posix()
                if path not in own or not is_kind(Path(place, name).lstat().st_mode):
                    return path
    return None


def _own_folders(tiles: Sequence[Tile]) -> Iterator[str]:
    yield from (TRUTH_FOLDER, COLLECTION_ID)
    yield from (f"{COLLECTION_ID}/{scene}" for scene in _scene_names(tiles))


def _own_files(tiles: Sequence[Tile]) -> Iterator[str]:
    yield from (CATALOG_FILE, AREA_FILE)
    yield f"{TRUTH_FOLDER}/curves.json"
    yield f"{COLLECTION_ID}/collection.json"
    for tile in tiles:
        for resolution in set(BAND_RESOLUTIONS.values()):
            for kind in ("median", "land"):
                yield from _raster(f"{TRUTH_FOLDER}/{tile.name}_{kind}_{resolution}m.tif")
    for scene in _scene_names(tiles):
        folder = f"{COLLECTION_ID}/{scene}"
        yield f"{folder}/{scene}.json"
        for name in (*BAND_RESOLUTIONS, "scl"):
            yield from _raster(f"{folder}/{name}.tif")
        yield from _raster(f"{folder}/thumbnail.png")


def _scene_names(tiles: Sequence[Tile]) -> Iterator[str]:
    """Those of the longest catalogue, which has all passes of the others."""
    for satellite_pass in choose_passes(MOST_DAYS):
        yield from (Scene(tile, satellite_pass, {}).name for tile in tiles)


def _raster(name: str) -> Iterator[str]:
    yield name
    yield from (name + ending for ending in BESIDE_RASTER)
