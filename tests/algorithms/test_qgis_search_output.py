"""What ``searchscenes`` leaves where an output cannot be written."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("qgis", reason="runs in QGIS's own Python")

EXTENT = "15.9,16.0,45.7,45.8 [EPSG:4326]"


@pytest.fixture
def small_files():
    """No file of this process grows beyond 32 kB, less than an empty GeoPackage; as a full disk."""
    if sys.platform == "win32":
        pytest.skip("limits the size of files as POSIX can")
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_neither_output_stays_where_one_cannot_be_written(run, fake_worker, tmp_path, small_files):
    from qgis.core import QgsProcessingException

    outputs = {"OUTPUT": tmp_path / "footprints.gpkg", "OUTPUT_ITEMS": tmp_path / "items.json"}
    with pytest.raises(QgsProcessingException, match=r"OUTPUT: it cannot be written"):
        run("searchscenes", EXTENT=EXTENT, **{name: str(path) for name, path in outputs.items()})
    assert len(fake_worker.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_in_words(run, fake_worker, tmp_path, small_files, monkeypatch):
    from qgis.core import QgsProcessingException

    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    with pytest.raises(QgsProcessingException, match=r"OUTPUT: the disk is full; make room"):
        run("searchscenes", EXTENT=EXTENT, OUTPUT=str(tmp_path / "footprints.gpkg"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_program_has_open_for_a_moment(
    run, fake_worker, tmp_path, monkeypatch
):
    """As a virus scanner may on Windows: the folder beside the output cannot be removed at once."""
    remove, tries = Path.rmdir, []

    def hindered(path):
        tries.append(path)
        if len(tries) == 1:
            raise PermissionError(13, "The process cannot access the file")
        remove(path)

    monkeypatch.setattr(Path, "rmdir", hindered)
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(tmp_path / "footprints.gpkg"))
    assert tries
    assert len(fake_worker.requests) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["footprints.gpkg"]


@pytest.mark.parametrize("algorithm", ["searchscenes", "composite"])
def test_two_outputs_in_one_file(run, fake_worker, tmp_path, algorithm):
    from qgis.core import QgsProcessingException

    second = {"searchscenes": "OUTPUT_ITEMS", "composite": "OUTPUT_REPORT"}[algorithm]
    path = str(tmp_path / {"searchscenes": "same.gpkg", "composite": "same.tif"}[algorithm])
    with pytest.raises(QgsProcessingException, match=f"OUTPUT and {second} are both"):
        run(algorithm, EXTENT=EXTENT, OUTPUT=path, **{second: path})
    assert fake_worker.requests == []


def test_a_former_layer_is_there_again_where_a_new_one_cannot_be_written(
    run, fake_worker, tmp_path, small_files
):
    from qgis.core import QgsProcessingException

    names = ("footprints.gpkg", "footprints.gpkg-wal")
    for name in names:
        (tmp_path / name).write_bytes(b"former " + name.encode())
    with pytest.raises(QgsProcessingException, match=r"OUTPUT: it cannot be written"):
        run("searchscenes", EXTENT=EXTENT, OUTPUT=str(tmp_path / "footprints.gpkg"))
    for name in names:
        assert (tmp_path / name).read_bytes() == b"former " + name.encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_former_layer_is_replaced(run, fake_worker, tmp_path):
    path = tmp_path / "footprints.gpkg"
    for _ in range(2):
        run("searchscenes", EXTENT=EXTENT, OUTPUT=str(path))
        assert path.read_bytes().startswith(b"SQLite format 3")
        assert [entry.name for entry in tmp_path.iterdir()] == ["footprints.gpkg"]


def test_a_former_shapefile_leaves_no_file_behind(run, fake_worker, tmp_path):
    path = tmp_path / "footprints.shp"
    path.write_text("another layer")
    (tmp_path / "footprints.qmd").write_text("the metadata of another layer")
    (tmp_path / "notes.txt").write_text("mine")
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(path))
    names = {entry.name for entry in tmp_path.iterdir()}
    assert {"footprints.shp", "footprints.shx", "footprints.dbf", "notes.txt"} <= names
    assert "footprints.qmd" not in names
    assert not any(name.startswith(".") for name in names)


def test_a_layer_that_is_to_be_loaded_is_loaded_from_its_place(provider, fake_worker, tmp_path):
    from qgis.core import (
        QgsProcessingContext,
        QgsProcessingFeedback,
        QgsProcessingOutputLayerDefinition,
        QgsProject,
        QgsVectorLayer,
    )

    path = tmp_path / "my footprints.gpkg"
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    destination = QgsProcessingOutputLayerDefinition(str(path), QgsProject.instance())
    given = {"EXTENT": EXTENT, "OUTPUT": destination}
    search = provider.algorithm("searchscenes").create()
    results, succeeded = search.run(given, context, QgsProcessingFeedback())
    assert succeeded
    assert results["OUTPUT"] == str(path)
    assert list(context.layersToLoadOnCompletion()) == [str(path)]
    layer = QgsVectorLayer(results["OUTPUT"], "", "ogr")
    assert layer.isValid()
    assert layer.dataProvider().subLayers()[0].split("!!::!!")[1] == "my footprints"
