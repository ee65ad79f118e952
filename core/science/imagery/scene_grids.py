"""The pixel grids of scenes, from their items or, where an item tells none, from its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from odc.geo.geobox import GeoBox

from ...bridge.errors import ReadError
from ..solar_day import solar_day
from .files.raster_files import RasterFiles
from .losses import Loss, loss_of, mostly_unreadable
from .readers import Readers
from .scene import Scene


def locate_scenes(
    scenes: Sequence[Scene], readers: Readers, skips_unreadable: bool
) -> tuple[list[Scene], list[Loss]]:
    """The scenes with the grid of each band, and what is lost of those whose grid cannot be read.

    Raises:
        ReadError: one cannot be read and is not to be skipped, or most cannot be read.
    """

    def locate(scene: Scene) -> Scene | Loss:
        try:
            return with_grids(scene, readers.files)
        except ReadError as error:
            if not skips_unreadable:
                raise
            return loss_of(_day_of(scene), [scene], error)

    found = list(readers.map(locate, scenes))
    losses = [loss for loss in found if isinstance(loss, Loss)]
    if 2 * len(losses) > len(scenes):
        raise mostly_unreadable(len(losses), len(scenes), losses)
    return [scene for scene in found if isinstance(scene, Scene)], losses


def _day_of(scene: Scene) -> date:
    """The scene's own solar day; that of UTC where its place is not known."""
    place = scene.footprint.representative_point()
    return solar_day(scene.moment, 0 if place.is_empty else place.x)


def with_grids(scene: Scene, files: RasterFiles) -> Scene:
    """The scene with the grid of each band.

    Raises:
        ReadError: the item tells no grid and the file cannot be opened.
    """
    if all(source.geobox is not None for source in scene.bands.values()):
        return scene
    bands = {
        name: source if source.geobox else replace(source, geobox=files.open(source.href).levels[0])
        for name, source in scene.bands.items()
    }
    return replace(scene, bands=bands)


def band_grids(scene: Scene) -> list[GeoBox]:
    """The known grids of the scene's bands."""
    return [source.geobox for source in scene.bands.values() if source.geobox is not None]


def finest_grid(scene: Scene) -> GeoBox:
    """The grid with the smallest pixels; of several, that of the first band."""
    return min(band_grids(scene), key=lambda grid: abs(float(grid.transform.a)))
