"""Footprints as only an attacker writes them: QGIS never parses what is in them."""

import json

import pytest

pytest.importorskip("qgis", reason="runs in QGIS's own Python")
resource = pytest.importorskip("resource", reason="this system tells no process's peak of memory")

EXTENT = "15.9,16.0,45.7,45.8 [EPSG:4326]"
MB = 2**20


@pytest.fixture
def footprints(provider):
    """A footprints layer in memory with these texts."""
    from qgis.core import QgsFeature, QgsVectorLayer

    def make(*texts):
        layer = QgsVectorLayer("Polygon?crs=EPSG:4326&field=item:string(0)", "mine", "memory")
        for text in texts:
            feature = QgsFeature(layer.fields())
            feature["item"] = text
            layer.dataProvider().addFeatures([feature])
        return layer

    return make


@pytest.fixture
def refusal(run, fake_worker):
    """The one sentence that a run with such scenes ends in."""
    from qgis.core import QgsProcessingException

    def refuse(scenes):
        with pytest.raises(QgsProcessingException) as caught:
            run("composite", EXTENT=EXTENT, SCENES=scenes, OUTPUT="TEMPORARY_OUTPUT")
        assert fake_worker.requests == []
        message = str(caught.value)
        assert message.startswith("SCENES: ")
        assert "Traceback" not in message
        assert message.count(". ") == 0
        return message

    return refuse


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000 + "]" * 100_000, "9" * 5000, "1", "", "null", '{"id": "a"', '"id": "a"}'],
)
def test_texts_that_cannot_be_items(refusal, footprints, text):
    assert "is not whole" in refusal(footprints(text))


def test_a_text_longer_than_any_item(refusal, footprints):
    layer = footprints('{"a": [' + "[]," * (20 * MB) + "[]]}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "is longer than 8 MB" in refusal(layer)
    # The text itself has 60 MB, twice that while it is copied.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * MB // 1024


def test_texts_that_are_too_long_together(refusal, footprints, monkeypatch):
    from fairweather.algorithms import scenes

    monkeypatch.setattr(scenes, "MOST_CHARACTERS", 1000)
    assert "select fewer footprints" in refusal(footprints(*["{" + " " * 300 + "}"] * 4))


def test_an_item_that_qgis_has_parsed_to_its_depth(refusal, tmp_path):
    deep = '{"a":' * 1010 + "{}" + "}" * 1010
    feature = (
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": '
        '[[[16, 45], [17, 45], [17, 46], [16, 45]]]}, "properties": {"item": ' + deep + "}}"
    )
    path = tmp_path / "deep.geojson"
    path.write_text('{"type": "FeatureCollection", "features": [' + feature + "]}")
    assert "is nested deeper than any STAC item" in refusal(str(path))


@pytest.fixture
def passed_on(run, fake_worker, monkeypatch):
    """The texts of the file that the worker gets."""
    seen = []

    def read(request, *_, **__):
        from pathlib import Path

        content = json.loads(Path(request.search.scenes).read_text(encoding="utf-8"))
        seen.extend(feature["properties"]["item"] for feature in content["features"])
        raise fake_worker.failure

    def texts(layer):
        from fairweather.algorithms import base
        from fairweather.core.bridge.errors import CatalogError
        from qgis.core import QgsProcessingException

        fake_worker.failure = CatalogError("Enough.")
        monkeypatch.setattr(base, "run_job", read)
        with pytest.raises(QgsProcessingException, match=r"Enough\."):
            run("composite", EXTENT=EXTENT, SCENES=layer, OUTPUT="TEMPORARY_OUTPUT")
        return seen

    return texts


def test_what_a_text_holds_stays_in_it(passed_on, footprints):
    texts = [
        '{"id": "a"}]}, {"type": "Catalog", "links": [{}]}',
        '{"id": "b"}\n]}\n{"type": "FeatureCollection"}',
        '{"deep": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"id": "\\ud800 \u2028 \x00č"}'.replace("\x00", "\x01"),
        ' {"number": ' + "9" * 5000 + "} ",
        "{no json}",
    ]
    assert passed_on(footprints(*texts)) == texts


def test_a_bad_item_among_good_ones_is_left_out(run, sample, worker_python, footprints, tmp_path):
    """The worker's own bounds: what it cannot read is counted and named, and the run goes on."""
    from qgis.core import QgsProcessingFeedback

    found = tmp_path / "items.json"
    run("searchscenes", **sample, OUTPUT="TEMPORARY_OUTPUT", OUTPUT_ITEMS=str(found))
    items = json.loads(found.read_text(encoding="utf-8"))["features"]
    deep = '{"deep": ' + "[" * 100_000 + "]" * 100_000 + "}"
    layer = footprints(*map(json.dumps, items[:3]), deep)
    feedback = QgsProcessingFeedback()
    again = tmp_path / "again.json"
    results = run(
        "searchscenes", feedback, **sample, SCENES=layer, OUTPUT="memory:", OUTPUT_ITEMS=str(again)
    )
    assert results["SCENE_COUNT"] == 3
    kept = json.loads(again.read_text(encoding="utf-8"))["features"]
    assert [item["id"] for item in kept] == [item["id"] for item in items[:3]]
    assert "1 entry of" in feedback.textLog()
    assert "footprint 4 (its field 'item' holds no item that can be read)" in feedback.textLog()


def test_a_bomb_among_good_items_is_one_sentence(run, sample, worker_python, footprints):
    from qgis.core import QgsProcessingException

    layer = footprints('{"a": [' + "[]," * (2 * MB) + "[]]}")
    with pytest.raises(QgsProcessingException, match=r"holds more than 2,000,000 values") as caught:
        run("searchscenes", **sample, SCENES=layer, OUTPUT="memory:")
    assert str(caught.value).count(". ") == 0
