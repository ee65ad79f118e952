"""The notebook's composite: the same calls, in code of this project."""

from __future__ import annotations

import odc.stac
from case import MASK_BAND, read_case, read_items
from cubes import degrees_around, reflectance_where_clear, write_clipped
from dask.distributed import Client


def main() -> None:
    case = read_case()
    with Client():
        stored = odc.stac.load(
            read_items(case),
            bands=[*case.bands, MASK_BAND],
            resolution=10,
            bbox=degrees_around(case),
            chunks={},
            groupby="solar_day",
        )
        cube = reflectance_where_clear(stored).to_array("band")
        composite = cube.sel(band=list(case.bands)).median(dim="time").compute()
        write_clipped(composite, case)


if __name__ == "__main__":
    main()
