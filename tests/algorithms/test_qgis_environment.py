"""The algorithm `environment` inside QGIS: what is left over is listed and cleaned."""

import json
import sys
from pathlib import Path

import pytest


@pytest.fixture
def home(monkeypatch, tmp_path):
    folder = tmp_path / "home"
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    monkeypatch.setenv("FAIRWEATHER_HOME", str(folder))
    return folder


@pytest.fixture
def unfinished(home):
    """An unfinished composite, as a killed run leaves it."""
    folder = home / "unfinished" / "0123456789abcdef0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "owner.lock").touch()
    (folder / "block-0-0.bin").write_bytes(bytes(3_000_000))
    title = {"bands": "red, NDVI", "dates": "2024-05-01 to 2024-09-30", "output": "<i>summer.tif"}
    (folder / "title.json").write_text(json.dumps(title), encoding="ascii")
    return folder


def log_of(monkeypatch, provider):
    from qgis.core import QgsProcessingFeedback

    lines = []
    monkeypatch.setattr(QgsProcessingFeedback, "pushInfo", lambda _, text: lines.append(text))
    return lines


def test_check_lists_what_is_left_over(provider, run, monkeypatch, tmp_path, unfinished):
    lines = log_of(monkeypatch, provider)
    report = tmp_path / "report.html"
    run("environment", REPORT=str(report))
    words = "Unfinished composite: red, NDVI of 2024-05-01 to 2024-09-30 for <i>summer.tif (3 MB)"
    assert words in lines
    page = report.read_text(encoding="utf-8")
    assert "Left over: 1, 3 MB" in page
    assert "&lt;i&gt;summer.tif" in page
    assert "<i>" not in page
    assert unfinished.is_dir()


def test_clean_removes_it_and_tells_the_bytes(
    provider, run, monkeypatch, tmp_path, home, unfinished
):
    lines = log_of(monkeypatch, provider)
    killed, half_made = home / "jobs" / "job-0killed_", home / "environments" / "0123456789ab-py3.9"
    for folder in (killed, half_made / "work"):
        folder.mkdir(parents=True)
    (killed / "owner.lock").touch()
    part = tmp_path / ".composite.tif.job-0killed_.part"
    part.write_text("half")
    note = {"outputs": [str(tmp_path / "composite.tif")], "python": sys.executable}
    (killed / "job.json").write_text(json.dumps(note), encoding="ascii")
    results = run("environment", ACTION="clean")
    assert results["READY"] is False
    assert any(line.startswith("Removed: 3 MB (3,000,") for line in lines)
    left = [folder for folder in (unfinished, killed, half_made, part) if folder.exists()]
    assert left == []
    assert not any("Left over" in line for line in lines)


def test_clean_leaves_a_running_job_alone(provider, run, home):
    from fairweather.core.bridge.job_folders import job_folder

    with job_folder("search") as folder:
        run("environment", ACTION="clean")
        assert Path(folder).is_dir()
