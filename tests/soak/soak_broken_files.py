"""Raster files that are broken, or are something else than their name says."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from soak_json_mutations import CANARY
from soak_lying_streams import with_lying_tiles

WEST, NORTH, METRES = 500_000, 5_000_000, 10
HEIGHT, WIDTH = 300, 400

# How GDAL's driver writes them; the last three are read by GDAL, the others tile by tile.
TIFFS = {
    "deflate": {"compress": "deflate", "predictor": 2, "dtype": "uint16"},
    "lzw": {"compress": "lzw", "tiled": False, "dtype": "int16"},
    "zstd": {"compress": "zstd", "dtype": "uint8"},
    "float": {"compress": "deflate", "predictor": 3, "dtype": "float32"},
    "raw": {"dtype": "uint16", "ENDIANNESS": "BIG"},
    "big": {"compress": "deflate", "BIGTIFF": "YES", "dtype": "uint16"},
    "packbits": {"compress": "packbits", "dtype": "uint8"},
    "sparse": {"compress": "deflate", "SPARSE_OK": True, "dtype": "uint16"},
    "three bands": {"compress": "deflate", "count": 3, "dtype": "uint16"},
    "jpeg": {"compress": "jpeg", "dtype": "uint8"},
    "custom crs": {"compress": "deflate", "dtype": "uint16", "crs": "+proj=sinu +R=6371007.181"},
}
JPEG2000S = {
    "small tiles": {"BLOCKXSIZE": 128, "BLOCKYSIZE": 128, "QUALITY": 100, "REVERSIBLE": "YES"},
    "one tile": {"BLOCKXSIZE": 1024, "BLOCKYSIZE": 1024, "QUALITY": 100, "REVERSIBLE": "YES"},
}
NUMBERS = (0, 1, 2, 3, 8, 15, 16, 255, 256, 4096, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)

PLACE = f"/tmp/{CANARY}/secret.tif"
ADDRESS = f"http://127.0.0.1:9/{CANARY}.tif"
VRT = """<VRTDataset rasterXSize="400" rasterYSize="300"><SRS>EPSG:32633</SRS>
<GeoTransform>500000,10,0,5000000,0,-10</GeoTransform><VRTRasterBand dataType="UInt16" band="1">
<SimpleSource><SourceFilename relativeToVRT="0">{place}</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""
# Formats that name further files, or that nobody needs.
OTHER_FORMATS = {
    "VRT of a file": VRT.format(place=PLACE),
    "VRT of an address": VRT.format(place=f"/vsicurl/{ADDRESS}"),
    "WMS": f"<GDAL_WMS><Service name='TMS'><ServerUrl>{ADDRESS}</ServerUrl></Service>"
    "<DataWindow><SizeX>400</SizeX><SizeY>300</SizeY></DataWindow></GDAL_WMS>",
    "WCS": f"<WCS_GDAL><ServiceURL>{ADDRESS}?</ServiceURL></WCS_GDAL>",
    "WMTS": f"<GDAL_WMTS><GetCapabilitiesUrl>{ADDRESS}</GetCapabilitiesUrl></GDAL_WMTS>",
    "MRF": f"<MRF_META><CachedSource><Source>{PLACE}</Source></CachedSource><Raster>"
    "<Size x='400' y='300'/></Raster></MRF_META>",
    "GTI": f"<GDALTileIndexDataset><IndexDataset>{PLACE}</IndexDataset></GDALTileIndexDataset>",
    "STACTA": f'{{"type": "Feature", "stac_version": "1.0.0", "assets": {{"a": "{PLACE}"}}}}',
    "PDS": f'PDS_VERSION_ID = PDS3\nRECORD_TYPE = FIXED_LENGTH\n^IMAGE = "{PLACE}"\nEND\n',
    "PDS4": f"<Product_Observational><File><file_name>{PLACE}</file_name></File>"
    "</Product_Observational>",
    "ISIS3": f"Object = IsisCube\n  Object = Core\n    ^Core = {PLACE}\n  End_Object\nEnd\n",
    "NITF": "NITF02.10" + " " * 400,
    "HDF5": "\x89HDF\r\n\x1a\n" + "\0" * 600,
    "netCDF": "CDF\x01" + "\0" * 600,
    "DIMAP": f"<Dimap_Document><Data_Access><Data_File><DATA_FILE_PATH href='{PLACE}'/>"
    "</Data_File></Data_Access></Dimap_Document>",
    "SAFE": f"<SENTINEL2><IMAGE_FILE>{PLACE}</IMAGE_FILE></SENTINEL2>",
    "GeoPackage": "SQLite format 3\0" + "\0" * 600,
    "zip": "PK\x03\x04" + "\0" * 60,
    "ENVI": f"ENVI\nsamples = 400\nlines = 300\nfile = {PLACE}\n",
    "web page": f"<!DOCTYPE html><html><img src='{ADDRESS}'></html>",
    "XML bomb": "<!DOCTYPE a [<!ENTITY b 'bb'><!ENTITY c '&b;&b;'>]><VRTDataset>&c;</VRTDataset>",
    "nothing": "",
}
SIDECARS = {
    ".tif.aux.xml": "<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>0,1,0,0,0,-1</GeoTransform>"
    f"<PAMRasterBand band='1'><NoDataValue>7</NoDataValue><a>{PLACE}</a></PAMRasterBand>"
    "</PAMDataset>",
    ".tif.ovr": VRT.format(place=PLACE),
    ".tif.msk": VRT.format(place=PLACE),
    ".tfw": "1\n0\n0\n-1\n7\n7\n",
    ".wld": "1\n0\n0\n-1\n7\n7\n",
    ".prj": 'LOCAL_CS["x"]',
    ".tab": f'!table\nDefinition Table\n File "{PLACE}"\n',
    ".IMD": "BEGIN_GROUP = BAND_P\n",
    ".RPB": "satId = x;\n",
    ".vrt": VRT.format(place=PLACE),
}


@dataclass(frozen=True)
class BrokenFile:
    """A file's content, in words what it is, and files beside it by the ends of their names.

    ``is_whole`` says that its pixels are those of ``true_pixels`` all the same.
    """

    what: str
    content: bytes
    suffix: str = ".tif"
    beside: dict[str, str] = field(default_factory=dict)
    is_whole: bool = False
    base: str = ""


def true_pixels(dtype: str) -> np.ndarray:
    """(HEIGHT, WIDTH) of the first band of every honest file of a lossless kind."""
    random_numbers = np.random.default_rng(7).integers(1, 120, (HEIGHT, WIDTH))
    return np.repeat(np.repeat(random_numbers[::4, ::4], 4, 0), 4, 1).astype(dtype)


def write_honest_files(folder: Path) -> dict[str, bytes]:
    """One of each kind, by its name."""
    found = {}
    for name, options in TIFFS.items():
        path = folder / "honest.tif"
        _write(path, "GTiff", {"tiled": True, "blockxsize": 128, "blockysize": 128, **options})
        found[name] = path.read_bytes()
        path.unlink()
    for name, options in JPEG2000S.items():
        path = folder / "honest.jp2"
        _write(path, "JP2OpenJPEG", {"dtype": "uint16", **options})
        found[name] = path.read_bytes()
        path.unlink()
    return found


def _write(path: Path, driver: str, options: dict[str, object]) -> None:
    profile = {"count": 1, "crs": "EPSG:32633", **options}
    transform = rasterio.Affine(METRES, 0, WEST, 0, -METRES, NORTH)
    if not profile.get("tiled", True):
        profile = {key: value for key, value in profile.items() if not key.startswith("block")}
    with rasterio.open(
        path, "w", driver=driver, height=HEIGHT, width=WIDTH, transform=transform, **profile
    ) as dataset:
        for band in range(1, dataset.count + 1):
            dataset.write(true_pixels(str(profile["dtype"])), band)
    if driver == "GTiff" and profile["count"] == 1:
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2, 4], Resampling.nearest)


def broken_file(honest: dict[str, bytes], source: random.Random) -> BrokenFile:
    """One of the many ways in which a file can be broken."""
    kind = source.randrange(13)
    if kind == 0:
        what = source.choice(sorted(OTHER_FORMATS))
        return BrokenFile(
            what, OTHER_FORMATS[what].encode("latin-1"), source.choice((".tif", ".jp2"))
        )
    base = source.choice(sorted(honest))
    content, suffix = honest[base], ".jp2" if base in JPEG2000S else ".tif"
    if kind == 1:
        beside = {name: SIDECARS[name] for name in source.sample(sorted(SIDECARS), 4)}
        return BrokenFile(
            f"{base} with sidecars", content, suffix, beside, is_whole=True, base=base
        )
    if kind == 2:
        end = source.randrange(len(content))
        return BrokenFile(f"{base} cut at {end}", content[:end], suffix)
    if kind == 3:
        return BrokenFile(f"{base} with flipped bytes", _flipped(content, source), suffix)
    if suffix == ".jp2":
        return BrokenFile(f"{base} with other markers", _other_markers(content, source), suffix)
    if kind == 4:
        order, is_big, entries, _ = _structure(content)
        what, changed = with_lying_tiles(content, order, entries, is_big, source)
    else:
        what, changed = _other_tags(content, source)
    return BrokenFile(f"{base}: {what}", changed, suffix)


def _flipped(content: bytes, source: random.Random) -> bytes:
    changed = bytearray(content)
    end = source.choice((600, len(content)))
    for _ in range(source.choice((1, 3, 20))):
        changed[source.randrange(min(end, len(content)))] = source.randrange(256)
    return bytes(changed)


def _other_markers(content: bytes, source: random.Random) -> bytes:
    """JPEG 2000 with other lengths of boxes and segments, or another size of image and tiles."""
    changed = bytearray(content)
    stream = content.index(b"\xff\x4f\xff\x51")
    for _ in range(source.choice((1, 1, 2))):
        kind = source.randrange(5)
        if kind == 0:  # a box's length
            place = source.choice(
                [
                    i - 4
                    for i in _all(content[:stream], (b"jp2h", b"jp2c", b"uuid", b"xml ", b"asoc"))
                ]
            )
            changed[place : place + 4] = struct.pack(">I", source.choice(NUMBERS))
        elif kind == 1:  # SIZ: sizes and numbers of components
            place = stream + 8 + 4 * source.randrange(8)
            changed[place : place + 4] = struct.pack(">I", source.choice(NUMBERS))
        elif kind == 2:  # the length of a segment
            markers = (b"\xff\x52", b"\xff\x5c", b"\xff\x64", b"\xff\x90", b"\xff\x55")
            place = source.choice([i + 2 for i in _all(content, markers)])
            changed[place : place + 2] = struct.pack(">H", source.choice(NUMBERS) % 65536)
        elif kind == 3:  # the coding style: layers, levels, code blocks and precincts
            place = content.index(b"\xff\x52", stream) + 4 + source.randrange(12)
            changed[place] = source.choice((0, 1, 2, 17, 255, source.randrange(256)))
        else:  # a tile part's number or length
            place = source.choice([i + 4 for i in _all(content, (b"\xff\x90\x00\x0a",))])
            changed[place : place + 6] = source.randbytes(6)
    return bytes(changed)


def _all(content: bytes, marks: tuple[bytes, ...]) -> list[int]:
    found = []
    for mark in marks:
        place = content.find(mark)
        while place >= 0 and place + 16 < len(content):
            found.append(place)
            place = content.find(mark, place + 1)
    return found or [16]


def _other_tags(content: bytes, source: random.Random) -> tuple[str, bytes]:
    """TIFF with other tags, types, counts, values, or places of directories."""
    changed = bytearray(content)
    order, is_big, entries, ends = _structure(content)
    number = f"{order}{'Q' if is_big else 'I'}"
    words = []
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        kind = source.randrange(9)
        entry = source.choice(entries)
        if kind == 0:
            target = source.choice((8, 0, *(end - 2 for end in ends), entry, len(content), 2**31))
            struct.pack_into(number, changed, source.choice(ends), target % 2**32)
            words.append("next directory")
            continue
        tag = struct.unpack_from(f"{order}H", content, entry)[0]
        value = source.choice((*NUMBERS, len(content), len(content) - 1, entry, 8))
        if kind == 1:
            struct.pack_into(f"{order}H", changed, entry, source.randrange(65536))
            words.append(f"another tag than {tag}")
        elif kind == 2:
            struct.pack_into(f"{order}H", changed, entry + 2, source.choice((*range(20), 65535)))
            words.append(f"type of {tag}")
        elif kind == 3:
            struct.pack_into(number, changed, entry + 4, value)
            words.append(f"count of {tag}")
        elif kind < 6:
            struct.pack_into(number, changed, entry + (12 if is_big else 8), value)
            words.append(f"value of {tag}")
        else:  # sizes, tile sizes, bits, compression, predictor …
            wanted = (256, 257, 258, 259, 277, 278, 317, 322, 323, 324, 325, 33550, 33922, 34735)
            sized = [
                one for one in entries if struct.unpack_from(f"{order}H", content, one)[0] in wanted
            ]
            entry = source.choice(sized or entries)
            struct.pack_into(f"{order}H", changed, entry + 2, 4)
            struct.pack_into(number, changed, entry + (12 if is_big else 8), value)
            words.append(f"value of {struct.unpack_from(f'{order}H', content, entry)[0]}")
    return ", ".join(words), bytes(changed)


def _structure(content: bytes) -> tuple[str, bool, list[int], list[int]]:
    """A TIFF's order of bytes, whether it is a BigTIFF, and what ``directories`` finds."""
    order = "<" if content[:2] == b"II" else ">"
    is_big = content[2:4] in (b"+\0", b"\0+")
    return order, is_big, *directories(content, order, is_big)


def directories(content: bytes, order: str, is_big: bool) -> tuple[list[int], list[int]]:
    """Where each entry lies, and where each directory says what comes next."""
    number, count_format, size = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    entries, ends = [], []
    place = struct.unpack_from(f"{order}{number}", content, 8 if is_big else 4)[0]
    while place:
        count = struct.unpack_from(f"{order}{count_format}", content, place)[0]
        start = place + struct.calcsize(count_format)
        entries += [start + size * one for one in range(count)]
        ends.append(start + size * count)
        place = struct.unpack_from(f"{order}{number}", content, ends[-1])[0]
    return entries, ends
