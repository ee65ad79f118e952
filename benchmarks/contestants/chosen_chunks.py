"""The notebook's composite with chunks that suit it: all days of a square, in whole blocks."""

from __future__ import annotations

import odc.stac
from case import MASK_BAND, read_case, read_items
from cubes import degrees_around, reflectance_where_clear, write_clipped
from dask.distributed import Client

CHUNKS = {"time": -1, "x": 1024, "y": 1024}


def main() -> None:
    case = read_case()
    with Client() as client:
        odc.stac.configure_rio(cloud_defaults=True, client=client)
        stored = odc.stac.load(
            read_items(case),
            bands=[*case.bands, MASK_BAND],
            resolution=10,
            bbox=degrees_around(case),
            chunks=CHUNKS,
            groupby="solar_day",
        )
        # Band by band: no stack of bands is made.
        composite = reflectance_where_clear(stored).median(dim="time").to_array("band").compute()
        write_clipped(composite, case)


if __name__ == "__main__":
    main()
