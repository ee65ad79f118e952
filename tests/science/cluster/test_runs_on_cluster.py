"""Whole runs on a Dask cluster give what local runs give, and leave nothing there."""

import importlib.util
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import rasterio
import shapely
from fairweather.core.bridge.errors import CancelledError, ReadError
from fairweather.core.bridge.events import Message, Progress
from fairweather.core.bridge.request import Site, TimeSeriesRequest
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.cluster import shared_files
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.reporter import RecordingReporter
from plugin_copies import copy_plugin

pytestmark = pytest.mark.slow


def texts(events):
    return [event.text for event in events if isinstance(event, Message)]


def block_count(events):
    told = [event.message for event in events if isinstance(event, Progress)]
    first = next(text for text in told if text.startswith("Reading and reducing: 0 of "))
    return int(first.split()[5])


def test_the_workers_do_not_have_the_plugin(clean_cluster):
    found = clean_cluster.client.run(importlib.util.find_spec, "fairweather")
    assert set(found.values()) == {None}


def test_a_composite_has_the_bytes_of_a_local_one(clean_cluster, composite, run_worker):
    output = Path(composite.output)
    local, _ = run_worker(composite)
    expected = output.read_bytes()
    output.unlink()
    before = clean_cluster.finished_tasks()
    found, events = run_worker(replace(composite, cluster=clean_cluster.address, dashboard=True))
    assert output.read_bytes() == expected
    assert found == local
    assert block_count(events) >= 4
    tasks = clean_cluster.finished_tasks() - before
    assert len(tasks) == block_count(events)
    assert any(f"Dask cluster at {clean_cluster.address}" in text for text in texts(events))
    link = clean_cluster.client.dashboard_link
    assert f"The cluster's dashboard: {link}" in texts(events)


def test_a_time_series_has_the_observations_of_a_local_one(
    clean_cluster, sample, run_worker, tmp_path
):
    centre = shapely.geometry.shape(sample.area.geometry).centroid
    places = [shapely.Point(centre.x + n / 500, centre.y).buffer(n / 5000) for n in range(-4, 5)]
    tables = {name: tmp_path / name for name in ("series", "observations", "site_summary")}
    request = TimeSeriesRequest(
        sample,
        tuple(
            Site(n, f"site {n}", shapely.geometry.mapping(place if place.area else centre))
            for n, place in enumerate(places)
        ),
        "EPSG:4326",
        ("NDVI", "red"),
        SeriesRecipe(),
        **{name: str(path) for name, path in tables.items()},
    )
    local, _ = run_worker(request)
    expected = {name: path.read_bytes() for name, path in tables.items()}
    found, _ = run_worker(replace(request, cluster=clean_cluster.address))
    assert found == local
    assert local["OBSERVATION_COUNT"] > 20
    assert {name: path.read_bytes() for name, path in tables.items()} == expected


def test_two_versions_at_once_do_not_mix(
    clean_cluster, composite, run_worker, plugin_root, tmp_path
):
    """A copy of the plugin doubles all values; both run on the same workers."""
    other = tmp_path / "other version"
    copy_plugin(plugin_root, other)
    module = other / "core" / "science" / "composite" / "output_raster.py"
    text = module.read_text(encoding="utf-8")
    assert text.count("values = composite.values\n") == 1
    module.write_text(
        text.replace("values = composite.values\n", "values = 2 * composite.values\n")
    )
    here = replace(composite, cluster=clean_cluster.address, bands=("red",))
    there = replace(here, output=str(tmp_path / "doubled.tif"))
    with ThreadPoolExecutor() as threads:
        runs = [
            threads.submit(run_worker, here),
            threads.submit(run_worker, there, launch_script=other / "core" / "launch.py"),
        ]
        for run in runs:
            run.result()
    with rasterio.open(here.output) as single, rasterio.open(there.output) as doubled:
        values = single.read(1, masked=True)
        assert values.count() > 10_000
        assert (2 * values == doubled.read(1, masked=True)).all()


def test_a_cancelled_run_leaves_no_task(clean_cluster, composite, run_worker):
    """Also see the fixture: it waits until nothing is left."""
    events = []

    def is_computing():
        return any("Reading and reducing" in getattr(event, "message", "") for event in events)

    with pytest.raises(CancelledError):
        run_worker(
            replace(composite, cluster=clean_cluster.address),
            is_cancelled=is_computing,
            events=events,
        )
    assert not Path(composite.output).exists()


@pytest.mark.parametrize("is_here", [True, False])
def test_a_file_that_workers_do_not_find(
    clean_cluster, composite, sample, tmp_path, monkeypatch, is_here
):
    """One that is nowhere is left out; one that this computer has is told."""
    folder = tmp_path / "scenes"
    shutil.copytree(Path(sample.catalog).parent, folder)
    max(folder.rglob("scl.tif")).unlink()
    request = replace(
        composite,
        search=replace(sample, catalog=str(folder / "catalog.json")),
        cluster=clean_cluster.address,
    )
    monkeypatch.setattr(shared_files, "os", SimpleNamespace(access=lambda *_: is_here, R_OK=4))
    reporter = RecordingReporter()
    if is_here:
        with pytest.raises(ReadError, match="worker of the cluster does not find"):
            run_composite(request, reporter, tmp_path)
    else:
        run_composite(request, reporter, tmp_path)
        assert any("could not be read" in text for text in reporter.warnings)
