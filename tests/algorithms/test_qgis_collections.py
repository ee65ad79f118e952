"""COLLECTION, PROFILE and MASK_CLASSES: which collections there are, and one of one's own."""

import json

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

EXTENT = "16,16.1,45.9,46 [EPSG:4326]"
PROFILE = {
    "id": "mine",
    "title": "My collection, cut",
    "catalog": "https://example.org/stac",
    "collection": "mine-in-the-catalogue",
    "nodata": 0,
    "scale": 0.0001,
    "offset": 0,
    "bands": {"red": {"asset": "B4", "title": "Red", "resolution": 5}},
    "mask": {
        "asset": "QA",
        "resolution": 5,
        "nodata": 255,
        "kind": "bits",
        "classes": {"2": "cloud", "5": "cloud shadow"},
        "words": {"shadow": [5]},
        "masked": [2, 5],
    },
    "attribution": "Me, {years}",
    "license": "Mine",
}


@pytest.fixture
def composite_request(run, fake_worker, tmp_path):
    """The request that the composite sends for some parameters."""

    def ask(**parameters):
        run("composite", EXTENT=EXTENT, OUTPUT=str(tmp_path / "composite.tif"), **parameters)
        return fake_worker.requests[-1]

    return ask


@pytest.fixture
def own_profile(tmp_path):
    path = tmp_path / "my profile.json"
    path.write_text(json.dumps(PROFILE), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", ["searchscenes", "composite", "timeseries"])
def test_the_collections_by_id_with_their_titles_in_the_help(provider, name):
    from fairweather.core.bridge.profiles import load_profiles

    definition = provider.algorithm(name).parameterDefinition("COLLECTION")
    assert definition.usesStaticStrings()
    assert definition.options() == [*load_profiles(), "custom"]
    assert len(definition.options()) == 10
    for profile in load_profiles().values():
        assert f"{profile.id}: {profile.title}" in definition.help()


@pytest.mark.parametrize(
    ("collection", "words", "numbers"),
    [
        ("sentinel-2-l2a-pc", "cloud,shadow", (8, 9, 3)),
        ("landsat-c2-l2-pc", "cloud,dilated cloud", (3, 1)),
        ("hls2-s30", "cloud, 3", (1, 3)),
    ],
)
def test_words_become_the_collections_numbers(composite_request, collection, words, numbers):
    request = composite_request(COLLECTION=collection, MASK_CLASSES=words)
    assert request.mask_classes == numbers
    assert (request.search.collection, request.search.profile) == (collection, "")


def test_a_collection_of_ones_own(composite_request, own_profile):
    request = composite_request(
        COLLECTION="custom", PROFILE=own_profile, BANDS="red", MASK_CLASSES="shadow"
    )
    assert (request.search.collection, request.search.profile) == ("custom", own_profile)
    assert request.search.catalog == ""
    assert request.mask_classes == (5,)


def test_what_it_does_not_have_is_refused(composite_request, own_profile, tmp_path):
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match="'nir' is neither a band nor an index of min"):
        composite_request(COLLECTION="custom", PROFILE=own_profile, BANDS="nir")
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({**PROFILE, "scale": "small"}), encoding="utf-8")
    with pytest.raises(QgsProcessingException, match=r"broken\.json's 'scale' must be a number"):
        composite_request(COLLECTION="custom", PROFILE=str(broken), BANDS="red")


def test_layers_are_named_after_it(own_profile):
    from fairweather.algorithms.layer_names import composite_name, footprints_name
    from fairweather.core.bridge.request import Area, CompositeRequest, SceneSearch

    search = SceneSearch("custom", Area("", {}), "2024-01-01", "2024-12-31", profile=own_profile)
    request = CompositeRequest(search, ("red",), "out.tif")
    assert composite_name(request, chosen_scenes=False) == "My collection median 2024 (red)"
    assert footprints_name(search) == "My collection scenes 2024"
