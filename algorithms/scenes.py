"""From the parameter SCENES to the request's scenes.

Three things can be given: the path of an ItemCollection file, a footprints layer (whose field
``item`` holds each item whole), or a layer opened from an ItemCollection file. Of a layer, what
counts is what is left of it: filtered, selected, edited.

Items are a stranger's: here they stay texts, and only the worker, which has the bounds for it,
parses them.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, Iterator, Sequence, Tuple

from qgis.core import (
    QgsFeatureRequest,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
)

from ..core.bridge.errors import InvalidRequestError
from ..core.bridge.job_folders import job_folder, not_writable
from ..core.bridge.request import SceneSearch
from .parameters import SCENES

ITEM_FIELD = "item"
ID_FIELD = "id"
HEAD_BYTES = 1_000_000
# Published items have twenty kilobytes, those with long footprints a few hundred.
MOST_ITEM_CHARACTERS = 8 * 2**20
MOST_CHARACTERS = 2**30
# Which comes first: an item's own key, or the field in which a footprint carries its item?
FIRST_KEY = re.compile(rb'(?<!\\)"(item|stac_version|assets)"\s*:')
WRONG_SCENES = (
    "SCENES: {name} is neither an ItemCollection file nor a footprints layer with the field "
    "'item'; give an output of Search scenes."
)
CUT_ITEM = (
    "SCENES: the field 'item' of a footprint is not whole (a shapefile cuts long texts); "
    "save footprints as GeoPackage, or give the ItemCollection file."
)
LONG_ITEM = (
    f"SCENES: the field 'item' of a footprint is longer than {MOST_ITEM_CHARACTERS >> 20} MB, as "
    "no STAC item is; give an output of Search scenes."
)
DEEP_ITEM = (
    "SCENES: the field 'item' of a footprint is nested deeper than any STAC item; give an output "
    "of Search scenes."
)


@dataclass(frozen=True)
class ChosenScenes:
    """The scenes given: ``path`` is an ItemCollection file, of which ``ids`` are used (empty: all).

    Without a path, ``items`` are whole items as JSON texts. All empty means that no scenes are
    given.
    """

    path: str = ""
    ids: Tuple[str, ...] = ()
    items: Tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        """Whether there are any."""
        return bool(self.path or self.items)

    @contextmanager
    def put_into(self, search: SceneSearch) -> Iterator[SceneSearch]:
        """``search`` with just these scenes, in a file that is there while the block runs.

        Raises:
            OutputError: FAIRWEATHER_HOME cannot be written.
        """
        if not self.items:
            yield replace(search, scenes=self.path, scene_ids=self.ids)
            return
        with job_folder("scenes") as folder:
            path = folder / "scenes.geojson"
            try:
                _write_footprints(path, self.items)
            except OSError as error:
                raise not_writable(folder, error) from error
            yield replace(search, scenes=str(path))


def read_scenes(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> ChosenScenes:
    """What SCENES names; reads the layer, so it belongs in ``prepareAlgorithm``.

    Raises:
        InvalidRequestError: it is no footprints layer, or has nothing in it.
    """
    value = parameters.get(SCENES)
    if value in (None, ""):
        return ChosenScenes()
    if isinstance(value, str) and _holds_items(Path(value)):
        return ChosenScenes(path=str(Path(value).absolute()))
    source = algorithm.parameterAsSource(parameters, SCENES, context)
    if source.fields().indexOf(ITEM_FIELD) >= 0:
        return ChosenScenes(items=_read_items(source))
    layer = algorithm.parameterAsVectorLayer(parameters, SCENES, context)
    path = Path(layer.source().split("|")[0]) if layer is not None else Path()
    if not _holds_items(path) or source.fields().indexOf(ID_FIELD) < 0:
        raise InvalidRequestError(WRONG_SCENES.format(name=source.sourceName()))
    ids = tuple(map(str, _values(source, ID_FIELD)))
    _check_not_empty(ids, source)
    return ChosenScenes(path=str(path.absolute()), ids=ids)


def _holds_items(path: Path) -> bool:
    """Whether ``path`` is a GeoJSON file whose features are STAC items."""
    if path.suffix.lower() not in (".json", ".geojson") or not path.is_file():
        return False
    with path.open("rb") as file:
        key = FIRST_KEY.search(file.read(HEAD_BYTES))
    return key is not None and key[1] != ITEM_FIELD.encode()


def _read_items(source: QgsProcessingFeatureSource) -> Tuple[str, ...]:
    """The item of every feature that is left, as text."""
    texts = []
    room = MOST_CHARACTERS
    for value in _values(source, ITEM_FIELD):
        texts.append(_item_text(value))
        room -= len(texts[-1])
        if room < 0:
            raise InvalidRequestError(
                f"SCENES: the scenes of {source.sourceName()} are longer than "
                f"{MOST_CHARACTERS >> 20} MB together; select fewer footprints."
            )
    _check_not_empty(texts, source)
    return tuple(texts)


def _values(source: QgsProcessingFeatureSource, field: str) -> Iterator[Any]:
    """What is in ``field`` of every feature that is left."""
    request = QgsFeatureRequest()
    request.setFlags(QgsFeatureRequest.Flag.NoGeometry)
    request.setInvalidGeometryCheck(QgsFeatureRequest.InvalidGeometryCheck.GeometryNoCheck)
    for feature in source.getFeatures(request):
        yield feature[field]


def _check_not_empty(found: Sequence[str], source: QgsProcessingFeatureSource) -> None:
    if not found:
        raise InvalidRequestError(
            f"SCENES: {source.sourceName()} has no scene (or none is selected); "
            "give at least one footprint."
        )


def _item_text(value: Any) -> str:
    """The text of one item, whose ends are looked at only.

    Raises:
        InvalidRequestError: it is cut, or larger than any item.
    """
    try:
        # A GeoJSON file gives JSON texts back as objects.
        text = json.dumps(value) if isinstance(value, dict) else str(value)
    except RecursionError as error:
        raise InvalidRequestError(DEEP_ITEM) from error
    if len(text) > MOST_ITEM_CHARACTERS:
        raise InvalidRequestError(LONG_ITEM)
    trimmed = text.strip()
    if not trimmed.startswith("{") or not trimmed.endswith("}"):
        raise InvalidRequestError(CUT_ITEM)
    return text


def _write_footprints(path: Path, items: Sequence[str]) -> None:
    """Write footprints that carry ``items``: as texts, which end where they end, whatever is in."""
    # A layer's text may hold halves of characters: UTF-8 has none, JSON has words for them.
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for number, item in enumerate(items, start=1):
            footprint = {
                "type": "Feature",
                "id": f"footprint {number}",
                "properties": {ITEM_FIELD: item},
            }
            file.write(",\n" if number > 1 else "\n")
            file.write(json.dumps(footprint, ensure_ascii=False))
        file.write("\n]}\n")
