"""A folder of scenes on disk as a catalogue: what lies in it, at any depth."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....bridge.errors import CatalogError
from ....bridge.profiles import CollectionProfile
from ..checks import Conditions
from ..source import RawItem, SearchedSource
from .landsat import METADATA, OTHER_METADATA, is_profile_of_landsat, read_landsat
from .scene_item import LocalScene, scene_item
from .sentinel2 import is_profile_of_sentinel2, is_safe_folder, metadata_files, read_safe

MOST_LEVELS = 8
ARCHIVES = (".zip", ".tar", ".gz", ".tgz")
SENTINEL2, LANDSAT = "Sentinel-2", "Landsat"
READERS: dict[str, Callable[[Path, CollectionProfile], LocalScene]] = {
    SENTINEL2: read_safe,
    LANDSAT: read_landsat,
}


@dataclass(frozen=True)
class _Place:
    """Where a scene lies: a .SAFE folder, or a Landsat scene's metadata file."""

    sensor: str
    path: Path


class LocalScenes(SearchedSource):
    """The scenes of the profile's sensor in a folder.

    Scenes that cannot be read are left out and kept in ``unreadable``.
    """

    def __init__(self, folder: Path, profile: CollectionProfile) -> None:
        super().__init__(str(folder), folder.name or str(folder))
        self._folder = folder
        self._profile = profile
        self._has_archives = False
        self._documents: list[str] = []

    def batches(self, conditions: Conditions | None) -> Iterator[list[RawItem]]:  # noqa: ARG002
        """Every scene, in the order of the names.

        Raises:
            CatalogError: the folder holds no scene of the profile's sensor, or none is readable.
        """
        places: list[_Place] = []
        for found in self._places():
            places += found
            yield []
        wanted = [place for place in places if place.sensor == self._sensor]
        if not wanted:
            raise CatalogError(self._nothing_here(places))
        for done, place in enumerate(wanted, start=1):
            self.share_done = done / len(wanted)
            yield self._read(place)
        if len(self.unreadable) == len(wanted):
            raise CatalogError(self.unreadable[0])

    def collection(self, name: str) -> dict[str, Any] | None:  # noqa: ARG002
        """None: there are scenes only."""
        return None

    def collection_names(self) -> list[str]:
        """The scenes are taken as those of the profile's collection."""
        return [self._profile.collection]

    def documents(self) -> Collection[str]:
        """The paths of the scenes' metadata."""
        return self._documents

    @property
    def _sensor(self) -> str:
        if is_profile_of_sentinel2(self._profile):
            return SENTINEL2
        return LANDSAT if is_profile_of_landsat(self._profile) else ""

    def _places(self) -> Iterator[list[_Place]]:
        """The scenes in each folder, which is not entered where it is a scene itself."""
        start = len(self._folder.parts)
        for name, folders, files in os.walk(self._folder):
            folder = Path(name)
            if is_safe_folder(folder):
                folders.clear()
                yield [_Place(SENTINEL2, folder)]
                continue
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            if len(folder.parts) - start >= MOST_LEVELS:
                folders.clear()
            self._has_archives |= any(one.lower().endswith(ARCHIVES) for one in files)
            yield [_Place(LANDSAT, folder / one) for one in _landsat_metadata(files)]

    def _read(self, place: _Place) -> list[RawItem]:
        is_safe = place.sensor == SENTINEL2
        try:
            self._documents += map(str, metadata_files(place.path) if is_safe else [place.path])
            scene = READERS[place.sensor](place.path, self._profile)
            item = scene_item(scene, self._profile.collection, self._profile.thumbnail)
        except (ValueError, OSError) as error:
            self.unreadable.append(f"{place.path} {_fault(error, place.path.name)}.")
            return []
        return [(item, str(scene.metadata))]

    def _nothing_here(self, places: list[_Place]) -> str:
        others = sorted({place.sensor for place in places})
        if others:
            return (
                f"The folder {self._folder} holds scenes of {' and '.join(others)}, but COLLECTION "
                f"is {self._profile.id}; choose the COLLECTION that the scenes belong to."
            )
        advice = "unpack the archives in it" if self._has_archives else "give a folder that does"
        return (
            f"The folder {self._folder} holds no .SAFE folder of Sentinel-2 and no Landsat scene "
            f"of Collection 2; {advice}, or give the JSON file of a static catalogue as CATALOG."
        )


def _landsat_metadata(names: list[str]) -> list[str]:
    """The metadata files of the scenes in a folder; one of another format where JSON is missing."""
    scenes: dict[str, str] = {}
    for ending in (METADATA, *OTHER_METADATA):
        for name in sorted(names):
            if name.endswith(ending) and name.startswith("L"):
                scenes.setdefault(name.removesuffix(ending), name)
    return sorted(scenes.values())


def _fault(error: Exception, name: str) -> str:
    """What is wrong, to follow the scene's path, which ends in ``name``: ``lacks its MTD_TL.xml``.

    It may be said of a file in the scene, which of a Landsat scene is the same.
    """
    text = str(error).removeprefix(f"{name} ")
    verbs = ("is ", "has ", "lacks ")
    return text if text.startswith(verbs) else f"cannot be read: {text}"
