"""Items whose pixels contradict what they say of the offset."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from affine import Affine
from fairweather.core.bridge.errors import ReadError
from fairweather.core.bridge.profiles import find_profile, load_profiles
from fairweather.core.science.imagery.offset_check import (
    OverviewSample,
    Unsampled,
    can_be_checked,
    findings_in_words,
    judge_offsets,
    settle_offsets,
)
from fairweather.core.science.imagery.overview_samples import sample_scene
from fairweather.core.science.imagery.scene import Scene, SourceBand, read_scenes
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

START = datetime(2025, 5, 1, 10, tzinfo=timezone.utc)
SURFACE = {"red": (0.02, 0.2), "nir": (0.04, 0.5), "swir16": (0.03, 0.35)}
DESERT = {"red": (0.2, 0.4), "nir": (0.25, 0.5), "swir16": (0.3, 0.6)}


def sample(day, told, true, surface=SURFACE, place="tile", pixels=3000, veil=0.0):
    """A day whose item says the offset ``told``, while that of its pixels is ``true``."""
    numbers = np.random.default_rng(day)
    published = {
        band: np.round((numbers.uniform(low, high, pixels) + veil - true) * 10_000).astype("uint16")
        for band, (low, high) in surface.items()
    }
    other = 0.0 if told else -0.1
    moment = START + timedelta(days=5 * day)
    return OverviewSample(f"day {day}", moment, place, published, 1e-4, told, other)


def verdicts(samples):
    return [(one.verdict, one.offset) for one in judge_offsets(samples)]


CONSISTENT_0, CONSISTENT = ("consistent", 0.0), ("consistent", -0.1)


@pytest.mark.parametrize("surface", [SURFACE, DESERT])
def test_true_words_are_left_alone(surface):
    samples = [sample(day, -0.1 * (day % 2), -0.1 * (day % 2), surface) for day in range(8)]
    assert verdicts(samples) == [CONSISTENT_0, CONSISTENT] * 4


def test_pixels_far_below_zero_have_the_offset_already():
    """As S2B_33UXP_20250302_0_L2A, which says that it was not applied."""
    samples = [sample(day, 0.0, 0.0) for day in range(5)]
    samples[2] = sample(2, -0.1, 0.0)
    assert (
        verdicts(samples)
        == [CONSISTENT_0, CONSISTENT_0, ("contradicted", 0.0)] + [CONSISTENT_0] * 2
    )


def test_even_alone_and_even_if_all_are_wrong():
    assert verdicts([sample(0, -0.1, 0.0)]) == [("contradicted", 0.0)]
    samples = [sample(day, -0.1, 0.0) for day in range(6)]
    assert verdicts(samples) == [("contradicted", 0.0)] * 6


def test_pixels_that_still_have_the_offset():
    samples = [sample(day, 0.0, 0.0) for day in range(7)]
    samples[3] = sample(3, 0.0, -0.1)
    expected = [CONSISTENT_0] * 7
    expected[3] = ("contradicted", -0.1)
    assert verdicts(samples) == expected


def test_wrong_neighbours_do_not_confuse():
    samples = [sample(day, 0.0, 0.0) for day in range(9)]
    samples[3], samples[5] = sample(3, 0.0, -0.1), sample(5, -0.1, 0.0)
    expected = [CONSISTENT_0] * 9
    expected[3], expected[5] = ("contradicted", -0.1), ("contradicted", 0.0)
    assert verdicts(samples) == expected


def test_a_veil_is_no_offset():
    """Haze scatters the less the longer the wave."""
    hazy = sample(3, 0.0, 0.0, {"red": (0.12, 0.3), "nir": (0.08, 0.5), "swir16": (0.04, 0.35)})
    samples = [sample(day, 0.0, 0.0) for day in range(7)]
    samples[3] = hazy
    assert verdicts(samples) == [CONSISTENT_0] * 7


def test_snow_between_green_days_is_no_offset():
    snow = sample(3, -0.1, -0.1, {"red": (0.5, 0.9), "nir": (0.45, 0.8), "swir16": (0.05, 0.2)})
    samples = [sample(day, -0.1, -0.1) for day in range(7)]
    samples[3] = snow
    assert verdicts(samples) == [CONSISTENT] * 7


def test_what_may_be_wrong_is_named_only():
    # One band and two neighbours are not enough.
    only_red = {"red": SURFACE["red"]}
    samples = [sample(day, 0.0, 0.0, only_red) for day in (0, 2)]
    samples.insert(1, sample(1, 0.0, -0.1, only_red))
    assert verdicts(samples) == [CONSISTENT_0, ("conflict", 0.0), CONSISTENT_0]
    # A desert is never dark: the word is possible, and yet does not fit the neighbours.
    samples = [sample(day, 0.0, 0.0, DESERT) for day in range(7)]
    samples[3] = sample(3, -0.1, 0.0, DESERT)
    assert verdicts(samples)[3] == ("conflict", -0.1)
    # Darker than anything should be, but alone.
    slightly = {"red": (0.065, 0.2), "nir": (0.2, 0.5)}
    assert verdicts([sample(0, -0.1, 0.0, slightly)]) == [("conflict", -0.1)]


def test_other_places_are_no_neighbours():
    samples = [sample(day, 0.0, 0.0) for day in range(6)]
    bright = [sample(day, 0.0, 0.0, DESERT, place="desert") for day in range(6)]
    assert verdicts([*samples, *bright]) == [CONSISTENT_0] * 12


def verdicts_without(samples, *lost):
    """The verdicts of the samples, of which those ``lost`` could not be taken."""
    unsampled = [Unsampled(samples[number].moment, samples[number].place) for number in lost]
    taken = [one for number, one in enumerate(samples) if number not in lost]
    return [(one.verdict, one.offset) for one in judge_offsets(taken, unsampled)]


def test_where_neighbours_could_not_be_sampled_a_doubt_is_told():
    samples = [sample(day, 0.0, 0.0) for day in range(7)]
    samples[3] = sample(3, 0.0, -0.1)
    doubt = ("conflict", 0.0)
    assert verdicts_without(samples, 0)[2] == ("contradicted", -0.1)
    assert verdicts_without(samples, 0, 1, 2, 4) == [doubt, CONSISTENT_0, CONSISTENT_0]
    assert verdicts_without(samples, 0, 1, 2, 4, 5, 6) == [doubt]
    # Without any that could not be sampled, a single scene is believed.
    assert verdicts([samples[3]]) == [CONSISTENT_0]


def test_where_the_last_neighbour_that_agrees_is_missing_a_doubt_is_told():
    """The others are a little brighter, and so is it: neither offset fits any more."""
    hazy = {band: (low + 0.03, high) for band, (low, high) in SURFACE.items()}
    samples = [sample(0, 0.0, -0.1), *(sample(day, 0.0, 0.0) for day in (1, 2, 3))]
    samples += [sample(day, 0.0, 0.0, hazy) for day in (4, 5)]
    assert verdicts(samples)[0] == ("contradicted", -0.1)
    brighter = [samples[0], samples[1], samples[4], samples[5]]
    assert verdicts(brighter)[0] == CONSISTENT_0
    assert verdicts_without([*brighter, samples[2]], 4)[0] == ("conflict", 0.0)


def test_a_bright_scene_that_its_neighbours_had_named_is_named_without_them():
    """Of a desert, the word that it has the offset still, though it fits the neighbours without."""
    samples = [sample(day, 0.0, 0.0, DESERT) for day in range(4)]
    samples[1] = sample(1, -0.1, 0.0, DESERT)
    assert verdicts(samples)[1] == ("conflict", -0.1)
    assert verdicts(samples[:3])[1] == CONSISTENT
    assert verdicts_without(samples, 3)[1] == ("conflict", -0.1)


def test_only_of_those_that_would_have_been_neighbours():
    alone = sample(3, 0.0, -0.1)
    elsewhere, unknown = (Unsampled(START, place) for place in ("elsewhere", None))
    assert judge_offsets([alone], [elsewhere])[0].verdict == "consistent"
    assert judge_offsets([alone], [unknown])[0].verdict == "conflict"
    samples = [sample(day, 0.0, 0.0) for day in range(9)]
    samples[4] = sample(4, 0.0, 0.0, {"red": (0.13, 0.3), "nir": (0.2, 0.5), "swir16": (0.14, 0.4)})
    before_all, between = (Unsampled(START + timedelta(days=days), "tile") for days in (-1, 17))
    assert judge_offsets(samples)[4].verdict == "consistent"
    assert judge_offsets(samples, [before_all])[4].verdict == "consistent"
    assert judge_offsets(samples, [between])[4].verdict == "conflict"


def test_too_few_clear_pixels_tell_nothing():
    assert verdicts([sample(0, -0.1, 0.0, pixels=100)]) == [CONSISTENT]
    assert verdicts([]) == []


def test_the_order_of_the_samples_does_not_matter():
    samples = [sample(day, 0.0, 0.0) for day in range(7)]
    samples[3] = sample(3, 0.0, -0.1)
    there, back = judge_offsets(samples), judge_offsets(samples[::-1])
    assert back == there[::-1]


def scene(name, offset):
    grid = GeoBox((1098, 1098), Affine(100, 0, 600_000, 0, -100, 4_900_020), "EPSG:32633")
    bands = {band: SourceBand(band, 0.0, 1e-4, offset, grid, "uint16") for band in ("red", "nir")}
    mask = SourceBand("scl", 0.0, 1.0, 0.0, grid, "uint8")
    return Scene(name, START, shapely.Polygon(), bands, mask, "as the item says", {})


class Reader:
    def __init__(self, block):
        self.block = block

    def read(self, source):
        numbers = np.random.default_rng(len(source.href))
        if source.href == "scl":
            values = np.full(self.block.shape, 4, "uint8")
            values[:10] = 9
        else:
            values = numbers.integers(300, 4000, self.block.shape).astype("uint16")
            values[:10] = 1  # under the cloud
            values[10:20] = 0  # no data
        return values, values != source.nodata


def test_a_scenes_overviews_become_a_sample():
    profile = find_profile("sentinel-2-l2a")
    found = sample_scene(scene("wrong", -0.1), profile, (3, 8, 9, 10), Reader)
    assert set(found.numbers) == {"red", "nir"}
    for numbers in found.numbers.values():
        assert numbers.size == 236 * 256
        assert numbers.min() >= 300
    assert (found.scale, found.offset, found.other_offset) == (1e-4, -0.1, 0.0)
    assert verdicts([found]) == [("contradicted", 0.0)]
    assert sample_scene(scene("right", 0.0), profile, None, Reader).other_offset == -0.1


def test_a_scene_that_cannot_be_read_is_told():
    def broken(_):
        raise ReadError("no")

    with pytest.raises(ReadError):
        sample_scene(scene("x", 0.0), find_profile("sentinel-2-l2a"), None, broken)


def test_scenes_take_what_the_pixels_say_and_the_report_says_so():
    scenes = [scene("day 0", -0.1), scene("day 1", -0.1)]
    findings = judge_offsets([sample(0, -0.1, 0.0), sample(1, -0.1, -0.1)])
    settled = settle_offsets(scenes, findings)
    assert [one.bands["nir"].offset for one in settled] == [0.0, -0.1]
    assert settled[0].encoding == (
        "scale 0.0001, offset 0 (by the pixels, which already have it, though the item says "
        "otherwise)"
    )
    assert settled[1] is scenes[1]
    (sentence,) = findings_in_words(findings)
    assert sentence == (
        "The catalogue gives a wrong brightness offset for 1 scene, and the one that fits the "
        "pixels was used: day 0."
    )
    assert findings_in_words(findings[1:]) == []


def test_a_band_of_another_offset_keeps_it():
    """Only bands of the judged offset were looked at."""
    odd = scene("day 0", -0.1)
    swir = replace(odd.bands["nir"], offset=-0.2)
    odd = replace(odd, bands={**odd.bands, "swir16": swir})
    (settled,) = settle_offsets([odd], judge_offsets([sample(0, -0.1, 0.0)]))
    assert {band: source.offset for band, source in settled.bands.items()} == {
        "red": 0.0, "nir": 0.0, "swir16": -0.2,
    }  # fmt: skip


class FileReader:
    """Reads real files the plain way, onto a small grid over all of them."""

    def __init__(self, block):
        self.shape = block.shape

    def read(self, source):
        with rasterio.open(source.href) as dataset:
            values = dataset.read(1, out_shape=self.shape, resampling=Resampling.nearest)
        return values, values != source.nodata


@pytest.fixture(scope="module")
def real_samples(shared_data):
    """Ten scenes of five days, 0.2 to 71 % cloud, whose offset was applied before."""
    profile = find_profile("sentinel-2-l2a")
    paths = sorted((shared_data / "zagreb/sentinel-2-l2a").glob("*/*.json"))
    items = [pystac.Item.from_file(str(path)).make_asset_hrefs_absolute() for path in paths]
    scenes, _ = read_scenes(items, profile, ("red", "green", "blue"), True)
    return [sample_scene(one, profile, (3, 8, 9, 10), FileReader) for one in scenes]


def test_real_scenes_with_true_words(real_samples):
    assert verdicts(real_samples) == [CONSISTENT_0] * 10


@pytest.mark.parametrize("wrong", range(10))
def test_real_scenes_of_which_one_item_is_wrong(real_samples, wrong):
    one = real_samples[wrong]
    still_have_it = {band: numbers + 1000 for band, numbers in one.numbers.items()}
    for liar, offset in (
        (replace(one, offset=-0.1, other_offset=0.0), 0.0),
        (replace(one, numbers=still_have_it), -0.1),
    ):
        samples = [liar if other is one else other for other in real_samples]
        expected = [CONSISTENT_0] * 10
        expected[wrong] = ("contradicted", offset)
        assert verdicts(samples) == expected


def test_only_collections_whose_items_may_err_are_checked():
    checked = {name for name, profile in load_profiles().items() if can_be_checked(profile)}
    assert checked == {"sentinel-2-l2a", "sentinel-2-l2a-pc", "sentinel-2-l2a-cdse"}
