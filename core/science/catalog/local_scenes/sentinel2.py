"""Sentinel-2 Level-2A products on disk: ``.SAFE`` folders, unzipped.

Names and places of the fields: Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD),
MTD_MSIL2A.xml of the product and MTD_TL.xml of its one granule.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element  # nosec B405: a type; xml_file.py reads

from ....bridge.profiles import CollectionProfile
from .scene_item import LocalFile, LocalScene, PixelGrid, read_number
from .xml_file import read_xml, text_of

METADATA = "MTD_MSIL2A.xml"
# In the order of the numbers that the metadata give the bands.
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
BAND_OF_NUMBER = {str(number): band for number, band in enumerate(BANDS)}
BAND_OF_NAME = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge1": "B05",
    "rededge2": "B06",
    "rededge3": "B07",
    "nir": "B08",
    "nir08": "B8A",
    "nir09": "B09",
    "swir16": "B11",
    "swir22": "B12",
}
MASK = "SCL"
RESOLUTIONS = (10, 20, 60)
TILE = re.compile(r"_T([0-9]{2})([C-X])([A-Z]{2})_")


def is_profile_of_sentinel2(profile: CollectionProfile) -> bool:
    """Whether the profile describes Sentinel-2 Level-2A, which alone has the SCL."""
    return profile.mask.asset.upper().startswith(MASK)


def is_safe_folder(folder: Path) -> bool:
    """Whether ``folder`` is a Sentinel-2 product, by its name or its metadata."""
    is_named = folder.name.upper().startswith("S2") and folder.suffix.upper() == ".SAFE"
    return is_named or (folder / METADATA).is_file()


def metadata_files(folder: Path) -> list[Path]:
    """The files that tell of the scene in a ``.SAFE`` folder."""
    return [folder / METADATA, *_granules(folder)]


def read_safe(folder: Path, profile: CollectionProfile) -> LocalScene:
    """The scene in a ``.SAFE`` folder, with the files that the profile names.

    Raises:
        ValueError: what is missing or wrong, to follow the folder's name in a sentence.
    """
    if not (folder / METADATA).is_file():
        level_1 = next(folder.glob("MTD_MSIL1C.xml"), None)
        if level_1:
            raise ValueError("is Level 1C, which has no surface reflectance; get its Level 2A")
        raise ValueError(f"lacks {METADATA}; unzip it again")
    granules = _granules(folder)
    if len(granules) != 1:
        raise ValueError(f"has {len(granules)} granules with an MTD_TL.xml, not one; get it again")
    product, tile = read_xml(folder / METADATA), read_xml(granules[0])
    files = _files(granules[0].parent, product, tile, profile)
    if not files:
        raise ValueError("has none of its images; unzip it again")
    return LocalScene(
        id=folder.stem if folder.suffix.upper() == ".SAFE" else folder.name,
        metadata=folder / METADATA,
        footprint=_footprint(product),
        crs=text_of(tile, "HORIZONTAL_CS_CODE").upper(),
        properties=_properties(product, tile),
        files=files,
        thumbnail=next(iter(sorted(filter(Path.is_file, folder.glob("*-ql.jpg")))), None),
    )


def _granules(folder: Path) -> list[Path]:
    return sorted(folder.glob("GRANULE/*/MTD_TL.xml"))


def _files(
    granule: Path, product: Element, tile: Element, profile: CollectionProfile
) -> dict[str, LocalFile]:
    """The files of the profile's bands and of its mask, by asset name."""
    scale, offsets = _encoding(product)
    files = {}
    for name, band in profile.bands.items():
        code = BAND_OF_NAME.get(name)
        found = _finest(granule, code, band.resolution) if code else None
        if code and found:
            path, resolution = found
            grid = _grid(tile, resolution)
            files[band.asset] = LocalFile(path, 0, "uint16", grid, scale, offsets.get(code, 0.0))
    found = _finest(granule, MASK, profile.mask.resolution)
    if found:
        files[profile.mask.asset] = LocalFile(found[0], 0, "uint8", _grid(tile, found[1]))
    return files


def _finest(granule: Path, code: str, resolution: float) -> tuple[Path, int] | None:
    """The file of a band in the profile's resolution, else in the finest there is, and which."""
    for metres in sorted(RESOLUTIONS, key=lambda metres: (metres != resolution, metres)):
        found = granule.glob(f"IMG_DATA/R{metres}m/*_{code}_{metres}m.jp2")
        paths = sorted(filter(Path.is_file, found))
        if paths:
            return paths[0], metres
    return None


def _encoding(product: Element) -> tuple[float, dict[str, float]]:
    """The scale of reflectance, and each band's offset in reflectance (none before 04.00)."""
    names = ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE")
    quantification = read_number(text_of(product, *names))
    if not quantification > 0:
        raise ValueError(f"its metadata give {quantification:g} as {names[0]}")
    offsets = {}
    for element in product.iter("BOA_ADD_OFFSET"):
        band = BAND_OF_NUMBER.get(element.get("band_id", ""))
        if band is None:
            raise ValueError("its metadata give an offset for a band that Sentinel-2 has not")
        offsets[band] = read_number(element.text or "") / quantification
    return 1 / quantification, offsets


def _grid(tile: Element, resolution: int) -> PixelGrid:
    size, position = (_at(tile, name, resolution) for name in ("Size", "Geoposition"))
    return PixelGrid(
        rows=int(read_number(text_of(size, "NROWS"))),
        columns=int(read_number(text_of(size, "NCOLS"))),
        left=read_number(text_of(position, "ULX")),
        top=read_number(text_of(position, "ULY")),
        pixel_width=read_number(text_of(position, "XDIM")),
        pixel_height=read_number(text_of(position, "YDIM")),
    )


def _at(tile: Element, name: str, resolution: int) -> Element:
    for element in tile.iter(name):
        if element.get("resolution") == str(resolution):
            return element
    raise ValueError(f"its metadata lack {name} at {resolution} m")


def _footprint(product: Element) -> list[tuple[float, float]]:
    numbers = [read_number(text) for text in text_of(product, "EXT_POS_LIST").split()]
    return list(zip(numbers[1::2], numbers[0::2]))


def _properties(product: Element, tile: Element) -> dict[str, Any]:
    found = TILE.search(text_of(tile, "TILE_ID", "TILE_ID_2A"))
    if not found:
        raise ValueError("its TILE_ID names no tile")
    zone, band, square = found.groups()
    baseline = text_of(product, "PROCESSING_BASELINE")
    return {
        # The tile's own time tells two datastrips of one datatake apart.
        "datetime": text_of(tile, "SENSING_TIME"),
        "platform": text_of(product, "SPACECRAFT_NAME").lower(),
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": read_number(text_of(product, "Cloud_Coverage_Assessment")),
        "grid:code": f"MGRS-{zone}{band}{square}",
        "mgrs:utm_zone": int(zone),
        "mgrs:latitude_band": band,
        "mgrs:grid_square": square,
        "processing:version": baseline,
        "s2:processing_baseline": baseline,
        "s2:generation_time": text_of(product, "GENERATION_TIME"),
        "s2:product_uri": text_of(product, "PRODUCT_URI", "PRODUCT_URI_2A"),
    }
