"""What the check of the offsets costs on a network: requests counted by a loopback server."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.science.imagery.checked_offsets import check_offsets
from fairweather.core.science.imagery.readers import Readers
from fairweather.core.science.imagery.scene import Fault
from fairweather.core.science.reporter import RecordingReporter

BANDS = ("red", "nir", "swir16")
MASKED = (3, 8, 9, 10)
EDGE = 1280


def _land(shape):
    """Dark in the north, and rough, so that it does not compress to nothing."""
    noise = np.random.default_rng(5).integers(0, 64, shape)
    return (np.linspace(200, 4000, shape[0])[:, np.newaxis] + noise).astype("uint16")


@pytest.fixture
def published(scenes, grid, serve_files, tmp_path):
    """A function: scenes of one place behind a server, the second of which is wrong."""
    server = serve_files(tmp_path)

    def publish(overviews, days=3):
        place = grid(shape=(EDGE, EDGE))
        pixels = _land(place.shape)
        sources = {
            band: scenes.source(pixels, place, overviews=overviews, offset=0.0) for band in BANDS
        }
        mask = scenes.source(np.full(place.shape, 4, "uint8"), place, overviews=overviews)
        sources = {name: served(source) for name, source in sources.items()}
        wrong = {name: replace(source, offset=-0.1) for name, source in sources.items()}
        return [
            scenes.scene(
                day, wrong if day == 2 else sources, served(mask), place, name=f"day-{day}"
            )
            for day in range(1, days + 1)
        ]

    def served(source):
        return replace(source, href=server.href(source.href))

    return publish, server


def check(found, tmp_path, profile="sentinel-2-l2a", masked=MASKED):
    reporter = RecordingReporter()
    with Readers(4, tmp_path) as readers:
        return check_offsets(found, find_profile(profile), masked, readers, reporter), reporter


def test_at_most_two_bands_and_the_mask_and_only_overviews(published, tmp_path):
    publish, server = published
    scenes = publish((2, 4, 8))
    settled, reporter = check(scenes, tmp_path)
    assert [scene.bands["nir"].offset for scene in settled] == [0.0, 0.0, 0.0]
    assert "by the pixels" in settled[1].encoding
    assert settled[0] is scenes[0]
    (warning,) = reporter.warnings
    assert warning.endswith("day-2.")
    asked = {one.name for one in server.asked}
    sampled = [scenes[0].bands["red"], scenes[0].bands["nir"], scenes[0].mask]
    assert asked == {source.href.rsplit("/", 1)[1] for source in sampled}
    # Of each file its header and one overview, which each scene reads: here they share their files.
    size = {name: (tmp_path / name).stat().st_size for name in asked}
    for name in asked:
        got = [one for one in server.asked if one.name == name]
        assert len(got) <= 4
        assert sum(one.stop - one.start for one in got) < 64 * 1024 + len(scenes) * size[name] / 16


def test_a_scene_without_overviews_is_not_sampled(published, tmp_path):
    publish, server = published
    scenes = publish(())
    settled, reporter = check(scenes, tmp_path)
    assert settled == scenes
    assert not reporter.warnings
    assert all(one.is_header for one in server.asked)


def test_a_large_jpeg_2000_is_not_sampled(published, tmp_path):
    """Its overviews are decoded from the tiles of full resolution: that would be all of it."""
    publish, server = published
    options = {"driver": "JP2OpenJPEG", "QUALITY": 100, "REVERSIBLE": "YES"}

    def as_jpeg2000(source):
        path = tmp_path / source.href.rsplit("/", 1)[1]
        with rasterio.open(path) as dataset:
            pixels, profile = dataset.read(), dataset.profile
        grid = {key: profile[key] for key in ("width", "height", "count", "dtype", "crs")}
        path = path.with_suffix(".jp2")
        with rasterio.open(
            path, "w", **grid, transform=profile["transform"], **options, blockxsize=256,
            blockysize=256,
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
        return replace(source, href=server.href(path))

    (scene,) = publish((2, 4, 8), days=1)
    bands = {name: as_jpeg2000(source) for name, source in scene.bands.items()}
    scene = replace(scene, bands=bands)
    settled, _ = check([scene], tmp_path)
    assert settled == [scene]
    assert all(one.stop - one.start <= 32 * 1024 for one in server.asked)
    assert len(server.asked) <= 4


def test_what_cannot_be_wrong_is_not_read(published, tmp_path):
    publish, server = published
    scenes = publish((2, 4, 8))
    assert check(scenes, tmp_path, "sentinel-2-c1-l2a")[0] == scenes
    assert not server.asked


def test_a_scene_that_cannot_be_read_is_not_used(published, tmp_path):
    publish, server = published
    scenes = publish((2, 4, 8))
    mask = scenes[0].mask.href
    server.fail(mask, "404", for_good=True)
    settled, reporter = check(scenes, tmp_path)
    assert not reporter.warnings
    fault = Fault(mask, "the server answers 404, so that its brightness could not be checked")
    assert {source.fault for scene in settled for source in scene.bands.values()} == {fault}
    assert [scene.mask for scene in settled] == [scene.mask for scene in scenes]
    # Whoever tries again asks for nothing that is gone for good.
    assert sum(one.name == mask.rsplit("/", 1)[1] for one in server.asked) == 1
