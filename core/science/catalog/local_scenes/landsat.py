"""Landsat Collection 2 Level-2 products on disk: the files of a bundle, unpacked.

Names and places of the fields: Landsat 8-9 and Landsat 4-7 Collection 2 Level 2 Science Product
Guides (LSDS-1619, LSDS-1618), the file ``*_MTL.json``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....bridge.profiles import CollectionProfile
from ...web.json_text import parse_json
from .metadata_file import read_metadata_file
from .scene_item import LocalFile, LocalScene, PixelGrid, read_number

METADATA = "_MTL.json"
OTHER_METADATA = ("_MTL.txt", "_MTL.xml")
MASK_ASSET = "qa_pixel"
MASK_FILE = "FILE_NAME_QUALITY_L1_PIXEL"
MASK_NODATA = 1
BAND_OF_NAME_IN_OLI = {
    "coastal": 1,
    "blue": 2,
    "green": 3,
    "red": 4,
    "nir": 5,
    "nir08": 5,
    "swir16": 6,
    "swir22": 7,
}
BAND_OF_NAME_IN_TM = {
    "blue": 1,
    "green": 2,
    "red": 3,
    "nir": 4,
    "nir08": 4,
    "swir16": 5,
    "swir22": 7,
}
CORNERS = ("UL", "UR", "LR", "LL")
MOST_BYTES = 10 * 2**20

Metadata = dict[str, dict[str, str]]


def is_profile_of_landsat(profile: CollectionProfile) -> bool:
    """Whether the profile describes Landsat Collection 2, which has ``qa_pixel``."""
    return profile.mask.asset.lower() == MASK_ASSET


def read_landsat(metadata: Path, profile: CollectionProfile) -> LocalScene:
    """The scene whose ``*_MTL.json`` is ``metadata``, with the files that the profile names.

    Raises:
        ValueError: what is missing or wrong, to follow the scene's name in a sentence.
    """
    if not metadata.name.endswith(METADATA):
        raise ValueError(f"lacks the {METADATA} beside it; get the whole bundle again")
    fields = _read_metadata(metadata)
    contents, image = _group(fields, "PRODUCT_CONTENTS"), _group(fields, "IMAGE_ATTRIBUTES")
    level = _field(contents, "PROCESSING_LEVEL")
    if not level.startswith("L2"):
        raise ValueError(f"is {level}, which has no surface reflectance; get its Level 2")
    files = _files(metadata.parent, fields, profile)
    if not files:
        raise ValueError("has none of its images; unpack it again")
    return LocalScene(
        id=_field(contents, "LANDSAT_PRODUCT_ID"),
        metadata=metadata,
        footprint=_footprint(_group(fields, "PROJECTION_ATTRIBUTES")),
        crs=_crs(_group(fields, "PROJECTION_ATTRIBUTES")),
        properties=_properties(fields, contents, image),
        files=files,
        thumbnail=_beside(metadata, "_thumb_small.jpeg"),
    )


def _read_metadata(path: Path) -> Metadata:
    text = read_metadata_file(path, MOST_BYTES)
    try:
        content = parse_json(text)
    except ValueError as error:
        raise ValueError(f"has a damaged {METADATA} (no JSON); get it again") from error
    groups = content.get("LANDSAT_METADATA_FILE") if isinstance(content, dict) else None
    if not isinstance(groups, dict):
        raise ValueError("has an _MTL.json that is not of Collection 2; get it from Collection 2")
    return groups


def _group(fields: Metadata, name: str) -> dict[str, str]:
    group = fields.get(name)
    if not isinstance(group, dict):
        raise ValueError(f"its metadata lack {name}")
    return group


def _field(group: dict[str, str], name: str) -> str:
    if name not in group:
        raise ValueError(f"its metadata lack {name}")
    return str(group[name])


def _files(folder: Path, fields: Metadata, profile: CollectionProfile) -> dict[str, LocalFile]:
    """The files of the profile's bands and of its mask, by asset name."""
    contents = _group(fields, "PRODUCT_CONTENTS")
    factors = _group(fields, "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS")
    grid = _grid(_group(fields, "PROJECTION_ATTRIBUTES"))
    numbers = _band_numbers(_field(_group(fields, "IMAGE_ATTRIBUTES"), "SPACECRAFT_ID"))
    files = {}
    for name, band in profile.bands.items():
        number = numbers.get(name)
        path = _file(folder, contents, f"FILE_NAME_BAND_{number}") if number else None
        if path:
            scale = read_number(_field(factors, f"REFLECTANCE_MULT_BAND_{number}"))
            offset = read_number(_field(factors, f"REFLECTANCE_ADD_BAND_{number}"))
            files[band.asset] = LocalFile(path, 0, "uint16", grid, scale, offset)
    mask = _file(folder, contents, MASK_FILE)
    if mask:
        files[profile.mask.asset] = LocalFile(mask, MASK_NODATA, "uint16", grid)
    return files


def _file(folder: Path, contents: dict[str, str], field: str) -> Path | None:
    # A name only: the metadata must not lead out of the folder.
    name = Path(str(contents.get(field, "")).replace("\\", "/")).name
    path = folder / name
    return path if name and path.is_file() else None


def _band_numbers(spacecraft: str) -> dict[str, int]:
    return BAND_OF_NAME_IN_OLI if spacecraft in ("LANDSAT_8", "LANDSAT_9") else BAND_OF_NAME_IN_TM


def _grid(projection: dict[str, str]) -> PixelGrid:
    size = read_number(_field(projection, "GRID_CELL_SIZE_REFLECTIVE"))
    # The metadata give the centre of the first pixel.
    return PixelGrid(
        rows=int(read_number(_field(projection, "REFLECTIVE_LINES"))),
        columns=int(read_number(_field(projection, "REFLECTIVE_SAMPLES"))),
        left=read_number(_field(projection, "CORNER_UL_PROJECTION_X_PRODUCT")) - size / 2,
        top=read_number(_field(projection, "CORNER_UL_PROJECTION_Y_PRODUCT")) + size / 2,
        pixel_width=size,
        pixel_height=-size,
    )


def _crs(projection: dict[str, str]) -> str | None:
    """UTM north in both hemispheres, as all of Landsat; the polar scenes' files tell their own."""
    if _field(projection, "MAP_PROJECTION") != "UTM":
        return None
    return f"EPSG:{32600 + int(read_number(_field(projection, 'UTM_ZONE')))}"


def _footprint(projection: dict[str, str]) -> list[tuple[float, float]]:
    """The corners of the image, of which the scene fills the slanting middle."""
    return [
        (
            read_number(_field(projection, f"CORNER_{corner}_LON_PRODUCT")),
            read_number(_field(projection, f"CORNER_{corner}_LAT_PRODUCT")),
        )
        for corner in CORNERS
    ]


def _properties(
    fields: Metadata, contents: dict[str, str], image: dict[str, str]
) -> dict[str, Any]:
    # Seven decimals, of which a time in Python has six.
    time, _, decimals = _field(image, "SCENE_CENTER_TIME").rstrip("Z").partition(".")
    properties: dict[str, Any] = {
        "datetime": f"{_field(image, 'DATE_ACQUIRED')}T{time}.{decimals[:6] or '0'}Z",
        "platform": _field(image, "SPACECRAFT_ID").replace("_", "-").lower(),
        "constellation": "landsat",
        "instruments": _field(image, "SENSOR_ID").lower().split("_"),
        "landsat:wrs_path": _field(image, "WRS_PATH").zfill(3),
        "landsat:wrs_row": _field(image, "WRS_ROW").zfill(3),
        "landsat:correction": _field(contents, "PROCESSING_LEVEL"),
        "landsat:collection_category": _field(contents, "COLLECTION_CATEGORY"),
    }
    cover = read_number(_field(image, "CLOUD_COVER"))
    if cover >= 0:  # -1: not known
        properties["eo:cloud_cover"] = cover
    record = _group(fields, "LEVEL2_PROCESSING_RECORD")
    properties["created"] = _field(record, "DATE_PRODUCT_GENERATED")
    return properties


def _beside(metadata: Path, ending: str) -> Path | None:
    path = metadata.with_name(metadata.name.removesuffix(METADATA) + ending)
    return path if path.is_file() else None
