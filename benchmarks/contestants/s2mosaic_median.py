"""S2Mosaic: streams the tiles of its scenes and reduces them; masked by the classification.

It searches one of three public catalogues: here one of them is told to find the case's items.
It writes reflectance * 10,000 as whole numbers with the processing offset left in.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType

import geopandas as gpd
import pystac
import rioxarray
from case import OFFSET, SCALE, Case, read_case, read_items

NAMES = {"red": "B04", "green": "B03", "blue": "B02", "nir": "B08"}


def main() -> None:
    case = read_case()
    leave_out_the_cloud_model()
    from s2mosaic import mosaic, sources

    sources._SOURCES[sources.SOURCE_AWS] = source_of(case)
    raw = f"{case.output}.raw.tif"
    mosaic(
        aoi=gpd.read_file(case.area).geometry.union_all(),
        input_crs=case.epsg,
        output_crs=case.epsg,
        start_year=2023,
        duration_years=1,
        bands=[NAMES[band] for band in case.bands],
        mosaic_method="median",
        source=sources.SOURCE_AWS,
        scene_order="oldest",
        cloud_mask="SCL",
        snap_to_source_grid=True,
        output_path=raw,
    )
    write_reflectance(raw, case)


def write_reflectance(raw: str, case: Case) -> None:
    """The same values as everybody's: float32 reflectance in a COG."""
    with rioxarray.open_rasterio(raw, masked=True) as stored:
        (stored * SCALE + OFFSET).astype("float32").rio.to_raster(case.output, driver="COG")


def leave_out_the_cloud_model() -> None:
    """S2Mosaic imports its cloud model, gigabytes large, even where it is never called."""
    model = ModuleType("omnicloudmask")
    model.predict_from_array = None
    sys.modules["omnicloudmask"] = model


def source_of(case: Case) -> object:
    """Its source for the names of Earth Search, whose catalogue is the case's items."""
    from s2mosaic.sources import AWS, Source

    @dataclass(frozen=True)
    class ItemsSource(Source):
        def open_catalog(self, stac_io: object) -> _Items:  # noqa: ARG002
            return _Items(case)

    fields = {name: getattr(AWS, name) for name in Source.__dataclass_fields__}
    return ItemsSource(**{**fields, "readable_href_prefixes": None})


class _Items:
    def __init__(self, case: Case) -> None:
        self._case = case

    def search(self, **_: object) -> _Items:
        return self

    def item_collection(self) -> pystac.ItemCollection:
        return pystac.ItemCollection(read_items(self._case))


if __name__ == "__main__":
    main()
