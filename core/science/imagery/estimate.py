"""What a run will take, told before any pixel is read: bytes, seconds, and the output's size.

The numbers are rules of thumb from the benchmarks, good to a factor of two.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..reporter import time_left_in_words
from ..words import count_of
from .readers import READS_IN_FLIGHT
from .scene import Scene
from .scene_grids import finest_grid

DRY_RUN_IS_OVER = "Dry run: no pixel was read, and no OUTPUT was made."

# Files of satellite scenes are made of tiles of this edge in pixels, and a tile is read whole.
TILE_EDGE = 1024

# Metres of two CRSs are not quite equally long.
ROUNDING = 1.01
MOST_COARSER = 2.0**30

# As Sentinel-2's files are compressed: a band's 16 bits to two thirds, a mask to almost nothing.
BYTES_BY_BAND_PIXEL = 1.3
BYTES_BY_MASK_PIXEL = 0.05

# What one processor decodes, masks and reduces of bands; a mask's pixel is a part of the work.
PIXELS_BY_PROCESSOR_SECOND = 90e6
WORK_OF_MASK_PIXEL = 0.15

# Of a network nothing is known before the first byte: a good line, and a server not too far.
BYTES_BY_NETWORK_SECOND = 25e6
SECONDS_BY_REQUEST = 0.1
REQUESTS_BY_FILE = 2  # beside the tiles: the header
LOOPBACK = ("localhost", "127.0.0.1", "::1")

# What is written, in bytes before compression; a file's overviews are in it.
RAW_BYTES_WRITTEN_BY_SECOND = 60e6
COMPRESSED_SHARE = 0.85


@dataclass(frozen=True)
class Reading:
    """What a plan will read of files: ``pixels`` counts each tile that is touched as a whole."""

    band_pixels: float = 0.0
    mask_pixels: float = 0.0
    tiles: float = 0.0
    files: float = 0.0

    def __add__(self, other: Reading) -> Reading:
        return Reading(
            self.band_pixels + other.band_pixels,
            self.mask_pixels + other.mask_pixels,
            self.tiles + other.tiles,
            self.files + other.files,
        )

    def __mul__(self, share: float) -> Reading:
        return Reading(
            self.band_pixels * share,
            self.mask_pixels * share,
            self.tiles * share,
            self.files * share,
        )

    @property
    def compressed_bytes(self) -> float:
        """What the files' tiles take in the files."""
        return self.band_pixels * BYTES_BY_BAND_PIXEL + self.mask_pixels * BYTES_BY_MASK_PIXEL


@dataclass(frozen=True)
class Estimate:
    """What a run will take. ``output_bytes`` are of the finished files."""

    scenes: int
    days: int
    blocks: int
    read_bytes: float
    output_bytes: float
    seconds: float

    def in_words(self) -> str:
        """One sentence for the log and the report."""
        return (
            f"Estimate: {count_of(self.scenes, 'scene')} on {count_of(self.days, 'day')} in "
            f"{count_of(self.blocks, 'block')}, about {bytes_in_words(self.read_bytes)} to read "
            f"and {bytes_in_words(self.output_bytes)} to write, in "
            f"{time_left_in_words(self.seconds)}."
        )


def reading_of_scene(
    scene: Scene, share: tuple[float, float], *, coarser: float = 1.0, clear: float = 1.0
) -> Reading:
    """What is read of a scene's files for one window.

    Args:
        scene: with the grid of each band.
        share: the window's part of the scene's height and width, 0 to 1.
        coarser: how often the finest band's pixel goes into the output's, along a side; from 2 on,
            overviews are read.
        clear: how likely the bands are read after the mask: where nothing is clear they are not.
    """
    finest = finest_grid(scene)
    reading = Reading()
    for source in scene.sources:
        grid = source.geobox or finest  # of a mask, the item may not tell
        ratio = coarser * grid.shape[1] / finest.shape[1]
        # Grids that lie may have pixels as large as the world, or of no size at all.
        factor = 2 ** math.floor(math.log2(max(1.0, min(ratio * ROUNDING, MOST_COARSER))))
        height, width = (max(1, round(size / factor)) for size in grid.shape)
        pixels, tiles = tiles_read((height, width), (height * share[0], width * share[1]))
        if source is scene.mask:
            reading += Reading(0.0, pixels, tiles, 1.0)
        else:
            reading += Reading(pixels, 0.0, tiles, 1.0) * clear
    return reading


def tiles_read(shape: tuple[int, int], window: tuple[float, float]) -> tuple[float, float]:
    """The pixels and the number of the tiles that a window touches, wherever it lies in a file.

    Args:
        shape: the file's rows and columns.
        window: the window's height and width in the file's pixels.
    """
    pixels, tiles = 1.0, 1.0
    for size, length in zip(shape, window, strict=True):
        all_tiles = math.ceil(size / TILE_EDGE)
        # A window of one tile's length touches two tiles, unless it happens to begin with one.
        touched = min(length / TILE_EDGE + 1, all_tiles)
        pixels *= min(touched * TILE_EDGE, size)
        tiles *= touched
    return pixels, tiles


def seconds_needed(reading: Reading, *, raw_output_bytes: float, is_remote: bool) -> float:
    """How long it takes to read, reduce and write; reading and reducing go on together."""
    pixels = reading.band_pixels + reading.mask_pixels * WORK_OF_MASK_PIXEL
    computing = pixels / PIXELS_BY_PROCESSOR_SECOND / (os.cpu_count() or 1)
    receiving = 0.0
    if is_remote:
        requests = reading.tiles + reading.files * REQUESTS_BY_FILE
        receiving = max(
            reading.compressed_bytes / BYTES_BY_NETWORK_SECOND,
            requests * SECONDS_BY_REQUEST / READS_IN_FLIGHT,
        )
    return max(computing, receiving) + raw_output_bytes / RAW_BYTES_WRITTEN_BY_SECOND


def is_over_network(hrefs: Iterable[str]) -> bool:
    """Whether any of the files comes from another machine."""
    hosts = {parts.hostname for parts in map(urlsplit, hrefs) if len(parts.scheme) > 1}
    return bool(hosts - {None, *LOOPBACK})


def bytes_in_words(count: float) -> str:
    """A number of bytes as a person would say it: ``2.4 GB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= 0.95 * size:
            number = count / size
            return f"{number:.1f} {unit}" if number < 9.95 else f"{number:,.0f} {unit}"
    return f"{max(1, round(count / 1e3))} kB"
