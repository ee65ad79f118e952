"""Overviews that are damaged for good: the check of the offsets takes finer ones."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fairweather.core.bridge.errors import ReadError
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.science.composite import run_key
from fairweather.core.science.imagery import overview_samples
from fairweather.core.science.imagery.checked_offsets import check_offsets
from fairweather.core.science.imagery.readers import Readers
from fairweather.core.science.imagery.reading import BlockReader, choose_level
from fairweather.core.science.reporter import RecordingReporter
from odc.geo.geobox import GeoBox
from range_server import tile_places

# Of overviews by 2, 4 and 8, the sample's is the second, of 320 pixels.
EDGE = 1280
OVERVIEWS = (2, 4, 8)
FULL, HALF, QUARTER = 0, 1, 2
DAYS = 5
LIAR = 2


@pytest.fixture
def found(scenes, grid):
    """Scenes of one place, of which one item lies: the offset is still in its pixels.

    It has files of its own, the others have theirs in common.
    """
    place = grid(shape=(EDGE, EDGE))
    noise = np.random.default_rng(5).integers(0, 64, place.shape)
    land = (np.linspace(200, 4000, EDGE)[:, np.newaxis] + noise).astype("uint16")

    def files(pixels):
        clear = np.full(place.shape, 4, "uint8")
        bands = {band: scenes.source(pixels, place, overviews=OVERVIEWS) for band in ("red", "nir")}
        mask = scenes.source(clear, place, overviews=OVERVIEWS, scale=1.0)
        return bands, replace(mask, is_mask=True)

    true, wrong = files(land), files(land + np.uint16(1000))
    return [
        scenes.scene(day + 1, *(wrong if day == LIAR else true), place, name=f"day-{day}")
        for day in range(DAYS)
    ]


def check(scenes, tmp_path):
    reporter = RecordingReporter()
    with Readers(4, tmp_path) as readers:
        profile = find_profile("sentinel-2-l2a")
        return check_offsets(scenes, profile, (3, 8, 9, 10), readers, reporter), reporter


def damage(source, *levels):
    """Make the tiles of a file's levels undecodable."""
    path = Path(source.href)
    content = bytearray(path.read_bytes())
    for level in levels:
        for offset, size in tile_places(path, level - 1 if level else None).values():
            content[offset : offset + size] = bytes(size)
    path.write_bytes(content)


@pytest.mark.parametrize("levels", [(QUARTER,), (QUARTER, HALF)])
@pytest.mark.parametrize("of", ["red", "nir", "mask"])
def test_finer_overviews_tell_the_same(found, tmp_path, of, levels):
    liar = found[LIAR]
    damage(liar.mask if of == "mask" else liar.bands[of], *levels)
    settled, reporter = check(found, tmp_path)
    assert {source.offset for source in settled[LIAR].bands.values()} == {-0.1}
    assert [one for number, one in enumerate(settled) if number != LIAR] == [
        one for number, one in enumerate(found) if number != LIAR
    ]
    (warning,) = reporter.warnings
    assert warning.endswith("the one that fits the pixels was used: day-2.")
    assert all(source.fault is None for source in settled[LIAR].bands.values())


def test_a_neighbour_is_sampled_from_a_finer_overview_too(found, tmp_path):
    """Without it, two would be left: too few to be sure."""
    own = tmp_path / "own.tif"
    shutil.copy(found[0].bands["red"].href, own)
    red = replace(found[0].bands["red"], href=str(own))
    neighbour = replace(found[0], bands={**found[0].bands, "red": red})
    damage(red, QUARTER)
    settled, reporter = check([neighbour, *found[1:4]], tmp_path)
    assert settled[LIAR].bands["red"].offset == -0.1
    (warning,) = reporter.warnings
    assert warning.endswith("the one that fits the pixels was used: day-2.")


@pytest.mark.parametrize("of", ["red", "mask"])
def test_where_no_level_can_be_read_the_bands_are_not_either(found, tmp_path, of):
    scene = found[LIAR]
    file = scene.mask if of == "mask" else scene.bands[of]
    damage(file, FULL, HALF, QUARTER)
    settled, reporter = check(found, tmp_path)
    assert not reporter.warnings
    assert settled[LIAR].mask == scene.mask
    with Readers(1, tmp_path) as readers:
        for source in settled[LIAR].bands.values():
            with pytest.raises(ReadError, match="brightness could not be checked") as caught:
                BlockReader(source.geobox[:9, :9], readers.files).read(source)
            assert caught.value.href == file.href
            assert "is broken" in caught.value.reason


def test_finer_overviews_that_are_too_large_are_not_read(found, tmp_path, monkeypatch):
    monkeypatch.setattr(overview_samples, "MOST_TIMES_AS_LONG_AGAIN", 2)
    damage(found[LIAR].bands["red"], QUARTER)
    settled, _ = check(found, tmp_path)
    assert all(source.fault for source in settled[LIAR].bands.values())


def test_blocks_that_did_not_need_such_a_scene_may_be_taken_up(found, tmp_path):
    """What decides a block is the same with and without the fault."""
    damage(found[LIAR].mask, FULL, HALF, QUARTER)
    settled, _ = check(found, tmp_path)
    assert settled[LIAR].bands["red"].fault
    assert run_key._plain(settled[LIAR]) == run_key._plain(found[LIAR])


def test_levels_that_are_finer_than_need_be(grid):
    place = grid(shape=(EDGE, EDGE))
    geobox = GeoBox(place.shape, place.transform, place.crs)
    # Overviews that were made one after the other may lie in any order.
    levels = (geobox, geobox.zoom_to(EDGE // 4), geobox.zoom_to(EDGE // 8), geobox.zoom_to(640))
    block = geobox.zoom_to(256)
    assert [choose_level(levels, block, finer) for finer in range(4)] == [1, 3, 0, 0]
    assert choose_level(levels, geobox.zoom_to(2 * EDGE), 1) == 0
