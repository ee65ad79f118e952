"""Write the invented pixels as Cloud Optimized GeoTIFFs, and a small picture of each scene."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from ..whole_file import write_flushed
from .landscape import BANDS, LAND_COVERS, reflectance_curves
from .scenes import BAND_RESOLUTIONS, NODATA, OFFSET, SCALE, Pass, Scene, SceneMaker
from .tiles import COARSE_RESOLUTION, FINE_RESOLUTION

SYNTHETIC = "SYNTHETIC sample data made by Fairweather; not an observation of any place"
THUMBNAIL_STEP = 4
BRIGHTEST_IN_THUMBNAIL = 0.25
COG_OPTIONS = {
    "blocksize": 256,
    "compress": "DEFLATE",
    "level": 3,
    "overview_resampling": "nearest",
    # Files are written side by side, a thread each; more threads in each would only add waiting.
    "num_threads": 1,
}


def write_scene(scene: Scene, folder: Path) -> None:
    """Write the scene's assets into ``folder``: ``red.tif`` and so on, ``scl.tif``, a thumbnail."""
    tags = {"ACQUISITION": scene.time.isoformat()}
    for name, pixels in scene.pixels.items():
        grid = scene.tile.grid(BAND_RESOLUTIONS.get(name, COARSE_RESOLUTION))
        profile: dict[str, Any] = {**grid, "nodata": NODATA}
        write_cog(folder / f"{name}.tif", {name: pixels}, profile, tags, packed=name in BANDS)
    _write_thumbnail(scene, folder / "thumbnail.png")


def write_truth(maker: SceneMaker, passes: Sequence[Pass], folder: Path) -> None:
    """Write the cloud-free values of one tile into ``folder``; the collection says what is what."""
    days_of_year = np.array([each.time.timetuple().tm_yday for each in passes])
    # Brightness is the same on each day, so the median of the curves gives the median of pixels.
    medians = np.median(reflectance_curves(days_of_year), axis=1)
    classes = ", ".join(f"{each.number} {each.name}" for each in LAND_COVERS)
    for resolution, land in maker.lands.items():
        grid = maker.tile.grid(resolution)
        truth = {
            band: (medians[:, index][land.cover] * land.brightness).astype(np.float32)
            for index, band in enumerate(BANDS)
            if BAND_RESOLUTIONS[band] == resolution
        }
        ground = {
            "land cover": land.cover.astype(np.uint16),
            "brightness in thousandths": np.rint(land.brightness * 1000).astype(np.uint16),
        }
        stem = f"{maker.tile.name}_%s_{resolution}m.tif"
        write_cog(folder / (stem % "median"), truth, grid, {})
        write_cog(folder / (stem % "land"), ground, grid, {"LAND_COVER": classes})


def write_cog(
    path: Path,
    layers: dict[str, NDArray],
    profile: dict[str, Any],
    tags: dict[str, str],
    *,
    packed: bool = False,
) -> None:
    """Write ``layers`` (one dtype and shape) as the bands of one Cloud Optimized GeoTIFF.

    ``packed`` says in the file, too, that reflectance = pixel * SCALE + OFFSET.
    """
    pixels = np.stack(list(layers.values()))
    with MemoryFile() as memory, MemoryFile() as cog:
        with memory.open(
            driver="GTiff", count=len(layers), dtype=pixels.dtype, **profile
        ) as dataset:
            dataset.update_tags(TIFFTAG_IMAGEDESCRIPTION=SYNTHETIC, SYNTHETIC="YES", **tags)
            dataset.write(pixels)
            dataset.descriptions = tuple(layers)
            if packed:
                dataset.scales, dataset.offsets = [SCALE] * len(layers), [OFFSET] * len(layers)
        # Unlike a dataset in mode "w", this leaves Python to other threads while it compresses.
        rasterio.shutil.copy(memory.name, cog.name, driver="COG", **COG_OPTIONS)
        write_flushed(path, cog.getbuffer())


def _write_thumbnail(scene: Scene, path: Path) -> None:
    step = slice(None, None, THUMBNAIL_STEP)
    counts = np.stack([scene.pixels[band][step, step] for band in ("red", "green", "blue")])
    reflectance = counts.astype(np.float32) * SCALE + OFFSET
    picture = np.zeros((4, *counts.shape[1:]), np.uint8)
    picture[:3] = np.clip(reflectance / BRIGHTEST_IN_THUMBNAIL, 0, 1) * 255
    picture[3] = (counts[0] != NODATA) * 255
    grid = scene.tile.grid(FINE_RESOLUTION * THUMBNAIL_STEP)
    with MemoryFile() as memory:
        with memory.open(driver="PNG", count=4, dtype="uint8", **grid) as dataset:
            dataset.write(picture)
        write_flushed(path, memory.getbuffer())
