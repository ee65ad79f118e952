"""A dry run through qgis_process: the log tells what would be, and only the report is made."""

import re


def made_in(folder):
    return sorted(path.name for path in folder.iterdir())


def zagreb(shared_data):
    return {
        "COLLECTION": "sentinel-2-l2a",
        "CATALOG": shared_data / "zagreb" / "catalog.json",
        "START": "2023-08-01",
        "END": "2023-08-31",
        "MAX_CLOUD": 100,
    }


def test_a_composite_is_told_and_not_made(qgis_process, shared_data, tmp_path):
    run = qgis_process.run(
        "composite",
        folder=tmp_path,
        **zagreb(shared_data),
        EXTENT="16,16.1,45.97,46.03 [EPSG:4326]",
        DRY_RUN="true",
        OUTPUT="composite.tif",
        OUTPUT_REPORT=tmp_path / "report.html",
    )
    assert run.code == 0, run.errors
    assert re.search(r"10 scenes on 5 days in \d+ blocks?, about [\d.]+ MB to read", run.output)
    assert "Dry run: no pixel was read" in run.output
    assert made_in(tmp_path) == ["report.html"]
    for words in ("could not be loaded", "not correctly generated", "Traceback"):
        assert words not in run.output + run.errors
    results = run.output.partition("Results")[2]
    assert "SCENE_COUNT:\t10" in results
    assert "OUTPUT:" not in results


def test_a_time_series_is_told_and_not_made(qgis_process, shared_data, tmp_path):
    run = qgis_process.run(
        "timeseries",
        folder=tmp_path,
        **zagreb(shared_data),
        POINT="16.03,46 [EPSG:4326]",
        DRY_RUN="true",
        OUTPUT="series.csv",
        OUTPUT_CHART=tmp_path / "chart.html",
    )
    assert run.code == 0, run.errors
    assert "on 5 days in 1 block, about" in run.output
    assert "Dry run: no pixel was read" in run.output
    assert made_in(tmp_path) == []
    assert "OUTPUT" not in run.output.partition("Results")[2]
