"""The plugin's folder is removed or replaced while its worker runs: the run ends as it would."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fairweather.core.bridge.errors import WorkerError
from fairweather.core.bridge.request import (
    SampleCatalogRequest,
    request_to_json,
)
from fairweather.core.bridge.worker_process import run_job
from plugin_copies import copy_plugin

LATE = """
    import json, shutil, importlib
    root = Path({root!r})
    early = [name for name in sys.modules if name.startswith("fairweather.core.science.")]
    shutil.rmtree(root)
    if {replaced}:
        for file in ("core/science/timeseries/chart_page.py", "core/bridge/profiles/x.json"):
            (root / file).parent.mkdir(parents=True)
            (root / file).write_text("another version")
        (root / "metadata.txt").write_text("[general]\\nversion=9")
    late = [
        importlib.import_module("fairweather.core.science." + name)
        for name in ("timeseries.chart_page", "timeseries.chart_image", "composite.report",
                     "cluster.connection", "web.client", "access.access")
    ]
    from fairweather.core.bridge import indices, profiles, version
    return {{
        "early": len(early),
        "template": len(late[0]._template_text("timeseries_chart.html")),
        "report": len(late[2]._template_text("composite_report.html")),
        "profiles": list(profiles.load_profiles()),
        "indices": len(indices.load_indices()),
        "version": version.plugin_version(),
    }}
"""


@pytest.fixture
def plugin_copy(plugin_root, tmp_path):
    """A copy of the plugin that may be removed."""
    copy = tmp_path / "plugins" / "fairweather"
    copy_plugin(plugin_root, copy)
    return copy


@pytest.mark.parametrize("replaced", [False, True])
def test_a_worker_needs_nothing_of_the_plugins_folder_after_its_start(
    real_worker, request_, plugin_copy, plugin_root, replaced
):
    worker = real_worker("pass")
    text = worker.script.read_text(encoding="utf-8")
    text = text.replace(str(plugin_root), str(plugin_copy))
    body = LATE.format(root=str(plugin_copy), replaced=replaced)
    worker.script.write_text(text.replace("\n    pass\n", body), encoding="utf-8")
    values = worker.run(request_)
    assert values["early"] < 20
    assert values["template"] > 500
    assert values["report"] > 500
    assert "sentinel-2-c1-l2a" in values["profiles"]
    assert "x" not in values["profiles"]
    assert values["indices"] > 100
    assert values["version"] != "9"
    # No byte code was written into a folder that is gone.
    assert plugin_copy.exists() == replaced


def test_a_plugin_that_is_gone_says_to_run_again(request_, tmp_path):
    with pytest.raises(WorkerError, match=r"plugin.*(replaced|removed).*run again"):
        run_job(
            request_,
            Path(sys.executable),
            on_event=lambda _: None,
            is_cancelled=lambda: False,
            launch_script=tmp_path / "no" / "launch.py",
        )


def test_a_plugin_that_is_half_there_says_to_run_again(request_, plugin_copy):
    (plugin_copy / "core" / "science" / "catalog" / "job.py").unlink()
    with pytest.raises(WorkerError, match=r"plugin.*run again"):
        run_job(
            request_,
            Path(sys.executable),
            on_event=lambda _: None,
            is_cancelled=lambda: False,
            launch_script=plugin_copy / "core" / "launch.py",
        )


@pytest.mark.slow
def test_a_real_run_goes_on_without_the_plugin(plugin_copy, tmp_path, wait_until):
    path = tmp_path / "request.json"
    target = tmp_path / "catalogue"
    path.write_text(request_to_json(SampleCatalogRequest(str(target), 12)), encoding="utf-8")
    command = [sys.executable, plugin_copy / "core" / "launch.py", "worker", path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout.readline()
    shutil.rmtree(plugin_copy)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert (target / "catalog.json").is_file()
