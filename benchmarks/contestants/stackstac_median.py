"""stackstac: its cube of the same bands on the same grid, all days of a square in a chunk."""

from __future__ import annotations

import numpy as np
import pandas as pd
import stackstac
from case import MASK_BAND, MASKED_CLASSES, OFFSET, SCALE, read_case, read_items
from cubes import write_clipped
from dask.distributed import Client


def main() -> None:
    accept_an_old_argument()
    case = read_case()
    with Client():
        stored = stackstac.stack(
            read_items(case),
            assets=[*case.bands, MASK_BAND],
            epsg=case.epsg,
            resolution=10,
            bounds=case.bounds,
            chunksize=(-1, 1, 1024, 1024),
            dtype="float32",
            fill_value=np.float32(np.nan),
            rescale=False,
            xy_coords="center",
        )
        hidden = stored.sel(band=MASK_BAND).isin(MASKED_CLASSES)
        clear = stored.sel(band=list(case.bands)).where(~hidden)
        median = clear.median(dim="time", skipna=True).compute()
        write_clipped((median * SCALE + OFFSET).rio.write_crs(case.crs), case)


def accept_an_old_argument() -> None:
    """stackstac 0.5.0 gives pandas an argument that pandas 3 no longer knows, to no effect.

    0.5.1 wants pandas 2, which does not go with the other contestants' packages.
    """
    to_datetime = pd.to_datetime

    def without_it(*values: object, infer_datetime_format: bool, **options: object) -> object:  # noqa: ARG001
        return to_datetime(*values, **options)

    pd.to_datetime = without_it


if __name__ == "__main__":
    main()
