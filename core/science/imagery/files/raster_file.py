"""What every raster file offers, whoever reads it, and the error of one that cannot be read."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Protocol

import numpy as np
import rasterio
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from pyproj.exceptions import ProjError

from ....bridge.errors import ReadError
from ...plain_crs import names_files
from ...web.addresses import without_query
from .file_versions import DamagedError, ReplacedError
from .patience import HostDownError

# Rows and columns.
Window = tuple[slice, slice]

# The area of a pixel, in the CRS's units squared: of a nanometre, and of more than the Earth.
SMALLEST_PIXEL, LARGEST_PIXEL = 1e-18, 1e18


class Pixels(Protocol):
    """Pixels on the levels of a file."""

    def read(self, level: int, window: Window, whole: Window) -> np.ndarray:
        """The pixels of a window that lies inside the level, in their own dtype.

        They are not to be written to. ``whole`` is what all blocks together read of the level.

        Raises:
            ReadError: the file cannot be read.
        """


class RasterFile(Pixels, Protocol):
    """The first band of a file.

    ``levels`` are the pixel grids: full resolution, then the overviews, ever coarser.
    ``tile_shapes`` are the height and width of the pieces that each level is stored in.
    ``stores_overviews`` says that these are pieces of their own, so that less of the file is read
    for a coarser level. ``nodata`` is the number that the file itself says is none, and ``mask``
    (uint8) is 0 where the file hides its pixels otherwise: by a mask of its own or an alpha band.
    """

    @property
    def levels(self) -> tuple[GeoBox, ...]:
        """The pixel grids."""

    @property
    def tile_shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level's tiles."""

    @property
    def stores_overviews(self) -> bool:
        """Whether a coarser level takes fewer bytes to read."""

    @property
    def nodata(self) -> float | None:
        """The file's own nodata value, None without."""

    @property
    def mask(self) -> Pixels | None:
        """Where the file's pixels count, None for everywhere."""


def read_error(href: str, reason: object) -> ReadError:
    """The error of a file that cannot be opened or read."""
    if isinstance(reason, ReplacedError | DamagedError):
        return ReadError(
            f"{without_query(href)} cannot be read: {reason}; run again, or leave its scene out.",
            href,
            str(reason),
            is_replaced=isinstance(reason, ReplacedError),
        )
    return ReadError(
        f"{without_query(href)} cannot be read ({reason}); check the connection and that the file "
        "is there, or leave its scene out.",
        href,
        str(reason),
        host_is_down=isinstance(reason, HostDownError),
    )


def read_grid(href: str, dataset: rasterio.DatasetReader) -> GeoBox:
    """The pixel grid of a dataset that GDAL has opened.

    Raises:
        ReadError: it tells no CRS, one that leads to other files, or no place on the Earth.
    """
    if dataset.crs is None:
        raise no_crs_error(href)
    if names_files(dataset.crs.to_wkt()):
        raise read_error(href, "its CRS names other files")
    try:
        grid = GeoBox.from_rio(dataset)
    except (ProjError, ValueError) as error:
        raise read_error(href, "its CRS is not known") from error
    check_grid(href, grid)
    return grid


def check_grid(href: str, grid: GeoBox) -> None:
    """Check that every pixel of a file has a place on the Earth, and every place its pixel.

    Raises:
        ReadError: the CRS is that of heights, of a drawing or of another planet, or the pixels
            have no size.
    """
    if not _is_of_the_earth(str(grid.crs)):
        raise read_error(href, "its CRS is none of places on the Earth")
    area = abs(grid.transform.determinant)
    if not (all(map(math.isfinite, grid.transform)) and SMALLEST_PIXEL < area < LARGEST_PIXEL):
        raise read_error(href, "its pixels have no size")


@lru_cache(maxsize=256)
def _is_of_the_earth(crs: str) -> bool:
    try:
        known = CRS(crs)
        Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    except ProjError:
        return False
    return bool(known.projected or known.geographic)


def no_crs_error(href: str) -> ReadError:
    """The error of a file whose place is not known."""
    return ReadError(
        f"{without_query(href)} has no CRS, so its place is unknown; leave its scene out.",
        href,
        "it has no CRS",
    )
