"""The tile or frame that a scene lies on, whichever way its collection names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# As in HLS.S30.T15MXV.2015333T161622.v2.0 and S2A_MSIL2A_..._T58UFE_20201007T214651
_TILE_IN_ID = re.compile(r"[._]T([0-9]{2}[C-X][A-Z]{2})[._]")

TILE_PROPERTIES = frozenset({"grid:code", "s2:mgrs_tile", "landsat:wrs_path", "landsat:wrs_row"})


def scene_tile(item_id: str, properties: Mapping[str, Any]) -> str | None:
    """Such as ``MGRS-33TWM`` or ``WRS2-202033``; None where neither properties nor id name one."""
    if properties.get("grid:code"):
        return str(properties["grid:code"])
    if properties.get("s2:mgrs_tile"):
        return f"MGRS-{properties['s2:mgrs_tile']}"
    path, row = properties.get("landsat:wrs_path"), properties.get("landsat:wrs_row")
    if path and row:
        return f"WRS2-{path}{row}"
    match = _TILE_IN_ID.search(item_id)
    return f"MGRS-{match[1]}" if match else None
