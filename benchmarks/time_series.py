"""Time series over HTTP with latency: one and a hundred points, against the notebook's calls.

``python benchmarks/time_series.py`` (in the test environment) makes a tile of a year in
``build/benchmark-tile`` once, serves it on loopback with 80 ms of latency, and prints for each
way the time, the requests, the bytes, and how much memory the process tree took at most. The
notebook's way makes the same calls as the notebook, in code of this project.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import psutil
from made_up_tile import COLLECTION, CRS, make_tile, tile_geobox_bounds
from pyproj import Transformer

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
EDGE, DAYS, LATENCY = 6144, 36, 0.08
TO_DEGREES = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)


def main() -> None:
    if len(sys.argv) > 1:
        run_notebook(sys.argv[1], json.loads(sys.argv[2]))
        return
    tile = BUILD / "benchmark-tile"
    make_tile(tile, EDGE, DAYS, ("red", "nir"))
    server = [sys.executable, str(Path(__file__).with_name("latency_server.py"))]
    with subprocess.Popen(
        [*server, str(tile), str(LATENCY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        address = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        try:
            compare(address)
        finally:
            process.stdin.close()


def compare(address: str) -> None:
    for count in (1, 100):
        points = some_points(count)
        notebook = [sys.executable, __file__, address, json.dumps(points)]
        theirs = measure(notebook, address)
        ours = measure(fairweather_command(address, points), address)
        print(f"{count} points, {DAYS} days, {LATENCY * 1000:.0f} ms: ", end="")
        print(f"notebook {theirs}; Fairweather {ours}; ", end="")
        print(f"{theirs['seconds'] / ours['seconds']:.1f} times faster", flush=True)
    for count in (1, 100, 10_000):
        ours = measure(fairweather_command(address, some_points(count)), address)
        print(f"Fairweather, {count} points: {ours}", flush=True)


def some_points(count: int) -> list[tuple[float, float]]:
    west, south, east, north = tile_geobox_bounds(EDGE)
    random = np.random.default_rng(count)
    x, y = random.uniform(west, east, count), random.uniform(south, north, count)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def measure(command: list[str], address: str) -> dict[str, float]:
    """Run a command; its seconds, peak memory of its tree, and what it asked the server."""
    take_counts(address)
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        peak = [0]
        watcher = threading.Thread(target=watch_memory, args=(process.pid, peak))
        watcher.start()
        if process.wait() != 0:
            raise SystemExit(f"{command[1]} failed")
        seconds = time.perf_counter() - began
        watcher.join()
    counts = take_counts(address)
    return {
        "seconds": round(seconds, 1),
        "megabytes of memory": round(peak[0] / 1e6),
        "requests": counts["requests"],
        "megabytes read": round(counts["bytes"] / 1e6, 1),
    }


def watch_memory(pid: int, peak: list[int]) -> None:
    while psutil.pid_exists(pid):
        try:
            tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            peak[0] = max(peak[0], sum(process.memory_info().rss for process in tree))
        except psutil.Error:
            pass
        time.sleep(0.05)


def take_counts(address: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{address}/-/counts") as answer:
        return json.load(answer)


def fairweather_command(address: str, points: list[tuple[float, float]]) -> list[str]:
    west, south, east, north = tile_geobox_bounds(EDGE)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    request = {
        "fairweather": 1,
        "job": "timeseries",
        "search": {
            "collection": COLLECTION,
            "area": {"crs": CRS, "geometry": {"type": "Polygon", "coordinates": [ring]}},
            "start": "2023-01-01",
            "end": "2023-12-31",
            "catalog": f"{address}/catalog.json",
        },
        "sites": [
            {"id": number, "name": str(number), "geometry": {"type": "Point", "coordinates": xy}}
            for number, xy in enumerate(points)
        ],
        "sites_crs": CRS,
        "indices": ["NDVI"],
        "recipe": {},
        "series": str(BUILD / "series.csv"),
        "observations": str(BUILD / "observations.csv"),
    }
    path = BUILD / "time-series-request.json"
    path.write_text(json.dumps(request), encoding="utf-8")
    return [sys.executable, str(ROOT / "core" / "launch.py"), "worker", str(path)]


def run_notebook(address: str, points: list[tuple[float, float]]) -> None:
    import odc.stac
    import pystac
    import xarray as xr
    from dask.distributed import Client

    client = Client()
    items = list(pystac.Catalog.from_file(f"{address}/catalog.json").get_items())
    x, y = np.array(points).T
    west, south = TO_DEGREES.transform(x.min() - 1000, y.min() - 1000)
    east, north = TO_DEGREES.transform(x.max() + 1000, y.max() + 1000)
    data = odc.stac.load(
        items,
        bands=["red", "nir", "scl"],
        bbox=(west, south, east, north),
        resolution=10,
        chunks={},
        groupby="solar_day",
    )
    data = data.where(data != 0)
    for band in ("red", "nir"):
        data[band] = data[band] * 0.0001 - 0.1
    data = data[["red", "nir"]].where(~data.scl.isin([3, 8, 9, 10]))
    ndvi = (data.nir - data.red) / (data.nir + data.red)
    series = ndvi.interp(
        x=xr.DataArray(x, dims="site"), y=xr.DataArray(y, dims="site"), method="nearest"
    ).compute()
    regular = series.resample(time="5D").mean().interpolate_na("time", use_coordinate=False)
    regular.rolling(time=3, min_periods=1, center=True).mean().to_pandas()
    client.close()


if __name__ == "__main__":
    main()
