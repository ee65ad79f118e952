"""The composite's file: blocks are streamed into tiles, which become the COG."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from ...bridge.errors import OutputError
from ...bridge.plain_text import plain_words
from ..whole_file import ELSEWHERE, is_disk_full, write_error
from .block import Block, BlockComposite
from .cog.assembly import assemble_cog
from .cog.pixels import FLOATING_POINT_DIFFERENCES, HORIZONTAL_DIFFERENCES, compress
from .cog.pyramid import TilePyramid
from .cog.statistics import BandStatistics
from .cog.tiff_directory import Directory, read_first_directory
from .cog.tile_store import TileStore
from .cog.tiles import TILE_EDGE, Tile, levels_of

INT16_NODATA = -32768
INT16_LIMIT = 32767
INT16_STEPS = 10_000


@dataclass(frozen=True)
class RasterBand:
    """One band of the file: its name, and a title for people.

    ``is_computed`` says that its values come from a formula; else they are steps of a scale, of
    which a tile has few different ones.
    """

    name: str
    title: str
    is_computed: bool = False


@dataclass(frozen=True)
class RasterLayout:
    """How the file is laid out.

    ``dtype`` is ``float32`` (nodata NaN) or ``int16`` (value times 10,000, nodata -32768).
    ``count_band`` adds the number of clear days as the last band.
    """

    geobox: GeoBox
    bands: tuple[RasterBand, ...]
    dtype: str
    count_band: bool

    @property
    def nodata(self) -> float:
        """The value of pixels without data."""
        return INT16_NODATA if self.dtype == "int16" else float("nan")

    @property
    def all_bands(self) -> tuple[RasterBand, ...]:
        """The file's bands, with that of the count."""
        return (*self.bands, _COUNT_BAND) if self.count_band else self.bands

    @property
    def predictor(self) -> int:
        """How TIFF stores the differences of neighbouring pixels.

        For floating-point numbers there is a predictor of its own, but it takes the bytes of each
        number apart. Where numbers repeat, as the steps of a scale do, whole ones compress to two
        thirds of that (benchmarks/cog.py).
        """
        if self.dtype == "float32" and all(band.is_computed for band in self.bands):
            return FLOATING_POINT_DIFFERENCES
        return HORIZONTAL_DIFFERENCES


@dataclass(frozen=True)
class EncodedBlock:
    """A block as it is in the file.

    ``pixels`` is (bands, height, width) in the file's dtype; ``clamped_values`` how many were out
    of its range.
    """

    pixels: np.ndarray
    clamped_values: int


_COUNT_BAND = RasterBand("clear_days", "Number of clear days")


class OutputRaster:
    """A Cloud Optimized GeoTIFF that takes finished blocks in any order, from any thread.

    Blocks may lie anywhere, as long as none covers a pixel of another. Each tile of the file is
    compressed, and averaged into the overviews, by the thread that brings its last pixel: no more
    than the incomplete tiles is held in memory.

    Args:
        scratch: a file for compressed tiles, made here and removed on leaving.
        layout: how the file is laid out.
        tags: metadata of the file.
        make_room: removes something from the full disk of a folder, and says whether there was
            anything.

    Raises:
        OutputError: the scratch file cannot be made.
    """

    def __init__(
        self,
        scratch: Path,
        layout: RasterLayout,
        tags: Mapping[str, str],
        make_room: Callable[[Path], bool] = lambda _: False,
    ) -> None:
        self.layout = layout
        self._make_room = make_room
        self._tags = dict(tags)
        self._lock = threading.Lock()
        self.clamped_values = 0
        height, width = layout.geobox.shape
        bands = len(layout.all_bands)
        self._levels = levels_of(height, width)
        self._statistics = BandStatistics(bands, height * width, layout.nodata)
        self._pyramid = TilePyramid(self._levels, layout.nodata, self._take)
        self._scratch = scratch
        with self._scratch_errors_in_words():
            self._store = TileStore(scratch, self._levels, bands, lambda: make_room(scratch.parent))

    def __enter__(self) -> OutputRaster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._store.close()

    def write(self, block: Block, composite: BlockComposite) -> None:
        """Write one finished block.

        Raises:
            OutputError: the disk is full or failed.
        """
        self.put(block, encode_block(composite, self.layout))

    def put(self, block: Block, encoded: EncodedBlock) -> None:
        """Write one block that was encoded elsewhere.

        Raises:
            OutputError: the disk is full or failed.
        """
        with self._lock:
            self.clamped_values += encoded.clamped_values
        with self._scratch_errors_in_words():
            self._pyramid.put(block.rows, block.columns, encoded.pixels)

    def add_tags(self, tags: Mapping[str, str]) -> None:
        """More metadata of the file, which was not known before its blocks."""
        self._tags.update(tags)

    def save(self, target: Path) -> None:
        """Write the file when all blocks have come; what none covered has no data.

        Overviews are averages of the pixels that have a value; each band gets its statistics.

        Raises:
            OutputError: the disk is full or failed.
        """
        with self._scratch_errors_in_words():
            self._pyramid.complete()
        with _errors_in_words(target, f"The composite in {target.parent}"):
            template = _full_resolution_tags(self.layout, self._tags, self._statistics.tags())
            self._assemble(target, template)

    def _assemble(self, target: Path, template: Directory) -> None:
        while True:
            try:
                assemble_cog(target, template, self._levels, self._store)
            except OSError as error:
                if not is_disk_full(error, target.parent) or not self._make_room(target.parent):
                    raise
            else:
                return

    def _scratch_errors_in_words(self) -> AbstractContextManager[None]:
        return _errors_in_words(
            self._scratch,
            f"The composite's scratch file in {self._scratch.parent}",
            ELSEWHERE,
        )

    def _take(self, tile: Tile, pixels: np.ndarray | None) -> None:
        if pixels is None:
            return
        layout = self.layout
        if tile.level == 0:
            self._statistics.add(tile, pixels)
        self._store.append(
            tile, [compress(band, layout.nodata, layout.predictor) for band in pixels]
        )


def _full_resolution_tags(
    layout: RasterLayout, tags: Mapping[str, str], band_tags: Sequence[Mapping[str, str]]
) -> Directory:
    """The file's tags as GDAL writes them, taken from a file without pixels."""
    height, width = layout.geobox.shape
    bands = layout.all_bands
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=width,
            height=height,
            count=len(bands),
            dtype=layout.dtype,
            crs=str(layout.geobox.crs),
            transform=layout.geobox.transform,
            nodata=layout.nodata,
            tiled=True,
            blockxsize=TILE_EDGE,
            blockysize=TILE_EDGE,
            interleave="band",
            compress="DEFLATE",
            predictor=layout.predictor,
            sparse_ok=True,
            bigtiff="NO",
            endianness="LITTLE",
        ) as dataset:
            dataset.update_tags(**tags)
            dataset.descriptions = tuple(band.name for band in bands)
            for number, (band, statistics) in enumerate(zip(bands, band_tags, strict=True), 1):
                dataset.update_tags(number, title=plain_words(band.title), **statistics)
            if layout.dtype == "int16":
                step = 1 / INT16_STEPS
                dataset.scales = tuple(1.0 if band is _COUNT_BAND else step for band in bands)
                dataset.offsets = (0.0,) * len(bands)
        return read_first_directory(bytes(memory.getbuffer()))


def encode_block(composite: BlockComposite, layout: RasterLayout) -> EncodedBlock:
    """A finished block as the file has it."""
    clamped = 0
    values = composite.values
    if layout.dtype == "int16":
        missing = np.isnan(values)
        # The first rounding takes off what float64 adds: 0.12345 is 1234.5 steps, no more.
        steps = np.rint(np.round(values * INT16_STEPS, 9))
        inside = np.clip(steps, -INT16_LIMIT, INT16_LIMIT)
        clamped = int(np.count_nonzero((steps != inside) & ~missing))
        values = np.where(missing, INT16_NODATA, inside)
    pixels = np.empty((len(layout.all_bands), *values.shape[1:]), layout.dtype)
    pixels[: len(values)] = values
    if layout.count_band:
        pixels[-1] = np.where(composite.inside, composite.clear_days, layout.nodata)
    return EncodedBlock(pixels, clamped)


@contextmanager
def _errors_in_words(path: Path, name: str, advice: str = "") -> Iterator[None]:
    try:
        yield
    except (OSError, RasterioError) as error:
        told = write_error(error, path, name, advice)
        if told is None:
            told = OutputError(
                f"{name} cannot be written ({error}); see whether the disk is full, or choose "
                "another folder."
            )
        raise told from error
