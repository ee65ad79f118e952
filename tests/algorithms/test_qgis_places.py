"""Outputs take their places all together or not at all, and what belonged to the former goes."""

import errno
import json
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("qgis", reason="runs in QGIS's own Python")

EXTENT = "15.9,16.0,45.7,45.8 [EPSG:4326]"
POINT = "16,46 [EPSG:4326]"
FORMER = (
    *("series.csv", "series.csvt", "observed.shp", "observed.dbf", "observed.qix", "sites.gpkg"),
    *("sites.gpkg-wal", "chart.html", "notes.txt", "observed.vrt"),
)
OUTPUTS = {
    "OUTPUT": "series.csv",
    "OUTPUT_OBSERVATIONS": "observed.shp",
    "OUTPUT_SITES": "sites.gpkg",
    "OUTPUT_CHART": "chart.html",
    "OUTPUT_CHART_IMAGE": "chart.png",
}


@pytest.fixture
def outputs(tmp_path):
    """The outputs of a time series in a folder of former files."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    for name in FORMER:
        (folder / name).write_bytes(b"former " + name.encode())
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def parameters(folder):
    return {"POINT": POINT, **{name: str(folder / file) for name, file in OUTPUTS.items()}}


class Renames:
    """Path.replace, but that into ``folder`` fails the ``at``-th time, counted from 1."""

    def __init__(self, monkeypatch, folder):
        self.folder, self.count, self.at, self._replace = folder, 0, 0, Path.replace

        def replace(path, target):
            return self.replace(path, target)

        monkeypatch.setattr(Path, "replace", replace)

    def replace(self, path, target):
        if Path(target).parent == self.folder:
            self.count += 1
            if self.count == self.at:
                raise PermissionError(errno.EACCES, "Permission denied")
        return self._replace(path, target)


@pytest.mark.parametrize("has_links", [True, False])
def test_all_take_their_places_or_none(run, fake_worker, outputs, monkeypatch, has_links):
    from qgis.core import QgsProcessingException

    if not has_links:

        def link(*_, **__):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", link)
    renames, before = Renames(monkeypatch, outputs), contents(outputs)
    for at in range(1, 100):
        renames.count, renames.at = 0, at
        message = ""
        try:
            run("timeseries", **parameters(outputs))
        except QgsProcessingException as error:
            message = str(error)
        if not message:
            break
        assert "cannot be replaced (Permission denied); close the layers" in message
        assert contents(outputs) == before, f"after rename {at}"
    # A CSV file, one or more of a table as a shapefile, a GeoPackage, and two charts.
    assert at > 5
    after = contents(outputs)
    assert {after[name] for name in ("notes.txt", "observed.vrt")} == {
        b"former notes.txt",
        b"former observed.vrt",
    }
    assert sum(content.startswith(b"former") for content in after.values()) == 2
    gone = {"series.csvt", "observed.shp", "observed.qix", "sites.gpkg-wal"}
    assert not gone & set(after)
    assert set(OUTPUTS.values()) - {"observed.shp"} <= set(after)


def test_a_disk_that_is_full_when_it_is_flushed(run, fake_worker, outputs, monkeypatch):
    from fairweather.algorithms import places
    from qgis.core import QgsProcessingException

    def flush_file(path):
        if path.name == "sites.gpkg":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(places, "flush_file", flush_file)
    before = contents(outputs)
    with pytest.raises(QgsProcessingException, match="OUTPUT_SITES: the disk is full; make room"):
        run("timeseries", **parameters(outputs))
    assert contents(outputs) == before


def test_the_names_are_flushed_when_all_are_there(run, fake_worker, outputs, monkeypatch):
    from fairweather.algorithms import places

    seen = []

    def flush_folder(folder):
        seen.append((folder, {path.name for path in folder.iterdir()}))

    monkeypatch.setattr(places, "flush_folder", flush_folder)
    run("timeseries", **parameters(outputs))
    ((folder, names),) = seen
    assert folder == outputs
    assert set(OUTPUTS.values()) - {"observed.shp"} <= names


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_the_former_files_stay_where_a_layer_is_not_written(
    run, fake_worker, outputs, monkeypatch, end
):
    """The worker has made its charts already."""
    from fairweather.algorithms import base, sinks
    from qgis.core import QgsProcessingException, QgsProcessingFeedback

    feedback = QgsProcessingFeedback()

    def run_job(request, *arguments, **keywords):
        values = fake_worker(request, *arguments, **keywords)
        assert Path(request.chart).exists()
        if end == "cancelled":
            feedback.cancel()
        return values

    monkeypatch.setattr(base, "run_job", run_job)
    if end == "failed":
        monkeypatch.setattr(sinks, "is_whole", lambda *_: False)
    before = contents(outputs)
    message = {"cancelled": "Cancelled; nothing was written", "failed": "OUTPUT: it cannot be"}[end]
    with pytest.raises(QgsProcessingException, match=message):
        run("timeseries", feedback=feedback, **parameters(outputs))
    assert contents(outputs) == before


def test_the_former_items_stay_where_a_format_takes_no_footprints(run, fake_worker, tmp_path):
    from qgis.core import QgsProcessingException

    items = tmp_path / "items.json"
    items.write_text("former")
    outputs = {"OUTPUT": str(tmp_path / "fp.dxf"), "OUTPUT_ITEMS": str(items)}
    with pytest.raises(QgsProcessingException, match="OUTPUT: it cannot be written") as caught:
        run("searchscenes", EXTENT=EXTENT, **outputs)
    assert outputs["OUTPUT"] in str(caught.value)
    assert len(fake_worker.requests) == 1
    assert contents(tmp_path) == {"items.json": b"former"}


def test_the_worker_names_the_place_of_what_it_cannot_write(run, fake_worker, tmp_path):
    from fairweather.core.bridge.errors import OutputError
    from qgis.core import QgsProcessingException

    def fail(request):
        raise OutputError(f"{request.items} cannot be written: the disk is full; make room.")

    fake_worker._write_search = fail
    items = tmp_path / "items.json"
    outputs = {"OUTPUT": str(tmp_path / "fp.csv"), "OUTPUT_ITEMS": str(items)}
    with pytest.raises(QgsProcessingException) as caught:
        run("searchscenes", EXTENT=EXTENT, **outputs)
    assert f"{items} cannot be written: the disk is full" in str(caught.value)
    assert contents(tmp_path) == {}


def test_a_spatial_index_of_the_former_layer_hides_nothing(run, fake_worker, tmp_path):
    from osgeo import ogr
    from qgis.core import QgsFeatureRequest, QgsRectangle, QgsVectorLayer

    path = tmp_path / "fp.shp"
    source = ogr.GetDriverByName("ESRI Shapefile").CreateDataSource(str(path))
    layer = source.CreateLayer("fp", geom_type=ogr.wkbPolygon)
    feature = ogr.Feature(layer.GetLayerDefn())
    ring = "POLYGON ((100 10, 101 10, 101 11, 100 10))"
    feature.SetGeometry(ogr.CreateGeometryFromWkt(ring))
    layer.CreateFeature(feature)
    source.ExecuteSQL("CREATE SPATIAL INDEX ON fp")
    del feature, layer, source
    assert path.with_suffix(".qix").exists()
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(path))
    found = QgsVectorLayer(str(path), "fp", "ogr")
    request = QgsFeatureRequest().setFilterRect(QgsRectangle(16.2, 45.2, 16.4, 45.4))
    assert len(list(found.getFeatures(request))) == 2


BESIDE = {
    "fp.shp": (
        *("fp.qix", "fp.sbn", "fp.SBX", "fp.idm", "fp.ind", "fp.qpj", "fp.shp.xml", "fp.qmd"),
        "fp.shp.aux.xml",
    ),
    "fp.gml": ("fp.gfs", "fp.gml.aux.xml"),
    "fp.csv": ("fp.csvt", "fp.csv.aux.xml", "fp.csv.xml"),
    "fp.tab": ("fp.ind",),
    "fp.gpkg": ("fp.gpkg-wal", "fp.gpkg-shm", "fp.gpkg-journal", "fp.gpkg.aux.xml"),
}
MINE = ("fp.vrt", "fp.qml", "fp2.qix", "fp.txt", "fp2.shp.xml", "afp.csvt", "fp.gpkg.bak")


@pytest.mark.parametrize("name", BESIDE)
def test_what_belonged_to_the_former_layer_goes(run, fake_worker, tmp_path, name):
    for other in (name, *BESIDE[name], *MINE):
        (tmp_path / other).write_bytes(b"former")
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(tmp_path / name))
    after = contents(tmp_path)
    assert {other for other, content in after.items() if content == b"former"} == set(MINE)
    assert name in after


# Beside a shapefile's place: a MapInfo layer, a raster, and an index of who knows what.
OF_OTHERS = ("fp.tab", "fp.dat", "fp.map", "fp.id", "fp.ind", "fp.asc", "fp.idm")
# Which readers of the new shapefile would believe.
STRAY_INDEX = "fp.qix"


def test_the_files_of_another_dataset_stay_where_no_layer_was(run, fake_worker, tmp_path):
    for other in (*OF_OTHERS, STRAY_INDEX):
        (tmp_path / other).write_bytes(b"former")
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(tmp_path / "fp.shp"))
    after = contents(tmp_path)
    assert {other for other, content in after.items() if content == b"former"} == set(OF_OTHERS)


@pytest.mark.parametrize("former", ["fp.shp", "fp.dbf"])
def test_the_index_of_a_mapinfo_layer_stays(run, fake_worker, tmp_path, former):
    for other in (former, *OF_OTHERS, STRAY_INDEX):
        (tmp_path / other).write_bytes(b"former")
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(tmp_path / "fp.shp"))
    after = contents(tmp_path)
    kept = {other for other, content in after.items() if content == b"former"}
    assert kept == set(OF_OTHERS) - {"fp.idm"}


class CaseBlindDisk:
    """Names in ``folder`` lead to what is there under another case, as on Windows and macOS."""

    def __init__(self, monkeypatch, folder):
        self.folder = folder
        for name in ("is_file", "is_symlink", "unlink", "replace"):
            monkeypatch.setattr(Path, name, self._blind(getattr(Path, name)))
        monkeypatch.setattr(os, "link", self._blind(os.link))
        monkeypatch.setattr(os.path, "lexists", self._blind(os.path.lexists))

    def _blind(self, call):
        return lambda path, *others: call(self._spelt(Path(path)), *others)

    def _spelt(self, path):
        names = self.folder.iterdir() if path.parent == self.folder else ()
        same = [other for other in names if other.name.lower() == path.name.lower()]
        return same[0] if same else path


@pytest.mark.parametrize("ending", [str.lower, str.upper, str.title])
def test_former_files_keep_their_names_on_a_disk_that_is_blind_to_case(
    tmp_path, monkeypatch, ending
):
    from fairweather.algorithms.places import StagedOutput, take_places
    from fairweather.core.bridge.errors import OutputError

    folder, staged = tmp_path / "outputs", tmp_path / "staged"
    folder.mkdir()
    staged.mkdir()
    for kind in ("shp", "shx", "dbf"):
        (folder / f"fp.{ending(kind)}").write_text(f"former {kind}")
        (staged / f"fp.{kind}").write_text("new")
    before = contents(folder)
    CaseBlindDisk(monkeypatch, folder)
    Renames(monkeypatch, folder).at = 2
    with pytest.raises(OutputError, match="cannot be replaced"):
        take_places([StagedOutput("OUTPUT", staged, folder / "fp.shp")])
    assert contents(folder) == before


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' disks are blind to case")
def test_names_in_other_cases_stay_on_a_disk_that_is_not_blind_to_it(run, fake_worker, tmp_path):
    for name in ("fp.shp", "fp.QIX", "fp.Sbn", "FP.sbx"):
        (tmp_path / name).write_bytes(b"former")
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(tmp_path / "fp.shp"))
    after = contents(tmp_path)
    kept = {name for name, content in after.items() if content == b"former"}
    assert kept == {"fp.Sbn", "FP.sbx"}


@pytest.mark.parametrize(
    ("output", "items"),
    [("scenes.geojson", "scenes_geojson"), ("a.b.csv", "a_b.csv"), ("a_b.csv", "a.b.csv")],
)
def test_outputs_whose_names_differ_in_a_dot(run, fake_worker, tmp_path, output, items):
    paths = {"OUTPUT": str(tmp_path / output), "OUTPUT_ITEMS": str(tmp_path / items)}
    run("searchscenes", EXTENT=EXTENT, **paths)
    assert len(json.loads((tmp_path / items).read_text())["features"]) == 2
    assert sorted(contents(tmp_path)) == sorted([output, items])


def test_a_link_to_elsewhere_that_is_called_alike(run, fake_worker, tmp_path):
    """Outputs are made beside their place: a link's disk may be full, away, or another."""
    linked(tmp_path / "fp_csv", tmp_path / "away" / "elsewhere")
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(tmp_path / "fp.csv"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fp.csv", "fp_csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["a|b.gpkg", "p|q/b.shp", "p|q/b.csv", "p|q/b|c.geojson"])
def test_a_bar_in_a_path(run, fake_worker, tmp_path, name):
    from qgis.core import QgsVectorLayer

    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    result = run("searchscenes", EXTENT=EXTENT, OUTPUT=str(path))["OUTPUT"]
    assert result.startswith(str(path))
    assert QgsVectorLayer(result, "", "ogr").featureCount() == 2


def linked(path, target):
    try:
        path.symlink_to(target)
    except OSError as error:
        pytest.skip(f"this disk has no links ({error})")
    return str(path)


def test_a_link_is_written_through(run, fake_worker, tmp_path):
    from qgis.core import QgsVectorLayer

    real, links = tmp_path / "real", tmp_path / "links"
    real.mkdir()
    links.mkdir()
    (real / "fp.shp").write_bytes(b"former")
    outputs = {
        "OUTPUT": linked(links / "latest.shp", real / "fp.shp"),
        "OUTPUT_ITEMS": linked(links / "latest.json", real / "new.json"),
    }
    results = run("searchscenes", EXTENT=EXTENT, **outputs)
    assert sorted(path.name for path in links.iterdir()) == ["latest.json", "latest.shp"]
    assert all(path.is_symlink() for path in links.iterdir())
    assert results["OUTPUT"] == str(real / "fp.shp")
    assert results["OUTPUT_ITEMS"] == outputs["OUTPUT_ITEMS"]
    assert QgsVectorLayer(results["OUTPUT"], "", "ogr").featureCount() == 2
    items = json.loads((real / "new.json").read_text())
    assert [item["id"] for item in items["features"]] == ["first", "second"]
    assert not [path for path in real.iterdir() if path.name.startswith(".")]


def test_a_report_is_written_through_a_link(run, tmp_path):
    report = linked(tmp_path / "latest.html", tmp_path / "report.html")
    run("environment", ACTION="check", REPORT=report)
    assert Path(report).is_symlink()
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")
