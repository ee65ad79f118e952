"""A composite in plain numpy, written from what DESIGN.md says a result means; no code of ours."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache

import numpy as np
import shapely
from pyproj import Transformer

INT16_NODATA = -32_768
# A denominator is a whole number of steps of the scale, all of which are far larger.
ZERO = 1e-9


@dataclass(frozen=True)
class Grid:
    """North-up pixels: upper left corner and pixel size in units of ``crs``, rows and columns."""

    crs: str
    left: float
    top: float
    width: float
    height: float
    shape: tuple[int, int]

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y, each (rows, columns)."""
        rows, columns = self.shape
        x = self.left + (np.arange(columns) + 0.5) * self.width
        y = self.top - (np.arange(rows) + 0.5) * self.height
        return np.meshgrid(x, y)

    def box(self) -> shapely.Polygon:
        rows, columns = self.shape
        bottom, right = self.top - rows * self.height, self.left + columns * self.width
        return shapely.box(self.left, bottom, right, self.top)

    def padded(self, rows: int, columns: int) -> Grid:
        """With so many rows and columns more on each side."""
        left, top = self.left - columns * self.width, self.top + rows * self.height
        shape = (self.shape[0] + 2 * rows, self.shape[1] + 2 * columns)
        return Grid(self.crs, left, top, self.width, self.height, shape)


@dataclass(frozen=True, eq=False)
class Layer:
    """One file: (rows, columns) numbers on a grid; reflectance = number * scale + offset.

    ``full_grid`` is that of the full resolution where the pixels are an overview's.
    """

    pixels: np.ndarray
    grid: Grid
    nodata: float | None
    scale: float = 1.0
    offset: float = 0.0
    full_grid: Grid | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """One item: its bands by name, its mask, and where it says that it is, in EPSG:4326."""

    id: str
    moment: datetime
    bands: Mapping[str, Layer]
    mask: Layer | None
    footprint: shapely.Geometry | None = None


@dataclass(frozen=True)
class Band:
    """What is asked for: a band itself, or an index with its function of the bands."""

    name: str
    sources: tuple[str, ...]
    index: Callable[..., np.ndarray] | None = None


@dataclass(frozen=True)
class Asked:
    """A composite as its request describes it.

    ``area`` is a polygon in ``area_crs``; in another CRS its vertices are transformed, and of an
    extent the rectangle around its transformed sides is the area.
    ``masked`` are classes, or bits, or None where nothing is masked. ``align`` is the corner and
    the size of another raster's pixels. ``lost`` are scenes whose days count as never seen, though
    they have their say in where the pixels lie.
    """

    bands: tuple[Band, ...]
    area: shapely.Geometry
    area_crs: str
    is_extent: bool
    masked: frozenset[int] | None
    are_bits: bool = False
    buffer: float = 0.0
    resolution: float | None = None
    crs: str = ""
    align: tuple[str, float, float, float, float] | None = None
    clip: bool = True
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Composite:
    """``values`` float64 by band, NaN where there is none; ``count`` NaN outside of the area.

    ``numbers`` are the medians of the stored numbers with their scale and offset, of each band
    for which all scenes agree on these: what int16 rounds is known exactly by them.
    """

    grid: Grid
    values: Mapping[str, np.ndarray]
    count: np.ndarray
    inside: np.ndarray
    numbers: Mapping[str, tuple[np.ndarray, float, float]] = field(default_factory=dict)


def compose(scenes: Sequence[Scene], asked: Asked) -> Composite:
    """The composite of those of ``scenes`` that touch the area.

    Raises:
        LookupError: none does.
    """
    touching = [scene for scene in scenes if _touches(scene, asked)]
    if not touching:
        raise LookupError("no scene touches the area")
    ordered = sorted(touching, key=lambda scene: (scene.moment, scene.id))
    grid = _output_grid(ordered, asked)
    inside = np.ones(grid.shape, bool)
    if asked.clip and not asked.is_extent:
        polygon = _in_crs(asked.area, asked.area_crs, grid.crs, is_densified=False)
        inside = shapely.contains_xy(polygon, *grid.centres())
    sources = list(dict.fromkeys(name for band in asked.bands for name in band.sources))
    days = [day for day in _days(ordered, grid) if not asked.lost & {one.id for one in day}]
    clear = [_clear(day, grid, asked) & inside for day in days]
    cubes, numbers = {}, {}
    for name in sources:
        layers = [[scene.bands[name] for scene in day] for day in days]
        cubes[name] = np.stack(
            [
                np.where(ok, _fused(day, grid)[0], np.nan)
                for day, ok in zip(layers, clear, strict=True)
            ]
        )
        pairs = {(layer.scale, layer.offset) for day in layers for layer in day}
        if len(pairs) == 1:
            raw = [_fused(day, grid, is_scaled=False)[0] for day in layers]
            stack = np.stack(
                [np.where(ok, one, np.nan) for one, ok in zip(raw, clear, strict=True)]
            )
            numbers[name] = (_median(stack), *pairs.pop())
    every = np.all([~np.isnan(cube) for cube in cubes.values()], axis=0)
    values = {band.name: _median(_daily(band, cubes)) for band in asked.bands}
    count = np.where(inside, every.sum(axis=0), np.nan)
    return Composite(grid, values, count, inside, numbers)


def int16_steps(numbers: np.ndarray, scale: float, offset: float) -> np.ndarray:
    """(number * scale + offset) × 10,000, half to even, clamped; float64, NaN stays."""
    found, where = np.unique(numbers, return_inverse=True)
    exact_scale, exact_offset = Fraction(repr(scale)), Fraction(repr(offset))
    steps = [
        number
        if math.isnan(number)
        else round((Fraction(number) * exact_scale + exact_offset) * 10_000)
        for number in found.tolist()
    ]
    return np.clip(np.array(steps, np.float64), -32_767, 32_767)[where].reshape(numbers.shape)


def _daily(band: Band, cubes: Mapping[str, np.ndarray]) -> np.ndarray:
    own = [cubes[name] for name in band.sources]
    if band.index is None:
        return own[0]
    with np.errstate(all="ignore"):
        return band.index(*own)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient, NaN where the denominator is zero."""
    return numerator / np.where(np.abs(denominator) < ZERO, np.nan, denominator)


def _median(cube: np.ndarray) -> np.ndarray:
    result = np.full(cube.shape[1:], np.nan)
    some = ~np.isnan(cube).all(axis=0)
    result[some] = np.nanmedian(cube[:, some], axis=0)
    return result


def _touches(scene: Scene, asked: Asked) -> bool:
    layer = next(iter(scene.bands.values()))
    place = scene.footprint or _in_crs(layer.grid.box(), layer.grid.crs, "EPSG:4326")
    return bool(place.intersects(_in_crs(asked.area, asked.area_crs, "EPSG:4326")))


def _finest(scene: Scene, asked: Asked) -> Grid:
    names = dict.fromkeys(name for band in asked.bands for name in band.sources)
    layers = [scene.bands[name] for name in names]
    return min((one.full_grid or one.grid for one in layers), key=lambda grid: grid.width)


def _output_grid(ordered: Sequence[Scene], asked: Asked) -> Grid:
    grids = [_finest(scene, asked) for scene in ordered]
    if asked.align:
        crs, x, y, width, height = asked.align
    else:
        crs = asked.crs or Counter(grid.crs for grid in grids).most_common(1)[0][0]
        own = [grid for grid in grids if grid.crs == crs]
        if own:
            common = Counter(own).most_common(1)[0][0]
            x, y = common.left, common.top
            width = asked.resolution or common.width
            height = asked.resolution or common.height
        else:
            x = y = 0.0
            width = height = asked.resolution or Counter(grids).most_common(1)[0][0].width
    west, south, east, north = _in_crs(
        asked.area, asked.area_crs, crs, is_densified=asked.is_extent
    ).bounds
    first_column = math.floor((west - x) / width + 1e-6)
    last_column = math.ceil((east - x) / width - 1e-6)
    first_row = math.floor((y - north) / height + 1e-6)
    last_row = math.ceil((y - south) / height - 1e-6)
    shape = (max(last_row - first_row, 1), max(last_column - first_column, 1))
    return Grid(crs, x + first_column * width, y - first_row * height, width, height, shape)


def _days(ordered: Sequence[Scene], grid: Grid) -> list[list[Scene]]:
    rows, columns = grid.shape
    centre = (grid.left + columns * grid.width / 2, grid.top - rows * grid.height / 2)
    longitude = _transformer(grid.crs, "EPSG:4326").transform(*centre)[0]
    days: dict[object, list[Scene]] = {}
    for scene in ordered:
        day = (scene.moment + timedelta(hours=int(longitude / 15))).date()
        days.setdefault(day, []).append(scene)
    return [days[day] for day in sorted(days)]


def _clear(day: Sequence[Scene], grid: Grid, asked: Asked) -> np.ndarray:
    if asked.masked is None:
        return np.ones(grid.shape, bool)
    rows = columns = 0
    if asked.buffer:
        rows, columns = (math.ceil(asked.buffer / size) + 1 for size in (grid.height, grid.width))
    wide = grid.padded(rows, columns)
    layers = [scene.mask for scene in day]
    classes, valid = _fused(layers, wide, is_scaled=False, are_bits=asked.are_bits)
    numbers = np.nan_to_num(classes, nan=0).astype(np.int64)
    if asked.are_bits:
        hidden = (numbers & sum(1 << bit for bit in asked.masked)) != 0
        seen = valid
    else:
        hidden = np.isin(numbers, list(asked.masked))
        seen = valid | (not any(layer.nodata in asked.masked for layer in layers))
    hidden = _grown(hidden & valid, wide, asked.buffer)
    inner = (slice(rows, rows + grid.shape[0]), slice(columns, columns + grid.shape[1]))
    return (seen & ~hidden)[inner]


def _grown(hidden: np.ndarray, grid: Grid, buffer: float) -> np.ndarray:
    """Each pixel whose centre is within ``buffer`` of a hidden one's; a shift at a time."""
    grown = hidden.copy()
    down, across = int(buffer / grid.height + 1e-6), int(buffer / grid.width + 1e-6)
    height, width = hidden.shape
    for row in range(-down, down + 1):
        for column in range(-across, across + 1):
            distance = math.hypot(row * grid.height, column * grid.width)
            if distance > buffer * (1 + 1e-9):
                continue
            source = hidden[
                max(0, -row) : height - max(0, row), max(0, -column) : width - max(0, column)
            ]
            grown[max(0, row) : height + min(0, row), max(0, column) : width + min(0, column)] |= (
                source
            )
    return grown


def _fused(
    layers: Sequence[Layer], grid: Grid, *, is_scaled: bool = True, are_bits: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's first value of the layers, float64 and NaN, and where there is one."""
    fused = np.full(grid.shape, np.nan)
    for layer in layers:
        values, valid = _nearest(layer, grid, are_bits)
        new = valid & np.isnan(fused)
        if is_scaled:
            values = values * layer.scale + layer.offset
            steps = layer.offset / layer.scale
            if abs(steps - round(steps)) < 1e-6:
                # 1000 × 0.0001 − 0.1 is zero, which it would not quite be in binary numbers.
                values = (_nearest(layer, grid, are_bits)[0] + round(steps)) * layer.scale
        fused[new] = values[new]
    return fused, ~np.isnan(fused)


def _nearest(layer: Layer, grid: Grid, are_bits: bool) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = _lookup(layer.grid, grid)
    height, width = layer.pixels.shape
    valid = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    values = layer.pixels[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    values = values.astype(np.float64)
    if are_bits:
        fill = int(layer.nodata or 0)
        valid &= (values.astype(np.int64) & fill) != fill if fill else True
    elif layer.nodata is not None:
        valid &= values != layer.nodata
    return values, valid & ~np.isnan(values)


def band_of_day(layers: Sequence[Layer], grid: Grid) -> np.ndarray:
    """One band of one day on a grid: float64 reflectance, NaN where no scene has a value."""
    return _fused(layers, grid)[0]


def clear_of_day(scenes: Sequence[Scene], grid: Grid, masked: frozenset[int] | None) -> np.ndarray:
    """Where a day is clear on a grid, by masks of classes."""
    asked = Asked((), shapely.Polygon(), grid.crs, is_extent=True, masked=masked)
    return _clear(scenes, grid, asked)


def transformed(geometry: shapely.Geometry, source: str, target: str) -> shapely.Geometry:
    """A geometry in another CRS, vertex by vertex."""
    return _in_crs(geometry, source, target, is_densified=False)


@lru_cache(maxsize=64)
def _lookup(source: Grid, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The source's row and column at each centre; on an edge the higher one."""
    x, y = grid.centres()
    if source.crs != grid.crs:
        x, y = _transformer(grid.crs, source.crs).transform(x, y)
    rows = np.floor((source.top - y) / source.height + 1e-6).astype(int)
    columns = np.floor((x - source.left) / source.width + 1e-6).astype(int)
    return rows, columns


def _in_crs(
    geometry: shapely.Geometry, source: str, target: str, *, is_densified: bool = True
) -> shapely.Geometry:
    if source == target:
        return geometry
    transformer = _transformer(source, target)
    if is_densified:
        west, south, east, north = geometry.bounds
        geometry = shapely.segmentize(geometry, max(east - west, north - south) / 100)
    return shapely.transform(geometry, lambda xy: np.column_stack(transformer.transform(*xy.T)))


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)
