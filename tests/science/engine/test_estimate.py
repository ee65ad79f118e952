"""What a run will take, against what it then reads, and by plain arithmetic."""

import math
import os
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely
from affine import Affine
from fairweather.core.science.imagery import estimate
from fairweather.core.science.imagery.estimate import (
    Estimate,
    Reading,
    bytes_in_words,
    is_over_network,
    reading_of_scene,
    seconds_needed,
    tiles_read,
)
from fairweather.core.science.imagery.scene import Scene, SourceBand
from odc.geo.geobox import GeoBox

EDGE = 10_980
GRID = GeoBox((EDGE, EDGE), Affine(10, 0, 500_000, 0, -10, 5_100_000), "EPSG:32633")


def source(grid, href="red.tif"):
    return SourceBand(href, 0, 1e-4, -0.1, grid)


@pytest.fixture
def scene():
    coarse = GeoBox((EDGE // 2, EDGE // 2), GRID.transform * Affine.scale(2), GRID.crs)
    return Scene(
        id="a scene",
        moment=datetime(2024, 5, 1, tzinfo=UTC),
        footprint=shapely.box(15, 45, 16, 46),
        bands={"red": source(GRID), "swir16": source(coarse)},
        mask=source(None, "scl.tif"),
        encoding="",
        properties={},
    )


@pytest.mark.parametrize(("height", "width"), [(1, 1), (300, 700), (1024, 1024), (4000, 4000)])
def test_tiles_of_a_window_are_those_it_touches_on_average(height, width):
    generator = np.random.default_rng(1)
    counts = []
    for _ in range(4000):
        top, left = (int(generator.integers(0, EDGE - size)) for size in (height, width))
        rows = (top + height - 1) // 1024 - top // 1024 + 1
        columns = (left + width - 1) // 1024 - left // 1024 + 1
        counts.append(rows * columns)
    pixels, tiles = tiles_read((EDGE, EDGE), (height, width))
    assert tiles == pytest.approx(np.mean(counts), rel=0.05)
    assert pixels == pytest.approx(tiles * 1024**2, rel=0.05)


def test_no_more_is_read_than_the_file_holds():
    pixels, tiles = tiles_read((EDGE, EDGE), (EDGE, EDGE))
    assert (pixels, tiles) == (EDGE**2, 11**2)
    assert tiles_read((400, 300), (1, 1)) == (400 * 300, 1)


def test_a_scene_is_read_band_by_band_and_mask(scene):
    whole = reading_of_scene(scene, (1.0, 1.0))
    assert whole.files == 3
    # What an item does not tell of its mask is taken to be like its finest band.
    assert whole.mask_pixels == EDGE**2
    assert whole.band_pixels == EDGE**2 + (EDGE // 2) ** 2
    assert whole.compressed_bytes == pytest.approx(
        whole.band_pixels * 1.3 + whole.mask_pixels * 0.05
    )


def test_bands_are_read_only_where_the_mask_is_clear(scene):
    whole, half = (reading_of_scene(scene, (0.1, 0.1), clear=share) for share in (1.0, 0.5))
    assert half.mask_pixels == whole.mask_pixels
    assert half.band_pixels == pytest.approx(whole.band_pixels / 2)


def test_of_coarse_pixels_the_overviews_are_read(scene):
    whole = reading_of_scene(scene, (1.0, 1.0))
    for coarser, factor in ((1.9, 1), (2, 2), (3.9, 2), (16, 16)):
        read = reading_of_scene(replace(scene, mask=None), (1.0, 1.0), coarser=coarser)
        # The coarser band's own pixels are twice as large: its overviews come in later.
        own = max(1, factor // 2)
        expected = (EDGE / factor) ** 2 + (EDGE / 2 / own) ** 2
        assert read.band_pixels == pytest.approx(expected, rel=0.01)
        assert read.band_pixels <= whole.band_pixels


@pytest.mark.parametrize(
    ("coarser", "like"), [(0.0, 1.0), (math.nan, 1.0), (math.inf, 2.0**20), (1e300, 2.0**20)]
)
def test_of_grids_that_lie_something_is_estimated(scene, coarser, like):
    found = reading_of_scene(scene, (0.5, 0.5), coarser=coarser)
    assert found == reading_of_scene(scene, (0.5, 0.5), coarser=like)


def test_seconds_are_those_of_the_slowest_part_and_of_writing(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    reading = Reading(band_pixels=1.2e9, mask_pixels=0, tiles=1000, files=50)
    local = seconds_needed(reading, raw_output_bytes=0, is_remote=False)
    assert local == pytest.approx(1.2e9 / estimate.PIXELS_BY_PROCESSOR_SECOND / 2)
    masks = Reading(mask_pixels=1.2e9)
    assert seconds_needed(masks, raw_output_bytes=0, is_remote=False) < local / 4
    remote = seconds_needed(reading, raw_output_bytes=0, is_remote=True)
    assert remote == pytest.approx(1.2e9 * 1.3 / estimate.BYTES_BY_NETWORK_SECOND)
    small = Reading(band_pixels=1, mask_pixels=0, tiles=3200, files=0)
    waiting = seconds_needed(small, raw_output_bytes=0, is_remote=True)
    assert waiting == pytest.approx(3200 * 0.1 / estimate.READS_IN_FLIGHT)
    written = seconds_needed(reading, raw_output_bytes=120e6, is_remote=False)
    assert written == pytest.approx(local + 120e6 / estimate.RAW_BYTES_WRITTEN_BY_SECOND)


@pytest.mark.parametrize(
    ("hrefs", "expected"),
    [
        (["/data/red.tif", r"C:\data\red.tif", "C:/data/red.tif"], False),
        (["file:///data/red.tif"], False),
        (["http://127.0.0.1:8080/red.tif", "http://localhost/red.tif"], False),
        (["http://[::1]:8080/red.tif"], False),
        (["https://example.com/red.tif"], True),
        (["s3://bucket/red.tif"], True),
        (["/data/scl.tif", "https://example.com/red.tif"], True),
        ([], False),
    ],
)
def test_what_comes_from_another_machine(hrefs, expected):
    assert is_over_network(hrefs) is expected


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "1 kB"),
        (12_345, "12 kB"),
        (960_000, "1.0 MB"),
        (9_960_000, "10 MB"),
        (161e6, "161 MB"),
        (2.43e9, "2.4 GB"),
        (1234e9, "1,234 GB"),
    ],
)
def test_bytes_are_told_as_a_person_would(count, words):
    assert bytes_in_words(count) == words


def test_the_estimate_is_one_sentence():
    assert "in 1 block," in Estimate(1, 1, 1, 0, 0, 0).in_words()
    told = Estimate(48, 24, 40, 2.4e9, 161e6, 75).in_words()
    assert told == (
        "Estimate: 48 scenes on 24 days in 40 blocks, about 2.4 GB to read and 161 MB to write, "
        "in about 80 s."
    )
