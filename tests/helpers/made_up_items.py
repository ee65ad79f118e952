"""Items whose answers are known by plain arithmetic."""

from __future__ import annotations

import random

COLLECTION = "sentinel-2-l2a"
OTHER_COLLECTION = "landsat-c2-l2"
TILES = ("MGRS-33TWL", "MGRS-33TWM", "MGRS-33TXM")
COUNT = 260


def made_up_items() -> list[dict]:
    """Scenes of two collections over a few degrees and months, always the same ones."""
    chance = random.Random(6)
    return [_item(number, chance) for number in range(COUNT)]


def _item(number: int, chance: random.Random) -> dict:
    west, south = 14 + chance.randrange(8) / 2, 44 + chance.randrange(6) / 2
    box = [west, south, west + 1, south + 1]
    month, day = chance.randrange(6, 10), chance.randrange(1, 29)
    properties = {
        # A platform, a time and a tile name one acquisition: no two items share all three.
        "datetime": f"2023-{month:02}-{day:02}T10:{number % 60:02}:{number // 60 * 10:02}.024000Z",
        "platform": f"sentinel-2{'ab'[number % 2]}",
        "grid:code": TILES[number % 3],
        "s2:nodata_pixel_percentage": round(chance.random() * 100, 3),
        "s2:product_uri": f"O'Brien's \"{number % 7}\"",
        "gsd": 10,
    }
    if number % 10:
        properties["eo:cloud_cover"] = round(chance.random() * 100, 4)
    corners = [[0, 1], [2, 1], [2, 3], [0, 3], [0, 1]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": f"scene-{number:03}",
        "collection": COLLECTION if number % 9 else OTHER_COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [[[box[x], box[y]] for x, y in corners]]},
        "bbox": box,
        "properties": properties,
        "assets": {"red": {"href": f"https://example.com/{number:03}/red.tif"}},
        "links": [],
    }
