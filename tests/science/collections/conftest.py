"""One invented place, published the way each collection publishes: names, numbers, masks, items.

The truth is reflectance on cells of 60 m, the same in all layouts; each writes it with its own
pixel sizes, encodings and mask values, and describes it as its real items do.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer

CELL = 60
CELLS = (8, 10)
LEFT, TOP = 600_000, 4_900_020
EPSG = 32633
BANDS = ("red", "nir", "swir16")
DAYS = 6
FIRST = datetime(2024, 5, 3, 10, 6, 31, 24_000, tzinfo=timezone.utc)
HIDDEN = ("cloud", "shadow", "cirrus")
KINDS = ("clear", "water", "snow", *HIDDEN, "fill")


@dataclass(frozen=True)
class Truth:
    """What is there: reflectance by band (days, rows, columns), and the kind of each pixel."""

    bands: dict
    kinds: np.ndarray

    @property
    def clear(self):
        return ~np.isin(self.kinds, [*HIDDEN, "fill"])


def make_truth():
    numbers = np.random.default_rng(6)
    shape = (DAYS, *CELLS)
    kinds = numbers.choice(KINDS, size=shape, p=[0.5, 0.08, 0.07, 0.1, 0.1, 0.1, 0.05])
    kinds[:, 0, 0] = "cloud"  # never clear
    kinds[:, 0, 1] = "clear"  # always
    bands = {
        "red": numbers.uniform(0.01, 0.15, shape),
        "nir": numbers.uniform(0.2, 0.5, shape),
        "swir16": numbers.uniform(0.05, 0.3, shape),
    }
    for band in bands.values():
        band[np.isin(kinds, HIDDEN)] += 0.4  # what is not masked shows
    return Truth(bands, kinds)


@dataclass(frozen=True)
class Layout:
    """How one collection publishes.

    ``encodings`` are (scale, offset) as they are in the pixels of each day, by turns; ``item``
    gives id and properties of a day, ``fields`` what an asset of a day says beside its grid.
    """

    profile: str
    collection: str
    stac_version: str
    assets: dict
    sizes: dict
    dtype: str
    nodata: int
    mask_dtype: str
    codes: dict
    encodings: tuple
    item: Callable
    fields: Callable
    projection: Callable
    suffix: str = ".tif"

    def encoding(self, day):
        return self.encodings[day % len(self.encodings)]

    def decoded(self, truth, band, day):
        """Reflectance as it can be had from the published numbers."""
        scale, offset = self.encoding(day)
        return np.round((truth.bands[band][day] - offset) / scale) * scale + offset


SCL = {"clear": 4, "water": 6, "snow": 11, "cloud": 9, "shadow": 3, "cirrus": 10, "fill": 0}
# Real values of Landsat 8 and 9: the bit itself, and the confidences in pairs.
QA = {
    "clear": 21824, "water": 21952, "snow": 30048, "cloud": 22280, "shadow": 23888,
    "cirrus": 54596, "fill": 1,
}  # fmt: skip
# Fmask has no cirrus: what is next to a cloud stands for it. With aerosol levels in bits 6 and 7.
FMASK = {
    "clear": 64, "water": 96, "snow": 80, "cloud": 194, "shadow": 72, "cirrus": 132, "fill": 255,
}  # fmt: skip
S2 = {"dtype": "uint16", "nodata": 0, "mask_dtype": "uint8", "codes": SCL}
S2_SIZES = {"red": 10, "nir": 10, "swir16": 20, "mask": 20}
WITH, WITHOUT = (1e-4, -0.1), (1e-4, 0.0)


def moment_of(day):
    return FIRST + timedelta(days=5 * day)


def stamp(day, pattern="%Y%m%dT%H%M%S"):
    return moment_of(day).strftime(pattern)


def grid_fields(size, with_crs=None):
    shape = [CELLS[0] * CELL // size, CELLS[1] * CELL // size]
    fields = {"proj:shape": shape, "proj:transform": [size, 0, LEFT, 0, -size, TOP]}
    return {**fields, "proj:code": with_crs} if with_crs else fields


def raster_bands(scale, offset, size, nodata=0, dtype="uint16"):
    told = {"nodata": nodata, "data_type": dtype, "spatial_resolution": size}
    return {"raster:bands": [{**told, "scale": scale, "offset": offset}]}


def mask_bands(size, nodata, dtype):
    return {"raster:bands": [{"nodata": nodata, "data_type": dtype, "spatial_resolution": size}]}


def _c1():
    def item(day):
        return f"S2A_T33TXK_{stamp(day)}_L2A", {
            "platform": "sentinel-2a", "proj:epsg": EPSG, "mgrs:utm_zone": 33,
            "mgrs:latitude_band": "T", "mgrs:grid_square": "XK", "grid:code": "MGRS-33TXK",
            "s2:processing_baseline": "05.10", "created": "2024-06-20T14:13:51.609Z",
        }  # fmt: skip

    def fields(day, name, size):
        told = mask_bands(size, 0, "uint8") if name == "mask" else raster_bands(1e-4, -0.1, size)
        return {"gsd": size, **told}

    return Layout(
        "sentinel-2-c1-l2a", "sentinel-2-c1-l2a", "1.0.0",
        {**{band: band for band in BANDS}, "mask": "scl"}, S2_SIZES, **S2, encodings=(WITH,),
        item=item, fields=fields, projection=grid_fields,
    )  # fmt: skip


def _e84():
    """Three kinds: offset applied before, still in the pixels, and older than any offset."""
    baselines = ("05.10", "05.10", "02.14")

    def item(day):
        return f"S2A_33TXK_{stamp(day, '%Y%m%d')}_0_L2A", {
            "platform": "sentinel-2a", "proj:epsg": EPSG, "grid:code": "MGRS-33TXK",
            "s2:processing_baseline": baselines[day % 3], "s2:sequence": "0",
            "earthsearch:boa_offset_applied": day % 3 == 0,
        }  # fmt: skip

    def fields(day, name, size):
        told = mask_bands(size, 0, "uint8") if name == "mask" else raster_bands(1e-4, -0.1, size)
        return {"gsd": size, **told}

    return Layout(
        "sentinel-2-l2a", "sentinel-2-l2a", "1.0.0",
        {**{band: band for band in BANDS}, "mask": "scl"}, S2_SIZES, **S2,
        encodings=(WITHOUT, WITH, WITHOUT), item=item, fields=fields, projection=grid_fields,
    )  # fmt: skip


def _s2_pc():
    """No scale and no offset; the processing baseline tells, whatever the date."""
    baselines = ("02.12", "05.10")

    def item(day):
        baseline = baselines[day % 2]
        name = f"S2A_MSIL2A_{stamp(day)}_R122_T33TXK_20240601T214651"
        return name, {
            "platform": "Sentinel-2A", "proj:epsg": EPSG, "s2:mgrs_tile": "33TXK",
            "s2:processing_baseline": baseline, "s2:generation_time": "2024-06-01T21:46:51.775Z",
            "s2:datatake_id": f"GS2A_{stamp(day)}_018422_N{baseline}",
        }  # fmt: skip

    return Layout(
        "sentinel-2-l2a-pc", "sentinel-2-l2a", "1.0.0",
        {"red": "B04", "nir": "B08", "swir16": "B11", "mask": "SCL"}, S2_SIZES, **S2,
        encodings=(WITHOUT, WITH), item=item, fields=lambda *asked: {"gsd": float(asked[-1])},
        projection=grid_fields,
    )  # fmt: skip


def _s2_cdse(suffix=".tif"):
    def item(day):
        name = f"S2B_MSIL2A_{stamp(day)}_N0510_R065_T33TXK_20240602T175912"
        return name, {
            "platform": "sentinel-2b", "grid:code": "MGRS-33TXK", "processing:version": "05.10",
            "processing:datetime": "2024-06-02T17:59:12.000000Z",
            "eopf:datastrip_id": f"S2B_OPER_MSI_L2A_DS_S2RP_20240602T175912_S{stamp(day)}_N05.10",
        }  # fmt: skip

    def fields(day, name, size):
        told = {"gsd": size, "nodata": 0, "data_type": "uint8" if name == "mask" else "uint16"}
        if name != "mask":
            told.update({"raster:scale": 0.0001, "raster:offset": -0.1, "bands": [{"name": name}]})
        return told

    return Layout(
        "sentinel-2-l2a-cdse", "sentinel-2-l2a", "1.1.0",
        {"red": "B04_10m", "nir": "B08_10m", "swir16": "B11_20m", "mask": "SCL_20m"}, S2_SIZES,
        **S2, encodings=(WITH,), item=item, fields=fields,
        projection=lambda size: grid_fields(size, f"EPSG:{EPSG}"), suffix=suffix,
    )  # fmt: skip


def _landsat(profile):
    def item(day):
        properties = {
            "platform": "landsat-9", "proj:epsg": EPSG, "landsat:wrs_path": "190",
            "landsat:wrs_row": "029", "landsat:correction": "L2SP", **grid_fields(30),
            "landsat:collection_category": "T1", "created": "2024-06-18T07:31:29.878Z",
        }  # fmt: skip
        if profile == "landsat-c2-l2":
            properties["grid:code"] = "WRS2-190029"
            properties["landsat:product_generated"] = "2024-06-17T16:22:27Z"
        return f"LC09_L2SP_190029_{stamp(day, '%Y%m%d')}_02_T1", properties

    def fields(day, name, size):
        if name == "mask":
            return mask_bands(size, 1, "uint16")
        return raster_bands(2.75e-05, -0.2, size)

    return Layout(
        profile, "landsat-c2-l2", "1.0.0",
        {"red": "red", "nir": "nir08", "swir16": "swir16", "mask": "qa_pixel"},
        dict.fromkeys((*BANDS, "mask"), 30), "uint16", 0, "uint16", QA, ((2.75e-5, -0.2),),
        item=item, fields=fields, projection=lambda _: {},
    )  # fmt: skip


def _hls(kind, assets):
    """Neither nodata nor scale; of L30, one item in two names the wrong hemisphere."""
    platform = {"L30": "landsat-8", "S30": "sentinel-2b"}[kind]

    def item(day):
        is_wrong = kind == "L30" and day % 2
        return f"HLS.{kind}.T33TXK.{stamp(day, '%Y%jT%H%M%S')}.v2.0", {
            "platform": platform, "proj:shape": [16, 20],
            "proj:transform": [30.0, 0.0, LEFT, 0.0, -30.0, TOP, 0.0, 0.0, 1.0],
            "proj:code": 32733 if is_wrong else f"EPSG:{EPSG}",
        }  # fmt: skip

    return Layout(
        f"hls2-{kind.lower()}", f"hls2-{kind.lower()}", "1.0.0",
        {**assets, "mask": "Fmask"}, dict.fromkeys((*BANDS, "mask"), 30), "int16", -9999, "uint8",
        FMASK, (WITHOUT,), item=item, fields=lambda *_: {},
        projection=lambda _: {},
    )  # fmt: skip


LAYOUTS = {
    layout.profile: layout
    for layout in (
        _c1(),
        _e84(),
        _s2_pc(),
        _s2_cdse(),
        _landsat("landsat-c2-l2"),
        _landsat("landsat-c2-l2-pc"),
        _hls("L30", {"red": "B04", "nir": "B05", "swir16": "B06"}),
        _hls("S30", {"red": "B04", "nir": "B8A", "swir16": "B11"}),
    )
}


class Publisher:
    """Writes the truth as one layout, items and rasters, into a folder."""

    def __init__(self, folder, layout, truth):
        self.folder = folder
        self.layout = layout
        self.truth = truth

    def publish(self) -> Path:
        items = [self.item(day) for day in range(DAYS)]
        path = self.folder / "items.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        return path

    def item(self, day):
        name, properties = self.layout.item(day)
        return {
            "type": "Feature",
            "stac_version": self.layout.stac_version,
            "stac_extensions": [],
            "id": name,
            "collection": self.layout.collection,
            "geometry": shapely.geometry.mapping(footprint()),
            "bbox": list(footprint().bounds),
            "links": [],
            "properties": {
                "datetime": moment_of(day).isoformat().replace("+00:00", "Z"),
                "eo:cloud_cover": 30.5,
                **properties,
            },
            "assets": {
                asset: self.asset(day, name, asset) for name, asset in self.layout.assets.items()
            },
        }

    def asset(self, day, name, asset):
        size = self.layout.sizes[name]
        path = self.folder / f"{asset}_{day}{self.layout.suffix}"
        write_raster(path, self.pixels(day, name), size)
        fields = {**self.layout.projection(size), **self.layout.fields(day, name, size)}
        return {"href": f"./{path.name}", "roles": ["data"], **fields}

    def pixels(self, day, name):
        layout, kinds = self.layout, self.truth.kinds[day]
        if name == "mask":
            cells = np.vectorize(layout.codes.get)(kinds).astype(layout.mask_dtype)
        else:
            scale, offset = layout.encoding(day)
            numbers = np.round((self.truth.bands[name][day] - offset) / scale)
            cells = np.where(kinds == "fill", layout.nodata, numbers).astype(layout.dtype)
        repeats = CELL // layout.sizes[name]
        return cells.repeat(repeats, 0).repeat(repeats, 1)


def footprint():
    corners = shapely.box(LEFT, TOP - CELLS[0] * CELL, LEFT + CELLS[1] * CELL, TOP)
    to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True).transform
    return shapely.transform(corners, to_degrees, interleaved=False)


def write_raster(path, pixels, size):
    options = {"driver": "GTiff", "tiled": True, "blockxsize": 16, "blockysize": 16}
    if path.suffix == ".jp2":
        options = {"driver": "JP2OpenJPEG", "QUALITY": 100, "REVERSIBLE": "YES"}
    with rasterio.open(
        path, "w", height=pixels.shape[0], width=pixels.shape[1], count=1, dtype=pixels.dtype,
        crs=EPSG, transform=Affine(size, 0, LEFT, 0, -size, TOP), **options,
    ) as dataset:  # fmt: skip
        dataset.write(pixels, 1)


@pytest.fixture(scope="session")
def truth():
    return make_truth()


@pytest.fixture(scope="session")
def layouts():
    """All eight by their profiles' ids."""
    return LAYOUTS


@pytest.fixture(scope="session")
def jpeg_2000_layout():
    """Copernicus' own, in the files it really has."""
    return _s2_cdse(".jp2")


@pytest.fixture
def published(tmp_path, truth):
    """A function that publishes a layout: the path of the items."""

    def publish(layout):
        return Publisher(tmp_path, layout, truth).publish()

    return publish


@pytest.fixture(scope="session")
def extent():
    """The rectangle of the place in EPSG:32633, a little smaller than its outer cells."""
    return shapely.box(LEFT + 1, TOP - CELLS[0] * CELL + 1, LEFT + CELLS[1] * CELL - 1, TOP - 1)
