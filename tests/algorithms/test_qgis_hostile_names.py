"""Ids as only an attacker writes them: they stay text in every layer that QGIS writes."""

import sqlite3
from contextlib import closing

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
]


def rows_of(path, column):
    with closing(sqlite3.connect(str(path))) as database:
        [[table]] = database.execute("SELECT table_name FROM gpkg_contents").fetchall()
        quoted = table.replace('"', '""')
        return [value for (value,) in database.execute(f'SELECT "{column}" FROM "{quoted}"')]


def test_ids_of_scenes_are_text_in_a_geopackage(run, fake_worker, item, tmp_path):
    fake_worker._items = [item(name) for name in HOSTILE]
    path = tmp_path / "footprints.gpkg"
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(path))
    assert rows_of(path, "item_id") == HOSTILE
    assert list(tmp_path.iterdir()) == [path]


def test_an_edited_layer_of_such_ids_chooses_its_scenes(run, fake_worker, item, tmp_path):
    from qgis.core import QgsVectorLayer

    fake_worker._items = [item(name) for name in HOSTILE]
    path = tmp_path / "footprints.gpkg"
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(path))
    layer = QgsVectorLayer(str(path), "footprints")
    first = next(feature for feature in layer.getFeatures() if feature["item_id"] == HOSTILE[0])
    assert layer.dataProvider().deleteFeatures([first.id()])
    run("composite", EXTENT=EXTENT, SCENES=layer, OUTPUT=str(tmp_path / "composite.tif"))
    assert sorted(fake_worker.scenes[-1]) == sorted(HOSTILE[1:])


def test_a_layer_is_named_by_the_request_alone(run, fake_worker, item, tmp_path):
    from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingFeedback, QgsProject

    fake_worker._items = [item(name) for name in HOSTILE]
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("fairweather:searchscenes")
    path = str(tmp_path / "footprints.gpkg")
    details = QgsProcessingContext.LayerDetails("Footprints", QgsProject.instance(), "OUTPUT")
    parameters = {"EXTENT": EXTENT, "OUTPUT": path, "START": "2024-01-01", "END": "2024-12-31"}
    context.addLayerToLoadOnCompletion(path, details)
    _, succeeded = algorithm.run(parameters, context, QgsProcessingFeedback())
    assert succeeded
    names = [one.name for one in context.layersToLoadOnCompletion().values()]
    assert not [name for name in names for hostile in HOSTILE if hostile in name]
