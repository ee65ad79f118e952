"""The notebook's time series: the same calls, in code of this project.

One point as the notebook has it; many as xarray's vectorised indexing takes them; and the first
of many as a loop over the points would compute it.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import odc.stac
import xarray as xr
from case import MASK_BAND, Case, read_case, read_items
from cubes import reflectance_where_clear
from dask.distributed import Client
from pyproj import Transformer

RADIUS = 1 / 111  # of the notebook's box around its point, in degrees: a kilometre


def main() -> None:
    case = read_case()
    with Client():
        data = odc.stac.load(
            read_items(case),
            bands=[*case.bands, MASK_BAND],
            bbox=degrees_around_points(case),
            resolution=10,
            chunks={},
            groupby="solar_day",
            preserve_original_order=True,
        )
        clear = reflectance_where_clear(data)
        ndvi = (clear.nir - clear.red) / (clear.nir + clear.red)
        x, y = np.array(case.points[:1] if case.first_point_only else case.points).T
        places = {"x": xr.DataArray(x, dims="site"), "y": xr.DataArray(y, dims="site")}
        if len(x) == 1:
            places = {"x": x[0], "y": y[0]}
        series = ndvi.interp(**places, method="nearest").compute()
        regular = series.resample(time="5D").mean(dim="time")
        filled = regular.interpolate_na("time", use_coordinate=False)
        smoothed = filled.rolling(time=3, min_periods=1, center=True).mean()
    write_table(case.output, smoothed)


def degrees_around_points(case: Case) -> tuple[float, float, float, float]:
    """West, south, east and north of the notebook's boxes around all points."""
    to_degrees = Transformer.from_crs(case.crs, "EPSG:4326", always_xy=True)
    longitudes, latitudes = to_degrees.transform(*np.array(case.points).T)
    return (
        min(longitudes) - RADIUS,
        min(latitudes) - RADIUS,
        max(longitudes) + RADIUS,
        max(latitudes) + RADIUS,
    )


def write_table(path: str, series: xr.DataArray) -> None:
    """A row for every site and time: what Fairweather's table of series says too."""
    values = series.values.reshape(len(series.time), -1)
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["site", "time", "smoothed"])
        for site, of_site in enumerate(values.T):
            for moment, value in zip(series.time.values, of_site, strict=True):
                text = "" if np.isnan(value) else repr(float(value))
                table.writerow([site, np.datetime_as_string(moment, "D"), text])


if __name__ == "__main__":
    main()
