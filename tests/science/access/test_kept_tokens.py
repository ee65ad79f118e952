"""A token that all threads share: asked for once, and renewed before its end."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fairweather.core.bridge.errors import AccessError
from fairweather.core.science.access import tokens as tokens_module
from fairweather.core.science.access.tokens import KeptToken, Token


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(tokens_module.time, "monotonic", lambda: self.now)


class TestKept:
    @pytest.fixture
    def clock(self, monkeypatch):
        return Clock(monkeypatch)

    @pytest.fixture
    def kept(self):
        self.given = []

        def fetch():
            self.given.append(f"t{len(self.given)}")
            return Token(self.given[-1], 2700)

        return KeptToken(fetch)

    def test_it_is_asked_for_once_and_renewed_before_its_end(self, clock, kept):
        found = []
        for clock.now in range(1000, 1000 + 8000, 100):
            found.append(kept.text())
        assert self.given == ["t0", "t1", "t2", "t3"]
        # 300 s before the end of 2,700.
        assert found.count("t0") == found.count("t1") == 24

    def test_a_renewal_that_fails_does_no_harm_while_the_old_one_is_good(self, clock, kept):
        kept.text()
        kept._fetch = self._fail
        clock.now += 2600
        assert kept.text() == "t0"
        clock.now += 200
        with pytest.raises(AccessError):
            kept.text()

    def _fail(self):
        raise AccessError("no")

    def test_many_threads_ask_once(self, kept):
        barrier = threading.Barrier(16)

        def ask(_):
            barrier.wait()
            return kept.text()

        with ThreadPoolExecutor(16) as threads:
            assert set(threads.map(ask, range(16))) == {"t0"}
        assert self.given == ["t0"]

    def test_nobody_waits_for_a_renewal(self, clock, kept):
        kept.text()
        slow, leave = threading.Event(), threading.Event()

        def fetch():
            slow.set()
            leave.wait(5)
            return Token("new", 2700)

        kept._fetch = fetch
        clock.now += 2500
        with ThreadPoolExecutor(1) as threads:
            renewing = threads.submit(kept.text)
            assert slow.wait(5)
            assert kept.text() == "t0"
            leave.set()
            assert renewing.result() == "new"
        assert kept.text() == "new"

    def test_one_that_was_refused_is_replaced_if_it_ever_was_good(self, kept):
        first = kept.text()
        assert not kept.refused(first)
        kept.accepted(first)
        assert kept.refused(first)
        assert kept.refused(first)  # another thread, told of the old one
        assert self.given == ["t0", "t1"]
        assert not kept.refused("t1")
