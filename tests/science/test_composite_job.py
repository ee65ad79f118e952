"""What the composite job refuses before it reads a pixel."""

import pytest
from fairweather.core.bridge.errors import OutputError
from fairweather.core.bridge.request import Area, CompositeRequest, SceneSearch
from fairweather.core.science.composite import job
from fairweather.core.science.reporter import RecordingReporter


def test_a_report_that_cannot_be_written_is_told_before_a_pixel_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "prepare_composite", lambda *_: None)
    monkeypatch.setattr(job, "check_room", lambda *_: None)
    monkeypatch.setattr(job, "_stream_blocks", lambda *_: pytest.fail("pixels were read"))
    search = SceneSearch("sentinel-2-c1-l2a", Area("EPSG:4326", {}), "2024-01-01", "2024-12-31")
    report = tmp_path / "missing" / "report.html"
    request = CompositeRequest(search, ("red",), str(tmp_path / "c.tif"), report=str(report))
    with pytest.raises(OutputError, match=r"missing does not exist"):
        job.run_composite(request, RecordingReporter(), tmp_path)
    assert list(tmp_path.iterdir()) == []
