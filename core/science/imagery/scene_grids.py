"""The pixel grids of scenes, from their items or, where an item tells none, from its files."""

from __future__ import annotations

from dataclasses import replace

from odc.geo.geobox import GeoBox

from .reading import gdal_options, read_geobox
from .scene import Scene


def with_grids(scene: Scene) -> Scene:
    """The scene with the grid of each band.

    Raises:
        ReadError: the item tells no grid and the file cannot be opened.
    """
    if all(source.geobox is not None for source in scene.bands.values()):
        return scene
    with gdal_options():
        bands = {
            name: source if source.geobox else replace(source, geobox=read_geobox(source))
            for name, source in scene.bands.items()
        }
    return replace(scene, bands=bands)


def band_grids(scene: Scene) -> list[GeoBox]:
    """The known grids of the scene's bands."""
    return [source.geobox for source in scene.bands.values() if source.geobox is not None]


def finest_grid(scene: Scene) -> GeoBox:
    """The grid with the smallest pixels; of several, that of the first band."""
    return min(band_grids(scene), key=lambda grid: abs(float(grid.transform.a)))
