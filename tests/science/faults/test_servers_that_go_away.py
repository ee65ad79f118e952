"""Composites whose server goes away, from the first request on or later: given up once, for all."""

import pytest
from fairweather.core.bridge.errors import ReadError
from small_job import COLUMNS

DAYS = 9


@pytest.mark.usefixtures("impatient")
class TestHostDown:
    """A run whose server goes away."""

    @pytest.fixture
    def large_job(self, small_job, server):
        small_job.__init__(small_job.folder, server, days=DAYS)
        return small_job

    @pytest.mark.parametrize(
        ("fault", "most_requests"),
        [
            ("refuse", 24),
            # All attempts at the first file; then two more scenes, and each mask in each block.
            ("503", 11 + 2 + DAYS * COLUMNS),
            *(pytest.param(kind, 24, marks=pytest.mark.slow) for kind in ("cut", "stall")),
        ],
    )
    def test_from_the_first_request_on(self, server, large_job, fault, most_requests):
        server.everything = fault
        with pytest.raises(ReadError) as caught:
            large_job.run()
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith("run again.")
        # Not once per request: most files were never asked for.
        assert server.requests <= most_requests
        assert not list(large_job.folder.glob("composite-*"))

    @pytest.mark.parametrize("moment", [5, 30, pytest.param(60, marks=pytest.mark.slow)])
    def test_in_the_middle(self, server, large_job, moment):
        server.script = {moment: "all refuse"}
        with pytest.raises(ReadError, match="does not answer any more"):
            large_job.run()
        assert not list(large_job.folder.glob("composite-*"))

    def test_nobody_listens(self, server, large_job):
        for item in large_job.items:
            for asset in item["assets"].values():
                asset["href"] = asset["href"].replace(server.address, "http://127.0.0.1:9")
        with pytest.raises(ReadError, match=r"refuses the connection|does not answer"):
            large_job.run()
        assert server.requests == 0
