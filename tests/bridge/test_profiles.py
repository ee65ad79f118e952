"""The collections' profiles, a profile of one's own, and the page made of them."""

import dataclasses
import importlib.util
import json

import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.indices import OFTEN_USED, check_layers
from fairweather.core.bridge.profile_checks import ACCESS, OFFSET_RULES
from fairweather.core.bridge.profiles import (
    DEFAULT_COLLECTION,
    PROFILES_FOLDER,
    find_profile,
    load_profiles,
    read_profile,
)

BUILT_IN = {
    "sentinel-2-c1-l2a", "sentinel-2-l2a", "sentinel-2-l2a-pc", "sentinel-2-l2a-cdse",
    "landsat-c2-l2", "landsat-c2-l2-pc", "hls2-l30", "hls2-s30", "fairweather-sample",
}  # fmt: skip


@pytest.fixture(scope="module")
def script(plugin_root):
    """The script that makes docs/collections.md."""
    path = plugin_root / "scripts" / "make_collections_doc.py"
    spec = importlib.util.spec_from_file_location("make_collections_doc", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def own(tmp_path, script):
    """A function that writes a profile with one field changed, and returns its path."""

    def write(field="", value=None):
        content = json.loads(script.EXAMPLE)
        *parents, last = field.split(".")
        inner = content
        for name in parents:
            inner = inner[name]
        if value is None:
            inner.pop(last, None)
        else:
            inner[last] = value
        path = tmp_path / "my.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write


def test_the_built_in_profiles():
    profiles = load_profiles()
    assert set(profiles) == BUILT_IN
    assert next(iter(profiles)) == DEFAULT_COLLECTION
    for name, profile in profiles.items():
        assert profile.id == name
        assert profile.offset_rule in OFFSET_RULES
        assert profile.access in ACCESS
        assert set(profile.mask.masked) <= set(profile.mask.classes)
        assert {"cloud", "shadow", "snow", "water"} <= set(profile.mask.words)
        assert profile.resolution in (10, 30)
        assert (profile.catalog == "") == (name == "fairweather-sample")


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_the_indices_that_are_often_used_work_with_every_sensor(name):
    check_layers(OFTEN_USED, find_profile(name))


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_profile_files_are_small(name):
    assert (PROFILES_FOLDER / f"{name}.json").stat().st_size < 4000


def test_the_page_is_made_of_the_profiles(plugin_root, script):
    page = script.make_document()
    assert (plugin_root / "docs" / "collections.md").read_text(encoding="utf-8") == page
    assert all(f"## {name}\n" in page for name in BUILT_IN)


def test_the_pages_example_is_a_profile(own):
    profile = read_profile(own("nothing"))
    assert profile.mask.kind == "bits"
    assert profile.bands["red"].asset == "B04"
    assert (profile.offset_rule, profile.access, profile.holes) == ("item", "open", ())


def test_custom_is_the_profile_in_the_file(own):
    path = own("id", "mine")
    assert find_profile("custom", str(path)).id == "mine"
    with pytest.raises(InvalidRequestError, match="COLLECTION is custom; give its profile"):
        find_profile("custom")
    with pytest.raises(InvalidRequestError, match="PROFILE is given, but COLLECTION is hls2-l30"):
        find_profile("hls2-l30", str(path))
    with pytest.raises(InvalidRequestError, match=r"'modis' is not known; known are .*custom"):
        find_profile("modis")


def test_a_copy_of_a_built_in_profile_is_one_of_ones_own():
    for name in BUILT_IN:
        copied = find_profile("custom", str(PROFILES_FOLDER / f"{name}.json"))
        assert copied == load_profiles()[name]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("colour", 1, "unknown field 'colour'; known are id, title"),
        ("mask.colour", 1, "unknown field 'mask.colour'"),
        ("bands.red.gain", 1, "unknown field 'bands.red.gain'"),
        ("mask", None, "lacks the field 'mask'"),
        ("mask.masked", None, "lacks the field 'mask.masked'"),
        ("bands.nir.asset", None, "lacks the field 'bands.nir.asset'"),
        ("scale", "small", "'scale' must be a number"),
        ("bands", ["red"], "'bands' must be an object"),
        ("bands.red", "B04", "'bands.red' must be an object"),
        ("mask.masked", ["cloud"], r"'mask.masked\[0\]' must be a whole number"),
        ("mask.masked", 3, "'mask.masked' must be a list"),
        ("mask.classes", {"three": "cloud"}, "'mask.classes' has the key 'three'"),
        ("mask.classes", {"1": 2}, "'mask.classes.1' must be a text"),
        ("mask.words", {"cloud": 1}, "'mask.words.cloud' must be a list"),
        ("mask.kind", "bitfield", "'mask.kind' is 'bitfield'; known are classes, bits"),
        ("mask.masked", [1, 9], "'mask.masked' has 9, which 'mask.classes' does not explain"),
        ("mask.words", {"fog": [7]}, "'mask.words.fog' has 7"),
        ("mask.classes", {"1": "a", "2": "b", "16": "c"}, "'mask.classes' has the bit 16"),
        ("mask.nodata", 0.5, "'mask.nodata' must be a whole number"),
        ("mask.resolution", 0, "'mask.resolution' must be above 0"),
        ("mask.asset", "", "'mask.asset' must not be empty"),
        ("offset_rule", "date", "'offset_rule' is 'date'; known are item, boa_offset_applied"),
        ("access", "free", "'access' is 'free'; known are open"),
        ("id", "my collection", "'id' must be letters"),
        ("title", " ", "'title' must not be empty"),
        ("scale", 0, "'scale' must not be 0"),
        ("bands", {}, "'bands' must name at least one band"),
        ("bands", {"B-4": {"asset": "a", "title": "t", "resolution": 1}}, "'bands.B-4' must have"),
        ("bands.red.resolution", -10, "'bands.red.resolution' must be above 0"),
        ("attribution", "{years.__class__}", "'attribution' may have no braces but"),
        ("attribution", "{years:99999}", "'attribution' may have no braces but"),
        ("first_date", "June 2015", "'first_date' is 'June 2015', which is no date"),
        ("holes", [{"start": "2020-01-01"}], r"lacks the field 'holes\[0\].end'"),
        (
            "holes",
            [{"start": "2020-01-01", "end": "2019-01-01", "note": ""}],
            r"'holes\[0\]' ends before it starts",
        ),
    ],
)
def test_what_is_wrong_with_a_profile_is_told_in_one_sentence(own, field, value, words):
    with pytest.raises(InvalidRequestError, match=words) as caught:
        read_profile(own(field, value))
    message = str(caught.value)
    assert message.startswith("The profile ")
    assert "my.json" in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is not JSON"),
        (b"[1]", "must be a JSON object"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"scale": NaN}', "is not JSON"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
    ],
)
def test_what_is_no_profile_at_all(tmp_path, content, words):
    path = tmp_path / "my.json"
    path.write_bytes(content)
    with pytest.raises(InvalidRequestError, match=words):
        read_profile(path)
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        read_profile(tmp_path)


def test_profiles_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        find_profile("hls2-l30").scale = 1.0
