"""A small picture of a finished raster, as a person would look at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

NATURAL_COLOUR = ("red", "green", "blue")
STRETCH_PERCENTILES = (2, 98)
# Dark to bright, and told apart in every kind of colour blindness: after viridis.
RAMP = (
    (68, 1, 84),
    (70, 50, 126),
    (54, 92, 141),
    (39, 127, 142),
    (31, 161, 135),
    (74, 193, 109),
    (160, 218, 57),
    (253, 231, 37),
)


@dataclass(frozen=True)
class Preview:
    """A picture of a raster: the bytes of a PNG, and what its colours mean.

    ``bands`` are the names of the three bands shown as red, green and blue, or of the one band
    that is shown in the colours of ``RAMP``; ``lowest`` and ``highest`` are the values, in the
    raster's units, of the darkest and the brightest colour.
    """

    png: bytes
    bands: tuple[str, ...]
    lowest: float
    highest: float


def make_preview(raster: Path, longest_side: int) -> Preview:
    """A picture of ``raster``, read from its overviews; pixels without data are transparent.

    Red, green and blue are shown in natural colour where the raster has bands of these names;
    else its first band is shown in colours from dark to bright. All is stretched from the 2nd to
    the 98th percentile of what is shown.

    Args:
        raster: any raster GDAL can read; its scale and offset are applied.
        longest_side: of the picture, in pixels; it is never larger than the raster.
    """
    with rasterio.open(raster) as dataset:
        names = [name or f"band {index}" for index, name in enumerate(dataset.descriptions, 1)]
        shown = NATURAL_COLOUR if set(NATURAL_COLOUR) <= set(names) else (names[0],)
        shrink = min(1.0, longest_side / max(dataset.shape))
        height, width = (max(1, round(side * shrink)) for side in dataset.shape)
        indexes = [names.index(name) + 1 for name in shown]
        pixels = dataset.read(
            indexes, out_shape=(len(indexes), height, width), resampling=Resampling.average
        ).astype(np.float64)
        seen = dataset.read_masks(
            indexes, out_shape=(len(indexes), height, width), resampling=Resampling.nearest
        )
        scales = np.array([dataset.scales[index - 1] for index in indexes])
        offsets = np.array([dataset.offsets[index - 1] for index in indexes])
        grid = dataset.transform @ Affine.scale(dataset.width / width, dataset.height / height)
        # At an edge the averaged pixel and its mask may come from different pixels.
        is_data = np.isfinite(pixels) & (pixels != dataset.nodata) & (seen > 0)
    valid = is_data.all(axis=0)
    values = pixels * scales[:, np.newaxis, np.newaxis] + offsets[:, np.newaxis, np.newaxis]
    lowest, highest = _stretch(values[:, valid])
    shares = np.where(valid, (values - lowest) / (highest - lowest), 0).clip(0, 1)
    colours = shares * 255 if len(shown) == 3 else _ramp_colours(shares[0])
    picture = np.concatenate([colours, valid[np.newaxis] * 255]).round().astype(np.uint8)
    return Preview(_encode_png(picture, grid), tuple(shown), lowest, highest)


def _stretch(values: NDArray[np.float64]) -> tuple[float, float]:
    """One range for all bands, so that grey stays grey."""
    if values.size == 0:
        return 0.0, 1.0
    lowest, highest = (float(value) for value in np.percentile(values, STRETCH_PERCENTILES))
    return (lowest, highest) if highest > lowest else (lowest - 0.5, lowest + 0.5)


def _ramp_colours(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Red, green and blue, shape (3, height, width), of shares from 0 to 1."""
    stops = np.linspace(0, 1, len(RAMP))
    return np.stack([np.interp(shares, stops, channel) for channel in zip(*RAMP, strict=True)])


def _encode_png(picture: NDArray[np.uint8], grid: Affine) -> bytes:
    count, height, width = picture.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="PNG", count=count, height=height, width=width, dtype="uint8", transform=grid
        ) as dataset:
            dataset.write(picture)
        return bytes(memory.read())
