"""Ids and titles as only an attacker writes them: they stay text in all that QGIS shows."""

import csv
import json
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("qgis", reason="runs in QGIS's own Python")

EXTENT = "15.9,16.0,45.7,45.8 [EPSG:4326]"
HOSTILE = [
    "Robert'); DROP TABLE footprints;--",
    '" OR 1=1 --',
    "[% eval('1+1') %]",
    "<script>alert(1)</script>",
    "../../../outside",
    "%s%n{0}",
    "of:=1+1",
]
# A spreadsheet sees no formula in them, GDAL no JSON, and QGIS, which loads pictures, no HTML.
SHOWN = [
    "Robert'); DROP TABLE footprints;'--",
    '" OR 1=1 --',
    "'[% eval('1+1') %]",
    "‹script>alert(1)‹/script>",
    "../../../outside",
    "%s%n{0}",
    "'of:=1+1",
]


PICTURE = "<img src=/canary.png>"
# What Qt takes for a tag, and by it loads something.
TAGS = [
    PICTURE,
    f"100 scenes <b>found</b> {PICTURE}",
    "< img src=/canary.png",
    "<'img' src=/canary.png>",
    "<&#105;mg src=/canary.png>",
    '<20 style="background-image:url(/canary.png)">a',
    '<20 ">" style=background-image:url(/canary.png)>a',
    f"</b>{PICTURE}",
    f"<!-- a -->{PICTURE}",
    f"<?xml?>{PICTURE}",
]


@pytest.fixture
def loaded_by(qgis):
    """A function: what Qt loads, and so opens, where it shows a text as HTML."""
    from qgis.PyQt.QtGui import QTextDocument

    class Document(QTextDocument):
        def __init__(self):
            super().__init__()
            self.loaded = []

        def loadResource(self, _kind, address):
            self.loaded.append(address.toString())

    def load(text):
        document = Document()
        document.setHtml(text)
        document.size()  # lays it out, with its pictures
        return document.loaded

    return load


@pytest.mark.parametrize("text", TAGS)
def test_nothing_is_loaded_by_a_text_that_is_shown(loaded_by, text):
    from fairweather.core.bridge.errors import CatalogError
    from fairweather.core.bridge.plain_text import plain_cell, plain_json, plain_line
    from qgis.PyQt.QtCore import Qt

    assert loaded_by(text)
    shown = plain_line(text), plain_cell(text), str(CatalogError(text)), plain_json(f'"{text}"')
    for one in shown:
        assert loaded_by(one) == []
        assert not Qt.mightBeRichText(one)


@pytest.fixture
def profile(tmp_path):
    """Write a stranger's profile with ``changes``; the parameters that name it."""
    from fairweather.core.bridge.profiles import PROFILES_FOLDER

    def write(**changes):
        path = tmp_path / "profile.json"
        known = json.loads((PROFILES_FOLDER / "sentinel-2-l2a.json").read_text(encoding="utf-8"))
        path.write_text(json.dumps({**known, "id": "x", **changes}))
        return {"COLLECTION": "custom", "PROFILE": str(path), "EXTENT": EXTENT}

    return write


def test_a_strangers_profile_is_no_html_in_the_message_bar(provider, profile, loaded_by):
    from qgis.core import QgsProcessingContext
    from qgis.PyQt.QtCore import Qt

    algorithm = provider.algorithm("searchscenes").create()
    parameters = {**profile(**{PICTURE: 1}), "OUTPUT": "memory:"}
    is_right, sentence = algorithm.checkParameterValues(parameters, QgsProcessingContext())
    assert not is_right
    assert "has the unknown field '‹img src=/canary.png>'; known are id, title" in sentence
    assert loaded_by(sentence) == []
    assert not Qt.mightBeRichText(sentence)


def test_a_strangers_profile_is_no_html_in_a_layers_name(profile, fake_worker, loaded_by, tmp_path):
    names = names_of_loaded(tmp_path, **profile(title=f"{PICTURE} scenes of mine"))
    assert names == ["‹img src=/canary.png> scenes of mine scenes 2024"]


def rows_of(path, column):
    with closing(sqlite3.connect(str(path))) as database:
        [[table]] = database.execute("SELECT table_name FROM gpkg_contents").fetchall()
        quoted = table.replace('"', '""')
        return [value for (value,) in database.execute(f'SELECT "{column}" FROM "{quoted}"')]


def test_ids_of_scenes_are_text_in_a_geopackage(run, fake_worker, item, tmp_path):
    fake_worker._items = [item(name) for name in HOSTILE]
    path = tmp_path / "footprints.gpkg"
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(path))
    assert rows_of(path, "item_id") == SHOWN
    assert list(tmp_path.iterdir()) == [path]


def test_an_edited_layer_of_such_ids_chooses_its_scenes(run, fake_worker, item, tmp_path):
    from qgis.core import QgsVectorLayer

    fake_worker._items = [item(name) for name in HOSTILE]
    path = tmp_path / "footprints.gpkg"
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(path))
    layer = QgsVectorLayer(str(path), "footprints")
    first = next(feature for feature in layer.getFeatures() if feature["item_id"] == SHOWN[0])
    assert layer.dataProvider().deleteFeatures([first.id()])
    run("composite", EXTENT=EXTENT, SCENES=layer, OUTPUT=str(tmp_path / "composite.tif"))
    assert sorted(fake_worker.scenes[-1]) == sorted(HOSTILE[1:])


def names_of_loaded(folder, **parameters):
    """The names with which a search's layers are loaded."""
    from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingFeedback, QgsProject

    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("fairweather:searchscenes")
    path = str(folder / "footprints.gpkg")
    details = QgsProcessingContext.LayerDetails("Footprints", QgsProject.instance(), "OUTPUT")
    parameters = {**parameters, "OUTPUT": path, "START": "2024-01-01", "END": "2024-12-31"}
    context.addLayerToLoadOnCompletion(path, details)
    _, succeeded = algorithm.run(parameters, context, QgsProcessingFeedback())
    assert succeeded
    return [one.name for one in context.layersToLoadOnCompletion().values()]


def test_a_layer_is_named_by_the_request_alone(fake_worker, item, tmp_path):
    fake_worker._items = [item(name) for name in HOSTILE]
    names = names_of_loaded(tmp_path, EXTENT=EXTENT)
    assert names
    assert not [name for name in names for hostile in HOSTILE if hostile in name]


@pytest.fixture
def poisoned(sample, tmp_path):
    """The sample catalogue as a stranger changed it: its parameters, and the ids it now has."""
    folder = tmp_path / "poisoned"
    shutil.copytree(Path(sample["CATALOG"]).parent, folder)
    catalog = folder / "catalog.json"
    content = json.loads(catalog.read_text(encoding="utf-8"))
    catalog.write_text(json.dumps({**content, "title": f"{PICTURE}<b>bold</b>"}))
    ids = []
    for number, path in enumerate(sorted(folder.glob("fairweather-sample/*/*.json"))):
        item = json.loads(path.read_text(encoding="utf-8"))
        as_json = f'{{"{number}": "www.a.example \\u003cimg src=/canary.png>"}}'
        ids.append((f"{number} www.a.example {PICTURE}", f"of:=1+1 {number}", as_json)[number % 3])
        item["id"] = ids[-1]
        item["properties"]["title"] = f"{PICTURE};=HYPERLINK(1)"
        item["properties"]["platform"] = "sentinel-2a" + PICTURE
        item["assets"]["red"]["title"] = "x;=cmd|' /C calc'!A0;y"
        item["assets"]["thumbnail"]["href"] = f"https://a.example/{PICTURE}"
        path.write_text(json.dumps(item))
    return {**sample, "CATALOG": str(catalog), "MAX_CLOUD": 100}, ids


@pytest.fixture
def listener(qgis):
    """A feedback that keeps all that a run tells, in ``texts``."""
    from qgis.core import QgsProcessingFeedback

    class Listener(QgsProcessingFeedback):
        def __init__(self):
            super().__init__(False)
            self.texts = []
            self.pushInfo = self.pushWarning = self.setProgressText = self.texts.append

    return Listener()


def shown_of(path):
    """What QGIS shows of each attribute of the layer at ``path``, with links as it makes them."""
    from qgis.core import QgsStringUtils, QgsVectorLayer

    layer = QgsVectorLayer(path, "footprints")
    return [
        QgsStringUtils.insertLinks(field.displayString(feature[field.name()]))[0]
        for feature in layer.getFeatures()
        for field in layer.fields()
    ]


def assert_no_formula(folder):
    """Neither in the spreadsheet, nor in the table when ``;`` separates its cells."""
    with zipfile.ZipFile(folder / "f.ods") as spreadsheet:
        assert b"table:formula" not in spreadsheet.read("content.xml")
    with (folder / "f.csv").open(encoding="utf-8", newline="") as file:
        for cell in (cell for row in csv.reader(file, delimiter=";") for cell in row):
            assert not cell.lstrip(' "').startswith(("=", "+", "-", "@", "of:="))


@pytest.mark.slow
def test_a_poisoned_catalogue_is_no_html_or_formula_anywhere(
    run, poisoned, listener, loaded_by, tmp_path
):
    """With the real worker: search into several formats, choose from them, make a composite."""
    from osgeo import gdal
    from qgis.core import QgsRasterLayer

    parameters, ids = poisoned
    texts = listener.texts
    for name in ("f.gpkg", "f.csv", "f.ods", "f.geojson"):
        path = str(tmp_path / name)
        run("searchscenes", feedback=listener, **parameters, OUTPUT=path)
        texts += shown_of(path)
    assert_no_formula(tmp_path)
    for name in ("f.gpkg", "f.geojson"):
        output, report = str(tmp_path / f"{name}.tif"), str(tmp_path / "report.html")
        wanted = {"SCENES": str(tmp_path / name), "OUTPUT": output, "OUTPUT_REPORT": report}
        run("composite", feedback=listener, **parameters, **wanted, FILTER="a_property < 5 ")
        tags = gdal.Open(output).GetMetadata()
        assert sorted(json.loads(tags["FAIRWEATHER_ITEMS"])) == sorted(ids)
        texts.append(QgsRasterLayer(output, "composite").htmlMetadata())
    poisonous = {text for text in texts if "canary" in text}
    assert len(poisonous) > len(ids)
    assert [text for text in poisonous if "canary" in "".join(loaded_by(text))] == []
