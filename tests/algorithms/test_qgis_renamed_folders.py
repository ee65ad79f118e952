"""The folder of the outputs is renamed while a time series is made."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("qgis", reason="runs in QGIS's own Python")

OUTPUTS = {
    "OUTPUT": "series.csv",
    "OUTPUT_OBSERVATIONS": "observed.shp",
    "OUTPUT_SITES": "sites.gpkg",
    "OUTPUT_CHART": "chart.html",
    "OUTPUT_CHART_IMAGE": "chart.png",
}
MOVED = "what was being made beside {} was moved or removed; run again"


@pytest.fixture
def outputs(tmp_path):
    """The folder of the outputs; to rename one in which files are open is POSIX's alone."""
    if sys.platform == "win32":
        pytest.skip("Windows renames no folder in which a file is open")
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


@pytest.fixture
def run_series(run, fake_worker, outputs, monkeypatch):
    """Make a time series; ``before`` and ``after`` are called around what the worker does."""
    from fairweather.algorithms import base

    def run_renamed(before=lambda: None, after=lambda: None):
        def run_job(*arguments, **keywords):
            before()
            values = fake_worker(*arguments, **keywords)
            after()
            return values

        monkeypatch.setattr(base, "run_job", run_job)
        given = {name: str(outputs / file) for name, file in OUTPUTS.items()}
        run("timeseries", POINT="16,46 [EPSG:4326]", **given)

    return run_renamed


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def renamed(folder):
    return folder.with_name("renamed")


def rename_and_make_anew(folder):
    folder.rename(renamed(folder))
    folder.mkdir()


def test_nothing_lies_beside_the_outputs_while_the_worker_reads(run_series, outputs):
    seen = []
    run_series(before=lambda: seen.extend(names(outputs)))
    assert seen == []
    assert set(OUTPUTS.values()) - {"observed.shp"} <= set(names(outputs))


def test_renamed_before_anything_is_written(run_series, outputs):
    run_series(before=lambda: rename_and_make_anew(outputs))
    assert names(renamed(outputs)) == []
    assert set(OUTPUTS.values()) - {"observed.shp"} <= set(names(outputs))
    assert not [name for name in names(outputs) if name.startswith(".")]


def test_renamed_when_the_charts_are_there(run_series, outputs):
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException) as raised:
        run_series(after=lambda: rename_and_make_anew(outputs))
    assert MOVED.format(outputs / "chart.html") in str(raised.value)
    assert names(outputs) == []


@pytest.mark.parametrize("is_written", [True, False])
def test_renamed_when_a_layer_is_there(run_series, outputs, monkeypatch, is_written):
    from fairweather.algorithms import sinks
    from qgis.core import QgsProcessingException

    def is_whole(*_):
        if not renamed(outputs).exists():
            rename_and_make_anew(outputs)
        return is_written

    monkeypatch.setattr(sinks, "is_whole", is_whole)
    with pytest.raises(QgsProcessingException) as raised:
        run_series()
    assert MOVED.format(outputs / "series.csv") in str(raised.value)
    assert names(outputs) == []


def test_renamed_between_two_layers_and_not_made_anew(run_series, outputs):
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match=r"OUTPUT: .* cannot be written") as raised:
        run_series(after=lambda: outputs.rename(renamed(outputs)))
    assert str(Path(outputs) / "series.csv") in str(raised.value)
    assert not outputs.exists()
