"""The catalogue's JSON documents: catalogue, collection, items, area of interest and truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pyproj import Transformer
from shapely import Geometry, Polygon, get_coordinates, set_coordinates
from shapely.geometry import mapping

from ...bridge.profiles import find_profile
from .landscape import BANDS, LAND_COVERS, LOCAL_CRS, reflectance_curves
from .rasters import SYNTHETIC
from .scenes import BAND_RESOLUTIONS, NODATA, OFFSET, SCALE, Pass, Scene, swath_polygon
from .tiles import COARSE_RESOLUTION, Tile

COLLECTION_ID = "fairweather-sample"
STAC_VERSION = "1.0.0"
GEOTIFF = "image/tiff; application=geotiff; profile=cloud-optimized"
EXTENSIONS = (
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "https://stac-extensions.github.io/mgrs/v1.0.0/schema.json",
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/view/v1.0.0/schema.json",
)
SENTINEL_NAMES = {
    "blue": ("B02", 0.49),
    "green": ("B03", 0.56),
    "red": ("B04", 0.665),
    "nir": ("B08", 0.842),
    "swir16": ("B11", 1.61),
    "swir22": ("B12", 2.19),
}
CLASS_PROPERTIES = {
    3: "s2:cloud_shadow_percentage",
    4: "s2:vegetation_percentage",
    5: "s2:not_vegetated_percentage",
    6: "s2:water_percentage",
    8: "s2:medium_proba_clouds_percentage",
    9: "s2:high_proba_clouds_percentage",
    10: "s2:thin_cirrus_percentage",
}
CLOUD_CLASSES = (8, 9, 10)
TRUTH_DESCRIPTION = (
    "True cloud-free reflectance. <tile>_median_10m.tif and <tile>_median_20m.tif: the median over "
    "all days of this catalogue, whether a cloud stood there or not, on the scenes' own pixels. "
    "<tile>_land_10m.tif and <tile>_land_20m.tif: the land cover's number, and a brightness in "
    "thousandths. curves.json: reflectance by land cover, day and band; a pixel's true reflectance "
    "on a day is its land cover's curve times its brightness. In a clear pixel of a scene it is "
    "wrong by up to 2 percent, the same for a band's pixels of one day, and rounded to 0.0001."
)


def catalog_document() -> dict[str, Any]:
    """The root, ``catalog.json``."""
    return {
        "type": "Catalog",
        "id": COLLECTION_ID,
        "stac_version": STAC_VERSION,
        "title": "Fairweather sample catalogue (synthetic)",
        "description": f"{SYNTHETIC}.",
        "fairweather:synthetic": True,
        "links": [
            _link("root", "./catalog.json"),
            _link("child", f"./{COLLECTION_ID}/collection.json"),
        ],
    }


def collection_document(items: Sequence[dict[str, Any]], tiles: Sequence[Tile]) -> dict[str, Any]:
    """The collection with links to its ``items``, which are in the order of time."""
    boxes = np.array([item["bbox"] for item in items])
    bounds = [*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]
    times = [items[0]["properties"]["datetime"], items[-1]["properties"]["datetime"]]
    profile = find_profile(COLLECTION_ID)
    return {
        "type": "Collection",
        "id": COLLECTION_ID,
        "stac_version": STAC_VERSION,
        "title": profile.title,
        "description": f"{SYNTHETIC}. {TRUTH_DESCRIPTION}",
        "keywords": ["synthetic", "sample", "sentinel-2 like"],
        "license": profile.license,
        "providers": [{"name": "Fairweather", "roles": ["producer", "licensor"]}],
        "extent": {"spatial": {"bbox": [bounds]}, "temporal": {"interval": [times]}},
        "summaries": {"platform": ["sentinel-2a", "sentinel-2b"], "gsd": [10, 20]},
        "assets": _truth_assets(tiles),
        "fairweather:synthetic": True,
        "links": [
            _link("root", "../catalog.json"),
            _link("parent", "../catalog.json"),
            *(_link("item", f"./{item['id']}/{item['id']}.json") for item in items),
        ],
    }


def item_document(scene: Scene) -> dict[str, Any]:
    """The item of one scene, laid out as Earth Search lays out Sentinel-2 L2A items."""
    footprint = scene.tile.outline()
    if scene.satellite_pass.swath_edge:
        swath = _transformed(
            swath_polygon(scene.satellite_pass.swath_edge), LOCAL_CRS, scene.tile.crs
        )
        footprint = footprint.intersection(swath)
    geometry = _rounded(_transformed(footprint, scene.tile.crs, "EPSG:4326"))
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": list(EXTENSIONS),
        "id": scene.name,
        "collection": COLLECTION_ID,
        "geometry": mapping(geometry),
        "bbox": list(geometry.bounds),
        "properties": _properties(scene, geometry),
        "assets": _assets(scene),
        "links": [
            _link("root", "../../catalog.json"),
            _link("parent", "../collection.json"),
            _link("collection", "../collection.json"),
        ],
    }


def area_document() -> dict[str, Any]:
    """An area of interest for the demo: an outline like a city's, with a hole, on both tiles."""
    angles = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    wave = (
        1 + 0.10 * np.sin(3 * angles + 0.5) + 0.06 * np.sin(7 * angles) + 0.03 * np.cos(13 * angles)
    )
    outline = np.column_stack([3300 * wave * np.cos(angles), 1850 * wave * np.sin(angles)])
    hole = np.column_stack([500 * np.cos(angles[::-6]) + 900, 330 * np.sin(angles[::-6]) + 900])
    area = _rounded(_transformed(Polygon(outline, [hole]), LOCAL_CRS, "EPSG:4326"))
    properties = {"name": "Sample area (synthetic)", "description": SYNTHETIC}
    feature = {"type": "Feature", "properties": properties, "geometry": mapping(area)}
    return {"type": "FeatureCollection", "name": "area", "features": [feature]}


def curves_document(passes: Sequence[Pass]) -> dict[str, Any]:
    """The truth's curves: reflectance by land cover and day, in the order of ``bands``."""
    days = np.array([each.time.timetuple().tm_yday for each in passes])
    curves = reflectance_curves(days)
    dates = [each.time.date().isoformat() for each in passes]
    return {
        "description": f"{SYNTHETIC}. {TRUTH_DESCRIPTION}",
        "bands": list(BANDS),
        "land_covers": [
            {
                "number": land_cover.number,
                "name": land_cover.name,
                "reflectance": {
                    date: [float(value) for value in curves[land_cover.number, day].round(6)]
                    for day, date in enumerate(dates)
                },
            }
            for land_cover in LAND_COVERS
        ],
    }


def _properties(scene: Scene, geometry: Geometry) -> dict[str, Any]:
    classes = scene.pixels["scl"]
    counts = np.bincount(classes.ravel(), minlength=12)
    seen = int(classes.size - counts[NODATA])
    shares = {
        name: round(100 * int(counts[number]) / seen, 6)
        for number, name in CLASS_PROPERTIES.items()
    }
    centroid = geometry.centroid
    sun = scene.satellite_pass.sun
    tile = scene.tile
    return {
        "title": f"SYNTHETIC scene of tile {tile.name}, {scene.time:%Y-%m-%d}",
        "description": SYNTHETIC,
        "fairweather:synthetic": True,
        "datetime": f"{scene.time:%Y-%m-%dT%H:%M:%SZ}",
        "platform": scene.satellite_pass.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": round(100 * int(counts[list(CLOUD_CLASSES)].sum()) / seen, 6),
        "proj:epsg": tile.epsg,
        "proj:centroid": {"lat": round(centroid.y, 5), "lon": round(centroid.x, 5)},
        "mgrs:utm_zone": tile.zone,
        "mgrs:latitude_band": tile.latitude_band,
        "mgrs:grid_square": tile.grid_square,
        "grid:code": f"MGRS-{tile.name}",
        "view:sun_azimuth": sun.azimuth,
        "view:sun_elevation": sun.elevation,
        "s2:nodata_pixel_percentage": round(100 * int(counts[NODATA]) / classes.size, 6),
        **shares,
    }


def _assets(scene: Scene) -> dict[str, Any]:
    assets: dict[str, Any] = {}
    for name, band in find_profile(COLLECTION_ID).bands.items():
        sentinel_name, wavelength = SENTINEL_NAMES[name]
        resolution = BAND_RESOLUTIONS[name]
        assets[name] = {
            **_raster_asset(f"./{name}.tif", f"{band.title} (synthetic)", scene.tile, resolution),
            "eo:bands": [
                {"name": sentinel_name, "common_name": name, "center_wavelength": wavelength}
            ],
            "raster:bands": [
                {
                    "nodata": NODATA,
                    "data_type": "uint16",
                    "spatial_resolution": resolution,
                    "scale": SCALE,
                    "offset": OFFSET,
                }
            ],
            "roles": ["data", "reflectance"],
        }
    title = "Scene classification map (synthetic)"
    assets["scl"] = {
        **_raster_asset("./scl.tif", title, scene.tile, COARSE_RESOLUTION),
        "raster:bands": [
            {"nodata": NODATA, "data_type": "uint8", "spatial_resolution": COARSE_RESOLUTION}
        ],
        "roles": ["data"],
    }
    assets["thumbnail"] = {
        "href": "./thumbnail.png",
        "type": "image/png",
        "title": "Thumbnail (synthetic)",
        "roles": ["thumbnail"],
    }
    return assets


def _raster_asset(href: str, title: str, tile: Tile, resolution: int) -> dict[str, Any]:
    grid = tile.grid(resolution)
    return {
        "href": href,
        "type": GEOTIFF,
        "title": title,
        "gsd": resolution,
        "proj:shape": [grid["height"], grid["width"]],
        "proj:transform": list(grid["transform"])[:6],
    }


def _truth_assets(tiles: Sequence[Tile]) -> dict[str, Any]:
    assets = {
        f"truth_{tile.name}_{kind}_{resolution}m": {
            "href": f"../truth/{tile.name}_{kind}_{resolution}m.tif",
            "type": GEOTIFF,
            "title": f"Truth: {kind} of {tile.name} at {resolution} m (synthetic)",
            "roles": ["metadata"],
        }
        for tile in tiles
        for kind in ("median", "land")
        for resolution in sorted(set(BAND_RESOLUTIONS.values()))
    }
    assets["truth_curves"] = {
        "href": "../truth/curves.json",
        "type": "application/json",
        "title": "Truth: reflectance by land cover and day (synthetic)",
        "roles": ["metadata"],
    }
    return assets


def _transformed(geometry: Geometry, source: str, target: str) -> Geometry:
    transformer = Transformer.from_crs(source, target, always_xy=True)
    coordinates = get_coordinates(geometry)
    x, y = transformer.transform(coordinates[:, 0], coordinates[:, 1])
    return set_coordinates(geometry, np.column_stack([x, y]))


def _rounded(geometry: Geometry) -> Geometry:
    """Coordinates in degrees to the centimetre."""
    return set_coordinates(geometry, get_coordinates(geometry).round(7))


def _link(relation: str, href: str) -> dict[str, str]:
    kind = "application/geo+json" if relation == "item" else "application/json"
    return {"rel": relation, "href": href, "type": kind}
