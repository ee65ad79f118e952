"""odc-algo: its quantile of integers with a nodata value, on odc-stac's cube."""

from __future__ import annotations

import odc.stac
from case import MASK_BAND, MASKED_CLASSES, OFFSET, SCALE, read_case, read_items
from cubes import degrees_around, write_clipped
from dask.distributed import Client
from odc.algo import erase_bad, xr_quantile

CHUNKS = {"x": 1024, "y": 1024}


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
        clear = erase_bad(stored[list(case.bands)], stored[MASK_BAND].isin(MASKED_CLASSES))
        median = xr_quantile(clear, [0.5], nodata=0).isel(quantile=0, drop=True).compute()
        cube = (median.where(median != 0) * SCALE + OFFSET).to_array("band")
        write_clipped(cube.rio.write_crs(stored.odc.crs.to_epsg()), case)


if __name__ == "__main__":
    main()
