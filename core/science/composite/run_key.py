"""What decides a composite's pixels and blocks, as one digest: runs of it may share blocks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from ..imagery.formula import Formula
from ..provenance import versions
from .output_raster import RasterLayout
from .plan import CompositePlan

# Of how finished blocks are kept.
FORMAT = 1
# How a run goes about it: no block is kept that lacks something, whether it may be skipped or not,
# and in the others no band with a fault was read.
NOT_OF_THE_RESULT = ("skips_unreadable", "holds_days_in_files", "fault")


def run_key(plan: CompositePlan, layout: RasterLayout) -> str:
    """A digest of the versions, the plan, every scene and every file on this computer.

    Not in it is where the run writes and computes, how much memory it takes (unless its blocks
    become others), and what becomes of unreadable files.
    """
    digest = hashlib.sha256()
    for part in (FORMAT, versions(), layout, plan.recipe, plan.block_grid):
        _add(digest, part)
    for scene in plan.scenes:
        _add(digest, scene)
        _add(digest, [_state_of_file(source.href) for source in scene.sources])
    return digest.hexdigest()[:32]


def _add(digest: Any, part: object) -> None:
    digest.update(json.dumps(_plain(part)).encode() + b"\n")


def _state_of_file(href: str) -> list[int]:
    """What changes with a file on this computer; nothing of any other.

    Its size and its time of change can be kept by who replaces or edits it, the number of the file
    and the time of its last change of any kind (on Windows, of its making) cannot. Where a network
    drive numbers its files anew each time, nothing is taken up after that: a key that changes for
    nothing costs time, one that does not change costs the result.
    """
    path = Path(href)
    if not path.is_absolute():
        return []
    try:
        state = path.stat()
    except OSError:
        return []
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]


def _plain(value: object) -> Any:
    """The same as JSON has it, with the names of classes and fields.

    Raises:
        TypeError: it is of a type that is not known here, and might decide pixels.
    """
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        # Their order decides nothing, and may be another in the next process.
        return sorted(json.dumps([_plain(key), _plain(part)]) for key, part in value.items())
    return [type(value).__name__, _plain_object(value)]


def _plain_object(value: object) -> Any:
    if isinstance(value, GeoBox):
        return [list(value.shape), list(value.transform)[:6], str(value.crs)]
    if isinstance(value, BaseGeometry):
        return value.wkb_hex
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Formula):
        return value.text
    if is_dataclass(value):
        names = (field.name for field in fields(value) if field.name not in NOT_OF_THE_RESULT)
        return {name: _plain(getattr(value, name)) for name in names}
    raise TypeError(f"{type(value).__name__} is not known")
