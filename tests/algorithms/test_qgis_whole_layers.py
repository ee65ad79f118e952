"""A layer that QGIS wrote in part, as on a full disk, never takes a place."""

import os
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("qgis", reason="runs in QGIS's own Python")

EXTENT = "15.9,16.0,45.7,45.8 [EPSG:4326]"
ROWS = 300
ENDINGS = ("gpkg", "sqlite", "csv", "geojson", "shp", "fgb", "kml", "gml", "xlsx", "ods", "tab")
KINDS = [(ending, is_table) for ending in ENDINGS for is_table in (False, True)]
# Of a file's last bytes these may be missing: the line's end, or the length of no comment.
SPARE_BYTES = 2


def never():
    return False


@pytest.fixture
def write_layer(provider, tmp_path):
    """Write a layer into a folder of its own, as the algorithms do; its file."""
    from qgis.core import (
        QgsCoordinateReferenceSystem,
        QgsFeature,
        QgsFeatureSink,
        QgsField,
        QgsFields,
        QgsGeometry,
        QgsProcessingContext,
        QgsProcessingUtils,
        QgsVectorFileWriter,
        QgsWkbTypes,
    )
    from qgis.PyQt.QtCore import QDateTime, QVariant

    def write(ending, is_table, rows=ROWS, options=None):
        if ending not in QgsVectorFileWriter.supportedFormatExtensions():
            pytest.skip(f"this QGIS writes no .{ending}")
        folder = tmp_path / "whole"
        folder.mkdir()
        fields = QgsFields()
        types = {"site": QVariant.String, "time": QVariant.DateTime, "value": QVariant.Double}
        for name, kind in types.items():
            fields.append(QgsField(name, kind))
        kind = QgsWkbTypes.Type.NoGeometry if is_table else QgsWkbTypes.Type.MultiPolygon
        crs = QgsCoordinateReferenceSystem("" if is_table else "EPSG:4326")
        path = folder / f"layer.{ending}"
        context = QgsProcessingContext()
        sink, made = QgsProcessingUtils.createFeatureSink(
            str(path), context, fields, kind, crs, options or {}
        )
        for number in range(rows):
            feature = QgsFeature(fields)
            time = QDateTime(2024, 1, 1, number % 24, 0)
            feature.setAttributes([f'a "{number}",\nb', time, 0.1 * number])
            if not is_table:
                ring = f"((0 0, 1 0, 1 {number + 1}, 0 0))"
                feature.setGeometry(QgsGeometry.fromWkt(f"MultiPolygon({ring})"))
            assert sink.addFeatures([feature], QgsFeatureSink.Flag.FastInsert)
        del sink
        path = Path(made.partition("|")[0])
        return path if path.exists() else path.with_suffix(".dbf")

    return write


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which files are open")
@pytest.mark.parametrize(("ending", "is_table"), KINDS)
def test_a_layer_that_was_looked_at_is_open_no_more(write_layer, ending, is_table):
    """Else it could not be moved on Windows, and each run would take a handle for a minute."""
    from fairweather.algorithms.layer_check import is_whole

    path = write_layer(ending, is_table)
    is_whole(path, ROWS, never)
    handles = [handle for handle in Path("/proc/self/fd").iterdir() if handle.is_symlink()]
    places = [str(handle.readlink()) for handle in handles if os.path.lexists(handle)]
    assert [place for place in places if str(path.parent) in place] == []


@pytest.mark.parametrize(("ending", "is_table"), KINDS)
def test_a_layer_that_is_cut_anywhere_is_noticed(write_layer, tmp_path, ending, is_table):
    from fairweather.algorithms.layer_check import is_whole

    if (ending, is_table) == ("fgb", True):
        pytest.skip("GDAL may write no rows without geometry there")
    path = write_layer(ending, is_table)
    assert is_whole(path, ROWS, never)
    assert not is_whole(path, ROWS + 1, never)
    for file in sorted(path.parent.iterdir()):
        size = file.stat().st_size
        cuts = {0, 1, size // 3, size // 2, size - 4096, size - 100, size - 10, size - 3}
        for cut in cuts:
            if file.suffix == ".cpg" or not 0 <= cut < size - SPARE_BYTES:
                continue
            copy = tmp_path / "cut"
            shutil.copytree(path.parent, copy)
            with (copy / file.name).open("r+b") as opened:
                opened.truncate(cut)
            assert not is_whole(copy / path.name, ROWS, never), f"{file.name} cut at {cut}"
            shutil.rmtree(copy)


@pytest.mark.parametrize("is_table", [False, True])
@pytest.mark.parametrize("ending", [*ENDINGS, "geojsonl", "geojsons", "gxt"])
def test_a_layer_without_rows_is_whole(write_layer, ending, is_table):
    from fairweather.algorithms.layer_check import is_whole

    if (ending, is_table) == ("gxt", True):
        pytest.skip("GDAL writes nothing without geometry there")
    path = write_layer(ending, is_table, rows=0)
    assert is_whole(path, 0, never)
    assert not is_whole(path, 1, never)


def test_a_layer_without_the_name_of_an_encoding_is_whole(write_layer):
    from fairweather.algorithms.layer_check import is_whole

    path = write_layer("shp", is_table=False, options={"fileEncoding": ""})
    assert path.with_suffix(".cpg").stat().st_size == 0
    assert is_whole(path, ROWS, never)


def test_a_table_with_a_hole_is_noticed(write_layer):
    from fairweather.algorithms.layer_check import is_whole

    path = write_layer("csv", is_table=True)
    content = path.read_bytes()
    middle = content.index(b"a ", len(content) // 2)
    path.write_bytes(content[:middle] + content[middle + 20 :])
    assert not is_whole(path, ROWS, never)


def test_a_cancel_ends_the_reading(write_layer, monkeypatch):
    from fairweather.algorithms import layer_check
    from fairweather.core.bridge.errors import CancelledError

    monkeypatch.setattr(layer_check, "ROWS_BETWEEN_LOOKS", 100)
    path = write_layer("gpkg", is_table=True)
    with pytest.raises(CancelledError):
        layer_check.is_whole(path, ROWS, lambda: True)


@pytest.fixture
def limit_files(fake_worker, monkeypatch):
    """Let no file grow beyond so many bytes once the worker is done; as a disk that is full."""
    if sys.platform == "win32":
        pytest.skip("limits the size of files as POSIX can")
    import resource

    from fairweather.algorithms import base

    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size):
        def run_job(*arguments, **keywords):
            values = fake_worker(*arguments, **keywords)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
            return values

        monkeypatch.setattr(base, "run_job", run_job)

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["fp.gpkg", "fp.geojson", "fp.csv", "fp.shp"])
def test_what_fails_when_a_layer_is_closed(run, limit_files, tmp_path, name):
    """The rows of a small layer are written when it is closed, of which QGIS tells no error."""
    import resource

    from qgis.core import QgsProcessingException

    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    trial = tmp_path / "trial"
    trial.mkdir()
    limit_files(unlimited[0])
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(trial / name))
    size = max(path.stat().st_size for path in trial.iterdir())
    place = tmp_path / name
    place.write_bytes(b"former")
    for most in (size // 4, size // 2, size * 3 // 4, size - 1 - SPARE_BYTES):
        limit_files(most)
        with pytest.raises(QgsProcessingException, match=r"OUTPUT: it cannot be written \("):
            run("searchscenes", EXTENT=EXTENT, OUTPUT=str(place))
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        assert place.read_bytes() == b"former"
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "trial"])


def test_rows_without_geometry_in_a_shapefile_are_found_again(run, fake_worker, tmp_path):
    from qgis.core import QgsVectorLayer

    for former in ("series.shp", "series.shx"):
        (tmp_path / former).write_bytes(b"of polygons")
    results = run("timeseries", POINT="16,46 [EPSG:4326]", OUTPUT=str(tmp_path / "series.shp"))
    assert results["OUTPUT"] == str(tmp_path / "series.dbf")
    assert QgsVectorLayer(results["OUTPUT"], "", "ogr").featureCount() == 2
    assert {path.suffix for path in tmp_path.iterdir()} <= {".dbf", ".cpg"}
