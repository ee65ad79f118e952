"""A plain loop over rasterio windows in two threads, one task a block, and ``np.nanmedian``.

What a good programmer would write in an afternoon: blocks on the sources' own tiles, files that
stay open, the mask first, and the result straight into a tiled file, which becomes the COG.
"""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pystac
import rasterio
import rasterio.shutil
from case import MASK_BAND, MASKED_CLASSES, OFFSET, SCALE, Case, read_case, read_items
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.transform import from_origin
from rasterio.windows import Window

BLOCK = 1024
PIXEL = 10.0
THREADS = 2
CLOUD_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": 32768,
}


class OpenFiles(threading.local):
    """Every thread opens each file once."""

    def __init__(self) -> None:
        self._files: dict[str, DatasetReader] = {}

    def __getitem__(self, href: str) -> DatasetReader:
        if href not in self._files:
            self._files[href] = rasterio.open(href)
        return self._files[href]


def main() -> None:
    case = read_case()
    items = sorted(read_items(case), key=lambda item: item.datetime)
    files, writing = OpenFiles(), threading.Lock()
    source = files[items[0].assets[case.bands[0]].href]
    area = source.window(*case.bounds).round_lengths().round_offsets()
    streamed = f"{case.output}.streamed.tif"
    with rasterio.open(streamed, "w", **profile_of(case, area)) as target:

        def make_block(block: Window) -> None:
            with rasterio.Env(**CLOUD_SETTINGS):
                values = median_of(items, case.bands, block, files)
            write(target, values, block, area, writing)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(make_block, blocks_of(area)))
    rasterio.shutil.copy(
        *(streamed, case.output),
        driver="COG",
        compress="DEFLATE",
        num_threads="ALL_CPUS",
    )


def profile_of(case: Case, area: Window) -> dict[str, object]:
    west, _, _, north = case.bounds
    return {
        "driver": "GTiff",
        "dtype": "float32",
        "count": len(case.bands),
        "height": int(area.height),
        "width": int(area.width),
        "crs": case.crs,
        "transform": from_origin(west, north, PIXEL, PIXEL),
        "nodata": np.nan,
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
    }


def blocks_of(area: Window) -> list[Window]:
    """The sources' tiles that the area touches, each cut to it."""
    rows = range(int(area.row_off) // BLOCK * BLOCK, int(area.row_off + area.height), BLOCK)
    columns = range(int(area.col_off) // BLOCK * BLOCK, int(area.col_off + area.width), BLOCK)
    tiles = [Window(column, row, BLOCK, BLOCK) for row in rows for column in columns]
    return [tile.intersection(area) for tile in tiles]


def median_of(
    items: list[pystac.Item], bands: tuple[str, ...], block: Window, files: OpenFiles
) -> np.ndarray:
    """float32 (bands, height, width): reflectance, NaN where no day is clear."""
    hidden = [is_hidden(files[item.assets[MASK_BAND].href], block) for item in items]
    values = []
    for band in bands:
        stack = np.full((len(items), int(block.height), int(block.width)), np.nan, np.float32)
        for day, item in enumerate(items):
            if hidden[day].all():
                continue
            stored = files[item.assets[band].href].read(1, window=block)
            np.copyto(stack[day], stored, where=(stored != 0) & ~hidden[day])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # pixels without a clear day
            values.append(np.nanmedian(stack, axis=0) * np.float32(SCALE) + np.float32(OFFSET))
    return np.stack(values)


def is_hidden(mask: DatasetReader, block: Window) -> np.ndarray:
    """Bool (height, width) at 10 m from the mask at 20 m."""
    top, left = int(block.row_off), int(block.col_off)
    bottom, right = top + int(block.height), left + int(block.width)
    window = Window.from_slices((top // 2, -(-bottom // 2)), (left // 2, -(-right // 2)))
    classes = mask.read(1, window=window).repeat(2, axis=0).repeat(2, axis=1)
    there = classes[top % 2 :, left % 2 :][: int(block.height), : int(block.width)]
    return np.isin(there, (0, *MASKED_CLASSES))


def write(
    target: DatasetWriter, values: np.ndarray, block: Window, area: Window, writing: threading.Lock
) -> None:
    place = Window(
        block.col_off - area.col_off, block.row_off - area.row_off, block.width, block.height
    )
    with writing:
        target.write(values, window=place)


if __name__ == "__main__":
    main()
