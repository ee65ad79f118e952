"""Small samples of scenes, read from their overviews, for the check of their offsets."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
from odc.geo.geobox import GeoBox

from ...bridge.errors import ReadError
from ...bridge.profiles import CollectionProfile
from .files.raster_files import RasterFiles
from .masks import MaskReader
from .offset_check import FEWEST_BANDS, OverviewSample
from .reading import BlockReader, choose_level
from .scene import Scene, SourceBand
from .scene_days import SceneDay

OVERVIEW_PIXELS = 256  # along the longer side of a scene

# An overview is cheap if it is at most so many times as long as the sample; for the few scenes
# whose own cannot be read, so many.
MOST_TIMES_AS_LONG = 4
MOST_TIMES_AS_LONG_AGAIN = 16


def sampled_bands(scene: Scene) -> dict[str, SourceBand]:
    """The bands that a sample is read of: the first, and the next of the same offset."""
    first = next(iter(scene.bands.values()))
    alike = [pair for pair in scene.bands.items() if pair[1].offset == first.offset]
    return dict(alike[:FEWEST_BANDS])


def is_cheap_to_sample(scene: Scene, files: RasterFiles, finer: int = 0) -> bool:
    """Whether the scene's files store overviews of the sample's size, or are small.

    With ``finer``, whether this holds, less strictly, for overviews that are so many levels finer.

    Raises:
        ReadError: a file cannot be opened, or the grid is not known.
    """
    grid = _grid_of_sample(scene)
    most = OVERVIEW_PIXELS * (MOST_TIMES_AS_LONG_AGAIN if finer else MOST_TIMES_AS_LONG)
    sources = [*sampled_bands(scene).values(), *([scene.mask] if scene.mask else [])]
    for source in sources:
        file = files.open(source.href)
        level = choose_level(file.levels, grid, finer) if file.stores_overviews else 0
        if max(file.levels[level].shape) > most:
            return False
    return True


def sample_scene(
    scene: Scene,
    profile: CollectionProfile,
    masked_classes: tuple[int, ...] | None,
    reader_of: Callable[[GeoBox], BlockReader],
) -> OverviewSample:
    """The clear pixels of a scene's overviews.

    Args:
        scene: whose first band has a grid.
        profile: of the collection.
        masked_classes: classes or bits that are not clear, None where nothing is masked.
        reader_of: makes the reader for a small grid over the scene, at most ``OVERVIEW_PIXELS``
            long.

    Raises:
        ReadError: a file cannot be read, or the grid is not known.
    """
    grid = _grid_of_sample(scene)
    reader = reader_of(grid)
    day = SceneDay(scene.moment.date(), (scene,))
    clear = MaskReader(reader, masked_classes).clear_pixels(day, np.ones(grid.shape, bool))
    numbers = {}
    for band, source in sampled_bands(scene).items():
        read = reader.read(source)
        if read is not None:
            values, valid = read
            numbers[band] = values[valid & clear]
    first = next(iter(scene.bands.values()))
    other = 0.0 if first.offset else profile.offset
    place = place_of(scene)
    return OverviewSample(scene.id, scene.moment, place, numbers, first.scale, first.offset, other)


def place_of(scene: Scene) -> Hashable:
    """What scenes of the same ground have in common; None where the scene's grid is not known."""
    grid = next(iter(scene.bands.values())).geobox
    return None if grid is None else (str(grid.crs), grid.transform, tuple(grid.shape))


def _grid_of_sample(scene: Scene) -> GeoBox:
    first = next(iter(scene.bands.values()))
    if first.geobox is None:
        raise ReadError(f"The grid of {scene.id} is not known; leave the scene out.")
    return first.geobox.zoom_to(min(OVERVIEW_PIXELS, max(first.geobox.shape)))
