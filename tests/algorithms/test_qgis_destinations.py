"""Where outputs can be: the names that QGIS gives layers, devices, links, and what is no name."""

import os
import socket
import sys
from pathlib import Path

import pytest

pytest.importorskip("qgis", reason="runs in QGIS's own Python")

EXTENT = "15.9,16.0,45.7,45.8 [EPSG:4326]"
NAMES = {
    "fp": "fp.gpkg",
    "fp.": "fp..gpkg",
    "fp.abc": "fp.abc.gpkg",
    "fp.json": "fp.json.geojson",
    "fp.dbf": "fp.dbf.shp",
    "fp.SHP": "fp.shp",
    "fp.mif": "fp.mif.tab",
    "fp.db": "fp.db.sqlite",
    "fp.GPKG": "fp.GPKG",
    "fp.geojson": "fp.geojson",
    "fp.kml": "fp.kml",
    "fp.x.csv": "fp.x.csv",
}


@pytest.fixture
def refuse(run, fake_worker, tmp_path):
    """The sentence with which the parameters are refused; nothing may run or change."""
    from qgis.core import QgsProcessingException

    def ask(algorithm="searchscenes", **given):
        before = {path: os.lstat(path) for path in tmp_path.rglob("*")}
        with pytest.raises(QgsProcessingException) as caught:
            run(algorithm, **{"EXTENT": EXTENT, "OUTPUT": str(tmp_path / "other.gpkg"), **given})
        assert fake_worker.requests == []
        assert {path: os.lstat(path).st_ino for path in tmp_path.rglob("*")} == {
            path: found.st_ino for path, found in before.items()
        }
        message = str(caught.value).replace("Unable to execute algorithm\n", "")
        assert "\n" not in message
        assert message.endswith(".")
        return message

    return ask


@pytest.mark.parametrize("name", NAMES)
def test_the_name_is_the_one_that_qgis_gives(run, fake_worker, tmp_path, name):
    """Its own writer's, asked as a neutral party, and that of the result."""
    from qgis.core import (
        QgsCoordinateReferenceSystem,
        QgsFields,
        QgsProcessingContext,
        QgsProcessingUtils,
        QgsVectorLayer,
        QgsWkbTypes,
    )

    (tmp_path / "qgis").mkdir()
    sink, given = QgsProcessingUtils.createFeatureSink(
        str(tmp_path / "qgis" / name),
        QgsProcessingContext(),
        QgsFields(),
        QgsWkbTypes.Type.MultiPolygon,
        QgsCoordinateReferenceSystem("EPSG:4326"),
    )
    del sink
    assert (tmp_path / "qgis" / NAMES[name]).exists()
    assert Path(given).name.lower() == NAMES[name].lower()
    results = run("searchscenes", EXTENT=EXTENT, OUTPUT=str(tmp_path / name))
    assert results["OUTPUT"] == str(tmp_path / NAMES[name])
    assert QgsVectorLayer(results["OUTPUT"], "", "ogr").featureCount() == 2


@pytest.mark.parametrize(("name", "written"), [("fp", "fp.gpkg"), ("fp.json", "fp.json.geojson")])
def test_an_input_that_has_the_ending_that_qgis_adds(
    refuse, run, fake_worker, tmp_path, name, written
):
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(tmp_path / written))
    fake_worker.requests.clear()
    message = refuse(SCENES=str(tmp_path / written), OUTPUT=str(tmp_path / name))
    assert f"OUTPUT is {tmp_path / written}, which is SCENES too" in message


def test_two_outputs_with_the_ending_that_qgis_adds(refuse, tmp_path):
    message = refuse(
        "timeseries",
        POINT="16,46 [EPSG:4326]",
        EXTENT=None,
        OUTPUT=str(tmp_path / "a"),
        OUTPUT_OBSERVATIONS=str(tmp_path / "a.gpkg"),
    )
    assert f"OUTPUT and OUTPUT_OBSERVATIONS are both {tmp_path / 'a.gpkg'}" in message


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a folder that is in use")
def test_a_relative_path_in_a_folder_that_is_gone(refuse, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    message = refuse("searchscenes", OUTPUT="fp.gpkg")
    assert "OUTPUT: fp.gpkg begins in the folder that QGIS was started in" in message


def test_two_links_to_a_file_that_is_not_there_yet(refuse, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).symlink_to(tmp_path / "target.csv")
    message = refuse(
        "timeseries",
        POINT="16,46 [EPSG:4326]",
        EXTENT=None,
        OUTPUT=str(tmp_path / "a.csv"),
        OUTPUT_OBSERVATIONS=str(tmp_path / "b.csv"),
    )
    assert "OUTPUT and OUTPUT_OBSERVATIONS are both" in message


@pytest.fixture
def special(tmp_path):
    """Make what is no file: a pipe, a socket, or a link to a device."""

    def make(kind, name):
        if not hasattr(os, "mkfifo"):
            pytest.skip("this system has no such files")
        path = tmp_path / name
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(os.path.relpath(path))
        else:
            path.symlink_to(os.devnull)
        return str(path)

    return make


@pytest.mark.parametrize("kind", ["pipe", "socket", "link to a device"])
def test_a_device_a_pipe_and_a_socket_are_refused(refuse, special, kind):
    path = special(kind, "special.gpkg")
    for output in ("OUTPUT", "OUTPUT_ITEMS"):
        message = refuse(**{output: path})
        assert message == (
            f"{output}: {path} is a device, a pipe or a socket; give the name of a file."
        )


def test_a_report_and_a_raster_that_are_devices(refuse, special, tmp_path):
    path = special("pipe", "special.tif")
    assert "OUTPUT: " in refuse("composite", OUTPUT=path)
    given = {"OUTPUT": str(tmp_path / "a.tif"), "OUTPUT_REPORT": path}
    assert "OUTPUT_REPORT: " in refuse("composite", **given)


def test_a_name_that_no_disk_takes(refuse, tmp_path):
    long = tmp_path / ("a" * 300 + ".gpkg")
    for output in ("OUTPUT", "OUTPUT_ITEMS"):
        message = refuse(**{output: str(long)})
        assert message.startswith(f"{output}: {long} cannot be written (")
        assert "choose another name or folder" in message


def test_a_name_that_leaves_no_room_for_its_part(run, fake_worker, tmp_path):
    """The disk takes the name itself; it is told before the worker starts."""
    from qgis.core import QgsProcessingException

    path = tmp_path / ("a" * 245 + ".gpkg")
    with pytest.raises(QgsProcessingException, match="choose another name or folder"):
        run("searchscenes", EXTENT=EXTENT, OUTPUT=str(path))
    assert fake_worker.requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_entered(refuse, tmp_path, monkeypatch):
    """As root meets it on a network drive: permissions alone would not keep root out."""
    locked = tmp_path / "locked"
    stat = Path.stat

    def refused(path, **options):
        if locked in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    locked.mkdir()
    monkeypatch.setattr(Path, "stat", refused)
    for output, name in {"OUTPUT": "fp.gpkg", "OUTPUT_ITEMS": "items.json"}.items():
        message = refuse(**{output: str(locked / name)})
        assert message == (
            f"{output}: {locked / name} cannot be written (Permission denied); choose another "
            "name or folder."
        )
