"""From the parameter SCENES to an ItemCollection file.

Three things can be given: the path of an ItemCollection file, a footprints layer (whose field
``item`` holds each item whole), or a layer opened from an ItemCollection file. Of a layer, what
counts is what is left of it: filtered, selected, edited.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from qgis.core import (
    QgsFeatureRequest,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
)

from ..core.bridge.errors import InvalidRequestError
from ..core.bridge.job_folders import job_folder
from .parameters import SCENES

ITEM_FIELD = "item"
ID_FIELD = "id"
HEAD_BYTES = 1_000_000
# Which comes first: an item's own key, or the field in which a footprint carries its item?
FIRST_KEY = re.compile(rb'(?<!\\)"(item|stac_version|assets)"\s*:')
WRONG_SCENES = (
    "SCENES: {name} is neither an ItemCollection file nor a footprints layer with the field "
    "'item'; give an output of Search scenes."
)


@dataclass(frozen=True)
class ChosenScenes:
    """The scenes given: ``path`` is an ItemCollection file.

    ``items`` are whole items as JSON texts, ``ids`` those to keep of ``path``'s items; with
    neither, ``path`` is used as it is. All empty means that no scenes are given.
    """

    path: str = ""
    ids: Tuple[str, ...] = ()
    items: Tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        """Whether there are any."""
        return bool(self.path or self.items)

    @contextmanager
    def as_file(self) -> Iterator[str]:
        """The path of an ItemCollection file of just these scenes, while the block runs.

        Raises:
            InvalidRequestError: what should be items is none.
        """
        if not self.ids and not self.items:
            yield self.path
            return
        items = _pick_items(self.path, self.ids) if self.ids else _parse_items(self.items)
        with job_folder("scenes") as folder:
            path = folder / "scenes.json"
            content = {"type": "FeatureCollection", "features": items}
            path.write_text(json.dumps(content), encoding="utf-8")
            yield str(path)


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
        return ChosenScenes(items=_read_texts(source, ITEM_FIELD))
    layer = algorithm.parameterAsVectorLayer(parameters, SCENES, context)
    path = Path(layer.source().split("|")[0]) if layer is not None else Path()
    if not _holds_items(path) or source.fields().indexOf(ID_FIELD) < 0:
        raise InvalidRequestError(WRONG_SCENES.format(name=source.sourceName()))
    return ChosenScenes(path=str(path.absolute()), ids=_read_texts(source, ID_FIELD))


def _holds_items(path: Path) -> bool:
    """Whether ``path`` is a GeoJSON file whose features are STAC items."""
    if path.suffix.lower() not in (".json", ".geojson") or not path.is_file():
        return False
    with path.open("rb") as file:
        key = FIRST_KEY.search(file.read(HEAD_BYTES))
    return key is not None and key[1] != ITEM_FIELD.encode()


def _read_texts(source: QgsProcessingFeatureSource, field: str) -> Tuple[str, ...]:
    """The texts in ``field`` of every feature that is left."""
    request = QgsFeatureRequest()
    request.setFlags(QgsFeatureRequest.Flag.NoGeometry)
    request.setInvalidGeometryCheck(QgsFeatureRequest.InvalidGeometryCheck.GeometryNoCheck)
    values = [feature[field] for feature in source.getFeatures(request)]
    # A GeoJSON file gives JSON texts back as objects.
    texts = tuple(json.dumps(value) if isinstance(value, dict) else str(value) for value in values)
    if not texts:
        raise InvalidRequestError(
            f"SCENES: {source.sourceName()} has no scene (or none is selected); "
            "give at least one footprint."
        )
    return texts


def _parse_items(texts: Tuple[str, ...]) -> List[Dict[str, Any]]:
    try:
        return [json.loads(text) for text in texts]
    except ValueError as error:
        raise InvalidRequestError(
            "SCENES: the field 'item' of a footprint is not whole (a shapefile cuts long texts); "
            "save footprints as GeoPackage, or give the ItemCollection file."
        ) from error


def _pick_items(path: str, ids: Tuple[str, ...]) -> List[Dict[str, Any]]:
    """The items of the file at ``path`` that have one of ``ids``."""
    wanted = set(ids)
    try:
        items = json.loads(Path(path).read_text(encoding="utf-8"))["features"]
        return [item for item in items if item["id"] in wanted]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRequestError(WRONG_SCENES.format(name=path)) from error
