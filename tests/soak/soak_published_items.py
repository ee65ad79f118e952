"""Made-up STAC items, as long as those that are published, and many of them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

COLLECTION = "sentinel-2-c1-l2a"
FIRST_DAY = datetime(2016, 1, 1, 10, tzinfo=timezone.utc)
HOST = "https://example.com/sentinel-2-c1-l2a"
BANDS = (
    *("coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08"),
    *("nir09", "swir16", "swir22", "visual", "aot", "wvp", "scl", "cloud", "snow", "preview"),
)
PERCENTAGES = (
    *("degraded_msi_data", "nodata_pixel", "saturated_defective_pixel", "dark_features"),
    *("cloud_shadow", "vegetation", "not_vegetated", "water", "unclassified"),
    *("medium_proba_clouds", "high_proba_clouds", "thin_cirrus", "snow_ice"),
)


def made_up_item(
    number: int,
    moment: datetime,
    *,
    cloud: float,
    ring: list[list[float]],
    hrefs: dict[str, str],
    grid: dict[str, Any],
) -> dict[str, Any]:
    """An item with 23 assets in 18 KB of JSON, as Earth Search publishes Sentinel-2.

    ``ring`` is its footprint in degrees, ``grid`` the ``proj:`` members of each asset, and
    ``hrefs`` the addresses of the assets that have files.
    """
    name = item_id(number, moment)
    when = moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    longitudes, latitudes = zip(*ring, strict=True)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            f"https://stac-extensions.github.io/{extension}/v1.1.0/schema.json"
            for extension in ("eo", "raster", "projection", "grid", "view", "file", "processing")
        ],
        "id": name,
        "collection": COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
        "properties": _properties(name, number, when, cloud),
        "links": [
            {"rel": relation, "type": "application/json", "href": f"{HOST}/items/{name}"}
            for relation in ("self", "canonical", "via", "collection", "root", "thumbnail")
        ],
        "assets": {
            **{band: _band(name, band, hrefs, grid) for band in BANDS},
            **{
                document: {
                    "href": f"{HOST}/33/T/WM/{name}/{document}.xml",
                    "type": "application/xml",
                    "title": document.replace("_", " "),
                    "file:checksum": f"1220{number:060x}",
                    "file:size": 372_013 + number,
                    "roles": ["metadata"],
                }
                for document in ("granule_metadata", "tileinfo_metadata", "product_metadata")
            },
            "thumbnail": {"href": f"{HOST}/{name}/L2A_PVI.jpg", "roles": ["thumbnail"]},
        },
    }


def item_id(number: int, moment: datetime) -> str:
    """The id of the scene of that number."""
    return f"S2A_T33TWM_{moment:%Y%m%dT%H%M%S}_{number:06}_L2A"


def moment_of(number: int, seconds_apart: int) -> datetime:
    """When the scene of that number was taken."""
    return FIRST_DAY + timedelta(seconds=seconds_apart * number)


def _properties(name: str, number: int, when: str, cloud: float) -> dict[str, Any]:
    return {
        "datetime": when,
        "created": when,
        "updated": when,
        "platform": "sentinel-2a",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": cloud,
        "grid:code": "MGRS-33TWM",
        "view:sun_azimuth": 150.129041983544,
        "view:sun_elevation": 51.5374593346921,
        **{f"s2:{share}_percentage": (number * 7 % 1000) / 10 for share in PERCENTAGES},
        "s2:processing_baseline": "05.10",
        "s2:product_uri": f"{name}.SAFE",
        "s2:generation_time": when,
        "s2:tile_id": f"S2A_OPER_MSI_L2A_TL_2APS_{name}_N05.10",
        "earthsearch:payload_id": f"roda-sentinel-2-c1-l2a/{number:040x}",
        "storage:platform": "AWS",
        "storage:region": "us-west-2",
    }


def _band(name: str, band: str, hrefs: dict[str, str], grid: dict[str, Any]) -> dict[str, Any]:
    is_class = band in ("scl", "cloud", "snow")
    encoding = {} if is_class else {"scale": 0.0001, "offset": -0.1}
    return {
        "href": hrefs.get(band, f"{HOST}/33/T/WM/{name}/{band}.tif"),
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "title": f"{band} (band of {name})",
        "eo:bands": [
            {"name": band, "common_name": band, "center_wavelength": 0.665}
            | {"full_width_half_max": 0.038, "description": f"{band}, bottom of atmosphere"}
        ],
        "gsd": 10,
        **grid,
        "raster:bands": [
            {"nodata": 0, "data_type": "uint8" if is_class else "uint16"}
            | {"spatial_resolution": 10, **encoding}
        ],
        "file:checksum": f"1220344c899115ce2b1930b975b2c23f3f8c1c1d08d6da6939e5723{len(name):09}",
        "file:size": 57_369_733,
        "roles": ["data", "reflectance"],
    }
