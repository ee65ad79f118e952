"""What every raster file offers, whoever reads it, and the error of one that cannot be read."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS

from ....bridge.errors import ReadError
from ...plain_crs import names_files
from ...web.addresses import without_query
from .patience import HostDownError

# Rows and columns.
Window = tuple[slice, slice]


class RasterFile(Protocol):
    """The first band of a file.

    ``levels`` are the pixel grids: full resolution, then the overviews, ever coarser.
    ``tile_shapes`` are the height and width of the pieces that each level is stored in.
    ``stores_overviews`` says that these are pieces of their own, so that less of the file is read
    for a coarser level. ``nodata`` is the number that the file itself says is none.
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

    def read(self, level: int, window: Window, whole: Window) -> np.ndarray:
        """The pixels of a window that lies inside the level, in the file's dtype.

        They are not to be written to. ``whole`` is what all blocks together read of the level.

        Raises:
            ReadError: the file cannot be read.
        """


def read_error(href: str, reason: object) -> ReadError:
    """The error of a file that cannot be opened or read."""
    return ReadError(
        f"{without_query(href)} cannot be read ({reason}); check the connection and that the file "
        "is there, or leave its scene out.",
        href,
        str(reason),
        host_is_down=isinstance(reason, HostDownError),
    )


def check_crs(href: str, crs: CRS | None) -> None:
    """Check the CRS that a file tells.

    Raises:
        ReadError: it tells none, or one that leads to other files.
    """
    if crs is None:
        raise no_crs_error(href)
    if names_files(crs.to_wkt()):
        raise read_error(href, "its CRS names other files")


def no_crs_error(href: str) -> ReadError:
    """The error of a file whose place is not known."""
    return ReadError(
        f"{without_query(href)} has no CRS, so its place is unknown; leave its scene out.",
        href,
        "it has no CRS",
    )
