"""MASK_CLASSES in words and numbers."""

import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.mask_classes import check_mask_numbers, read_mask_classes
from fairweather.core.bridge.profiles import find_profile


@pytest.mark.parametrize(
    ("profile", "text", "numbers"),
    [
        ("sentinel-2-l2a", "", None),
        ("sentinel-2-l2a", " , ", None),
        ("sentinel-2-l2a", "none", ()),
        ("sentinel-2-l2a", "None", ()),
        ("sentinel-2-l2a", "3, 9,3", (3, 9)),
        ("sentinel-2-l2a", "cloud", (8, 9)),
        ("sentinel-2-l2a", "Cloud,shadow,cirrus,snow,water,8", (8, 9, 3, 10, 11, 6)),
        ("sentinel-2-l2a", "not vegetated, cloud shadow", (5, 3)),
        ("landsat-c2-l2", "cloud,dilated cloud,shadow,cirrus", (3, 1, 4, 2)),
        ("landsat-c2-l2-pc", "snow,water,9", (5, 7, 9)),
        ("hls2-l30", "cloud,shadow,snow,water", (1, 3, 4, 5)),
        ("hls2-s30", "dilated cloud", (2,)),
    ],
)
def test_words_and_numbers(profile, text, numbers):
    assert read_mask_classes(text, find_profile(profile)) == numbers


@pytest.mark.parametrize(
    ("profile", "text", "words"),
    [
        (
            "hls2-s30",
            "cloud,fog",
            r"'fog' is no bit of hls2-s30; give none, or words \(cloud, dilated cloud, shadow",
        ),
        ("hls2-s30", "cirrus", "'cirrus' is no bit of hls2-s30"),
        ("hls2-s30", "8", "'8' is no bit of .* or numbers of 0 cirrus"),
        ("sentinel-2-l2a", "12", "'12' is no class of sentinel-2-l2a"),
        ("sentinel-2-l2a", "-3", "'-3' is no class"),
        ("sentinel-2-l2a", "none,3", "'none' is no class"),
        ("sentinel-2-l2a", "9" * 5000, "is no class"),
    ],
)
def test_what_a_mask_does_not_know_gets_what_it_knows(profile, text, words):
    with pytest.raises(InvalidRequestError, match=words) as caught:
        read_mask_classes(text, find_profile(profile))
    assert str(caught.value).startswith("MASK_CLASSES: ")


def test_numbers_of_a_request_are_checked_too():
    profile = find_profile("hls2-l30")
    check_mask_numbers((0, 7), profile)
    with pytest.raises(InvalidRequestError, match="MASK_CLASSES: 8 is no bit of hls2-l30"):
        check_mask_numbers((1, 8), profile)
