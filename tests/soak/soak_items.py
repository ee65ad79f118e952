"""Honest STAC items, and the ways in which one may lie."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from soak_json_mutations import CRSS, HREFS, NUMBERS, PLACES_OF_CRS, TEXTS, TIMES, nested, odd_value
from soak_watch import ROOT


def _item(name: str, collection: str, assets: dict[str, Any], **properties: Any) -> dict[str, Any]:
    ring = [[14.9, 45.0], [15.4, 45.0], [15.4, 45.3], [14.9, 45.3], [14.9, 45.0]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": ["https://stac-extensions.github.io/projection/v1.1.0/schema.json"],
        "id": name,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [14.9, 45.0, 15.4, 45.3],
        "properties": {"datetime": "2023-08-10T10:00:00Z", "eo:cloud_cover": 5, **properties},
        "links": [{"rel": "self", "href": f"https://stac.example/{name}.json"}],
        "assets": assets,
    }


def _sentinel_item() -> dict[str, Any]:
    """STAC 1.0: ``raster:bands``, ``proj:*`` at each asset."""
    grid = {"proj:shape": [400, 400], "proj:transform": [100, 0, 492_000, 0, -100, 5_016_700]}
    bands = [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}]
    assets = {
        band: {"href": f"./{band}.tif", "type": "image/tiff", "raster:bands": bands, **grid}
        for band in ("red", "green", "blue", "nir")
    }
    assets["scl"] = {"href": "./scl.tif", "raster:bands": [{"nodata": 0}], **grid}
    return _item(
        "S2A_T33TWM_20230810T100031_L2A",
        "sentinel-2-l2a",
        json.loads(json.dumps(assets)),
        **{
            "proj:epsg": 32633,
            "platform": "sentinel-2a",
            "grid:code": "MGRS-33TWM",
            "s2:processing_baseline": "05.09",
            "s2:datastrip_id": "S2A_OPER_MSI_L2A_DS_2APS_20230810T130000_S20230810T100031_N05.09",
            "earthsearch:boa_offset_applied": False,
            "s2:nodata_pixel_percentage": 3.5,
        },
    )


def _landsat_item() -> dict[str, Any]:
    """STAC 1.1: ``bands``, ``proj:code``, ``classification:bitfields``."""
    bits = [{"offset": 3, "length": 1, "name": "cloud", "classes": [{"value": 1, "name": "cloud"}]}]
    assets: dict[str, Any] = {
        band: {"href": f"s3://usgs-landsat/{band}.TIF", "raster:scale": 2.75e-05,
               "raster:offset": -0.2, "nodata": 0, "data_type": "uint16", "bands": [{"name": band}]}
        for band in ("red", "green", "blue", "nir08")
    }  # fmt: skip
    assets["qa_pixel"] = {"href": "s3://usgs-landsat/qa.TIF", "classification:bitfields": bits}
    item = _item(
        "LC09_L2SP_190028_20230810_02_T1",
        "landsat-c2-l2",
        assets,
        **{
            "proj:code": "EPSG:32633",
            "proj:shape": [1400, 1400],
            "proj:transform": [30, 0, 492_000, 0, -30, 5_017_000, 0, 0, 1],
            "platform": "landsat-9",
            "landsat:wrs_path": "190",
            "landsat:wrs_row": "028",
        },
    )
    return {**item, "stac_version": "1.1.0"}


def honest_items() -> list[dict[str, Any]]:
    """Of collections that a profile knows: the two above, and the real ones where they are."""
    found = [_sentinel_item(), _landsat_item()]
    shared = Path(os.environ.get("FAIRWEATHER_SHARED_DATA", ROOT.parent / "shared" / "data"))
    for path in sorted(shared.rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.get("type") == "Feature":
            found.append(content)
        found += content.get("features", [])[:6]
    return found


def _set(path: str, values: Any) -> Any:
    """A change: one of ``values`` at ``path``, whose ``*`` is any key."""

    def change(item: dict[str, Any], source: random.Random) -> None:
        holder: Any = item
        *steps, last = path.split("/")
        for step in (*steps, last):
            key = source.choice(sorted(holder)) if step == "*" else step
            if step is last:
                holder[key] = values(source) if callable(values) else source.choice(values)
            else:
                holder = holder[key]

    return change


def _odd_geometry(source: random.Random) -> Any:  # noqa: PLR0911
    def number() -> float:
        return source.choice([source.uniform(-180, 180), source.uniform(14, 16), *NUMBERS])

    kind = source.randrange(8)
    if kind == 0:
        ring = [[source.uniform(14, 16), source.uniform(44, 46)] for _ in range(3000)]
        return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    if kind == 1:
        return {"type": "Point", "coordinates": [number(), number()]}
    if kind == 2:
        inner = {"type": "Polygon", "coordinates": [[[number(), number()] for _ in range(5)]]}
        for _ in range(source.choice((1, 5, 25))):
            inner = {"type": "GeometryCollection", "geometries": [inner]}
        return inner
    if kind == 3:
        west, east = number(), number()
        ring = [[west, 40], [east, 40], [east, 50], [west, 50], [west, 40]]
        return {"type": "Polygon", "coordinates": [ring]}
    if kind == 4:
        return {"type": source.choice(("MultiPolygon", "LineString", "polygon", "Torus", None)),
                "coordinates": odd_value(source)}  # fmt: skip
    if kind == 5:
        ring = [[number(), number()] for _ in range(source.randrange(12))]
        return {"type": "Polygon", "coordinates": [ring, ring]}
    if kind == 6:
        return {"type": "Polygon", "coordinates": nested(source.choice((3, 40)))}
    return odd_value(source)


def _transform(source: random.Random) -> Any:
    return [source.choice((10, -10, 0, 30.0, 492_000, 5_016_700, *NUMBERS, *TEXTS[:8]))
            for _ in range(source.choice((6, 6, 6, 9, 5, 0)))]  # fmt: skip


def _shape(source: random.Random) -> Any:
    return [
        source.choice((1, 400, 10_980, "400", *NUMBERS)) for _ in range(source.choice((2, 2, 3)))
    ]


CHANGES = (
    _set("assets/*/href", HREFS),
    _set("assets/*/href", HREFS),
    _set("assets/*/proj:transform", _transform),
    _set("assets/*/proj:shape", _shape),
    _set("assets/*/proj:code", (*CRSS, *PLACES_OF_CRS)),
    _set("assets/*/proj:wkt2", (*CRSS, *PLACES_OF_CRS)),
    _set("properties/proj:code", (*CRSS, *PLACES_OF_CRS)),
    _set("properties/proj:wkt2", (*CRSS, *PLACES_OF_CRS)),
    _set("properties/proj:epsg", (*NUMBERS, *CRSS, *PLACES_OF_CRS, 32733, 4978, 3857, "32633")),
    _set("properties/proj:shape", _shape),
    _set("properties/proj:transform", _transform),
    _set("properties/datetime", TIMES),
    _set("properties/start_datetime", TIMES),
    _set("properties/eo:cloud_cover", (*NUMBERS, *TEXTS[:8])),
    _set("properties/platform", odd_value),
    _set("properties/grid:code", odd_value),
    _set("properties/s2:processing_baseline", (*TEXTS, "99.99", "5.1", 5.1)),
    _set("properties/s2:datastrip_id", ("x_S99999999T999999_y", "x_S20230230T000000_N", "")),
    _set("properties/*", odd_value),
    _set("assets/*/raster:bands", odd_value),
    _set("assets/*/raster:bands", lambda source: [
        {name: source.choice((*NUMBERS, *TEXTS)) for name in ("scale", "offset", "nodata")}
    ]),
    _set("assets/*/data_type", TEXTS),
    _set("assets/*/bands", odd_value),
    _set("assets/*/classification:bitfields", odd_value),
    _set("assets/*/roles", odd_value),
    _set("assets/*", odd_value),
    _set("geometry", _odd_geometry),
    _set("geometry", _odd_geometry),
    _set("bbox", lambda source: [source.choice(NUMBERS) for _ in range(source.choice((4, 6, 3)))]),
    _set("id", (*TEXTS, *HREFS)),
    _set("collection", TEXTS),
    _set("stac_version", ("0.6.0", "0.9.0", "1.0.0-beta.2", "2.0.0", "", "x", None, 1, "1.1.0")),
    _set("stac_extensions", odd_value),
    _set("links", lambda source: [{"rel": "self", "href": source.choice(HREFS)}]),
    _set("links", lambda source: [{"rel": "thumbnail", "href": odd_value(source)}, {}]),
)  # fmt: skip
