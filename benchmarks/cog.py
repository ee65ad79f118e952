"""Writing a Cloud Optimized GeoTIFF of three bands: Fairweather's writer against GDAL's driver.

``python benchmarks/cog.py`` (in the test environment) makes a composite of 4000 × 4000 pixels up
and prints for each way the seconds, the processor's seconds and the size, the best of a few
rounds in which all take turns. GDAL is called as the notebook calls it, with the compression
that the notebook's file would need to be as small, and as fast as it goes. Then it reads each
file back, all bands and one, and prints what the predictors and the efforts of DEFLATE do.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import rasterio
import rioxarray  # noqa: F401  (gives arrays their .rio)
import xarray
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile
from rasterio.shutil import copy

ROOT = Path(__file__).resolve().parent.parent
EDGE, BLOCK, TILE, ROUNDS, THREADS = 4000, 1024, 512, 3, 2
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
CRS = "EPSG:32633"
FASTEST = {"compress": "DEFLATE", "level": 1, "num_threads": "ALL_CPUS"}


def main() -> None:
    values = make_composite()
    ways: dict[str, Callable[[Path], None]] = {
        "notebook: rio.to_raster(driver='COG')": lambda path: with_rioxarray(values, path),
        "the same, compress='deflate'": lambda path: with_rioxarray(
            values, path, compress="deflate"
        ),
        "GDAL, DEFLATE 1, ALL_CPUS": lambda path: with_gdal(values, path, **FASTEST),
        "GDAL, the same with PREDICTOR": lambda path: with_gdal(
            values, path, predictor="YES", **FASTEST
        ),
        "Fairweather": fairweather(values),
    }
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{number}.tif" for number, name in enumerate(ways)}
        times = {name: [measure(write, files[name])] for name, write in ways.items()}
        for _ in range(ROUNDS - 1):
            for name, write in ways.items():
                times[name].append(measure(write, files[name]))
        sizes = {name: path.stat().st_size / 1e6 for name, path in files.items()}
        report(times, sizes)
        for name, path in files.items():
            with rasterio.open(path) as dataset:
                assert np.array_equal(dataset.read(), values), name
            whole, one = (min(read(path, bands) for _ in range(3)) for bands in ((1, 2, 3), (1,)))
            print(f"{name:40} read: three bands {whole:5.2f} s, one band {one:5.2f} s")
    print_codecs("stored numbers times a scale", values[0])
    index = (values[0] - values[2]) / (np.abs(values[0]) + np.abs(values[2]) + np.float32(0.1))
    print_codecs("an index", index.astype(np.float32))


def make_composite() -> np.ndarray:
    """float32 (3, height, width): medians of 12 to 23 days, in halves of the scale's steps."""
    random = np.random.default_rng(1)
    land = sum(
        np.kron(random.normal(0, spread, (EDGE // size + 1,) * 2), np.ones((size, size)))[
            :EDGE, :EDGE
        ]
        for size, spread in ((256, 300), (64, 150), (16, 80), (4, 40))
    )
    days = np.kron(random.integers(12, 24, (EDGE // 40,) * 2), np.ones((40, 40), int))
    bands = []
    for number, mean in enumerate((900, 800, 600)):
        surface = mean + 1000 + land * (1 + 0.2 * number) + random.normal(0, 15, land.shape)
        # The spread of a median is 1.25 times that of a mean.
        median = surface + random.normal(0, 14 * 1.25, land.shape) / np.sqrt(days)
        steps = np.where(days % 2, np.rint(median), np.rint(median * 2) / 2)
        bands.append((steps * 1e-4 - 0.1).astype(np.float32))
    return np.stack(bands)


def with_rioxarray(values: np.ndarray, path: Path, **options: str) -> None:
    array = xarray.DataArray(values, dims=("band", "y", "x")).rio.write_crs(CRS)
    array = array.rio.write_transform(TRANSFORM).rio.write_nodata(np.nan)
    array.rio.to_raster(path, driver="COG", **options)


def with_gdal(values: np.ndarray, path: Path, **options: object) -> None:
    count, height, width = values.shape
    with (
        MemoryFile() as memory,
        memory.open(
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=values.dtype,
            crs=CRS,
            transform=TRANSFORM,
            nodata=np.nan,
        ) as dataset,
    ):
        dataset.write(values)
        copy(dataset, path, driver="COG", overview_resampling="AVERAGE", **options)


def fairweather(values: np.ndarray) -> Callable[[Path], None]:
    """Blocks as the engine makes them, brought by as many threads as it has."""
    load_package()
    from fairweather.core.science.composite.block import Block, BlockComposite
    from fairweather.core.science.composite.output_raster import (
        OutputRaster,
        RasterBand,
        RasterLayout,
    )

    grid = GeoBox(values.shape[1:], TRANSFORM, CRS)
    layout = RasterLayout(
        grid, tuple(RasterBand(name, name) for name in ("red", "green", "blue")), "float32", False
    )
    finished = []
    for rows, columns in windows(BLOCK):
        part = values[:, rows, columns].astype(np.float64)
        days, inside = np.ones(part.shape[1:], np.int32), np.ones(part.shape[1:], bool)
        block = Block(rows, columns, grid[rows, columns], ())
        finished.append((block, BlockComposite(part, days, inside, {})))

    def write(path: Path) -> None:
        with OutputRaster(path.with_suffix(".tiles"), layout, {}) as raster:
            with ThreadPoolExecutor(THREADS) as pool:
                for _ in pool.map(lambda pair: raster.write(*pair), finished):
                    pass
            raster.save(path)

    return write


def load_package() -> None:
    spec = importlib.util.spec_from_file_location("launch", ROOT / "core" / "launch.py")
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    launch.load_package()


def windows(edge: int) -> Iterator[tuple[slice, slice]]:
    for top in range(0, EDGE, edge):
        for left in range(0, EDGE, edge):
            yield slice(top, min(top + edge, EDGE)), slice(left, min(left + edge, EDGE))


def measure(write: Callable[[Path], None], path: Path) -> tuple[float, float]:
    """Seconds, and the processor's."""
    path.unlink(missing_ok=True)
    began, used = time.perf_counter(), time.process_time()
    write(path)
    return time.perf_counter() - began, time.process_time() - used


def read(path: Path, bands: tuple[int, ...]) -> float:
    """Seconds for half of the raster, window by window, as QGIS draws."""
    began = time.perf_counter()
    with rasterio.Env(GDAL_CACHEMAX=512 << 20), rasterio.open(path) as dataset:
        for rows, columns in windows(1000):
            if rows.start < EDGE // 2:
                dataset.read(bands, window=rasterio.windows.Window.from_slices(rows, columns))
    return time.perf_counter() - began


def report(times: dict[str, list[tuple[float, float]]], sizes: dict[str, float]) -> None:
    ours, our_size = min(times["Fairweather"]), sizes["Fairweather"]
    print(f"3 x {EDGE} x {EDGE} float32, best of {ROUNDS}, load {os.getloadavg()[0]:.1f}")
    for name, measured in times.items():
        seconds, processor = min(measured)
        print(
            f"{name:40} {seconds:5.2f} s ({seconds / ours[0]:4.1f} times ours), "
            f"processor {processor:5.2f} s, {sizes[name]:6.1f} MB "
            f"({sizes[name] / our_size:.2f} times ours)"
        )


def print_codecs(title: str, band: np.ndarray) -> None:
    predictors = {
        1: lambda tile: tile,
        2: lambda tile: imagecodecs.delta_encode(tile.view("<u4")),
        3: imagecodecs.floatpred_encode,
    }
    tiles = [
        np.ascontiguousarray(band[row : row + TILE, column : column + TILE])
        for row in range(0, EDGE // 2, TILE)
        for column in range(0, EDGE // 2, TILE)
    ]
    pixels = len(tiles) * TILE * TILE
    print(f"One thread, {title}: seconds for a million pixels, bits a pixel")
    for predictor, encode in predictors.items():
        line = f"  predictor {predictor}:"
        for level in (1, 2, 4, 6):
            began = time.process_time()
            size = sum(
                len(imagecodecs.deflate_encode(encode(tile).tobytes(), level=level))
                for tile in tiles
            )
            seconds = (time.process_time() - began) / pixels * 1e6
            line += f"  DEFLATE {level} {seconds:.3f} s {8 * size / pixels:4.1f}"
        print(line)


if __name__ == "__main__":
    main()
