"""How long servers are waited for: two ends, growing pauses, and hosts that are given up."""

import socket
import threading
from types import SimpleNamespace

import pytest
import steady_time
from fairweather.core.science.imagery.files import patience
from fairweather.core.science.imagery.files.patience import (
    HostDownError,
    Hosts,
    RangeError,
    StatusError,
    may_pass,
    retry_policy,
)
from urllib3.exceptions import NameResolutionError, ProtocolError, SSLError

HREF = "https://tiles.example/{}.tif"
FILE = HREF.format("a")


class Clock:
    """Time that passes only by waiting."""

    def __init__(self):
        self.now = 1000.0
        self.pauses = []

    def wait(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


class Signal(threading.Event):
    """Somebody waits for it on the clock."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def wait(self, timeout=None):
        self.clock.wait(timeout)
        return self.is_set()


@pytest.fixture
def clock(monkeypatch):
    clock, host = Clock(), patience._Host
    monkeypatch.setattr(patience, "_Host", lambda: host(is_down=Signal(clock)))
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def sends_nothing(_):
    return False


def known_host(still_sends=sends_nothing):
    hosts = Hosts(still_sends)
    hosts.attempts(HREF.format("first"), retry_policy())
    hosts.answered(HREF.format("first"), is_read=True)
    return hosts


def silent_host():
    """One that other reads have just found away."""
    hosts = known_host()
    for _ in range(patience.FAILURES_OF_SILENCE):
        hosts.failed(HREF.format("first"))
    return hosts


def give_up(hosts, error, href=FILE, clock=None, seconds=0.0):
    """The number of attempts until the read is given up; each takes some seconds."""
    attempts = hosts.attempts(href, retry_policy())
    count = 1
    while may_go_on(attempts, error):
        count += 1
        if clock:
            clock.now += seconds
    return count


def may_go_on(attempts, error):
    try:
        attempts.wait(error)
    except (type(error), HostDownError):
        return False
    return True


def end_of(attempts, error):
    """What a read is given up with, when each attempt fails with an error."""
    try:
        while True:
            attempts.wait(error)
    except (type(error), HostDownError) as end:
        return end


def test_pauses_grow_and_are_never_quite_the_same(clock):
    give_up(silent_host(), ProtocolError("reset"))
    first, clock.pauses = clock.pauses, []
    give_up(silent_host(), ProtocolError("reset"))
    assert len(first) == 10
    assert first != clock.pauses
    for one, most in zip(first, (0.01, 0.03, 0.09, 0.27, 0.81, 2.43, 7.3, 22, 30, 30), strict=True):
        assert 0.79 * most <= one <= most
    assert 60 <= sum(first) <= 100


def test_pauses_stay_short_while_the_server_answers_others(clock):
    hosts = known_host()
    attempts = hosts.attempts(FILE, retry_policy())
    for _ in range(10):
        hosts.answered(HREF.format("other"), is_read=True)
        attempts.wait(ProtocolError("reset"))
    for one, most in zip(clock.pauses, (0.01 * 2**step for step in range(9)), strict=False):
        assert 0.79 * most <= one <= most
    assert 8 <= sum(clock.pauses) <= 11


def test_a_read_alone_waits_out_a_minute_too(clock):
    begin = clock.now
    give_up(known_host(), ProtocolError("reset"))
    assert clock.now - begin >= 60


@pytest.mark.parametrize(
    ("status", "least"), [(503, 0.064), (429, 0.064), (500, 0.008), (502, 0.008)]
)
def test_a_busy_server_gets_longer_pauses(clock, status, least):
    known_host().attempts(FILE, retry_policy()).wait(StatusError(status))
    assert least <= clock.pauses[0] <= 2 * least


def test_a_server_that_stalls_ends_by_time(clock):
    begin = clock.now
    assert 3 <= give_up(known_host(), ProtocolError("slow"), clock=clock, seconds=20) <= 6
    assert clock.now - begin <= 120


def test_a_minute_without_names_is_survived(clock):
    attempts = known_host().attempts(HREF.format("a"), retry_policy())
    begin = clock.now
    while clock.now - begin < 60:
        attempts.wait(NameResolutionError("tiles.example", None, socket.gaierror("no")))


def test_a_server_never_seen_is_given_up_sooner(clock):
    begin, hosts = clock.now, Hosts(sends_nothing)
    give_up(hosts, ProtocolError("refused"))
    assert clock.now - begin <= 16
    give_up(hosts, ProtocolError("refused"), HREF.format("b"))
    with pytest.raises(HostDownError):
        hosts.attempts(HREF.format("c"), retry_policy())


def test_a_server_never_seen_that_asks_to_wait_is_waited_for(clock):
    attempts = Hosts(sends_nothing).attempts(FILE, retry_policy())
    attempts.wait(StatusError(429, retry_after=40))
    assert clock.pauses == [40]


@pytest.mark.parametrize(("status", "attempts"), [(403, 7), (500, 11)])
def test_what_is_mostly_meant_is_asked_less_often(clock, status, attempts):
    assert give_up(known_host(), StatusError(status)) == attempts


def test_a_busy_server_is_asked_until_the_time_is_over(clock):
    begin = clock.now
    assert 7 <= give_up(silent_host(), StatusError(503)) <= 11
    assert 60 <= clock.now - begin <= 100


def test_the_pause_that_is_asked_for(clock):
    attempts = known_host().attempts(HREF.format("a"), retry_policy())
    attempts.wait(StatusError(429, retry_after=40))
    assert clock.pauses == [40]
    attempts.wait(StatusError(429, retry_after=60))
    with pytest.raises(StatusError):
        attempts.wait(StatusError(429, retry_after=1))


def test_a_file_that_failed_is_asked_for_once_more_and_then_no_more(clock):
    hosts, href = known_host(), HREF.format("a")
    give_up(hosts, ProtocolError("reset"), href)
    assert give_up(hosts, ProtocolError("reset"), href) == 1
    assert give_up(hosts, ProtocolError("reset"), href) == 1
    with pytest.raises(RangeError, match="again and again"):
        hosts.attempts(href, retry_policy())
    # Another file of that server is read as ever.
    assert give_up(hosts, ProtocolError("reset"), HREF.format("b")) == 11


def test_one_file_never_brings_its_server_down(clock):
    hosts = known_host()
    for _ in range(3):
        give_up(hosts, ProtocolError("reset"))
    hosts.attempts(HREF.format("b"), retry_policy())


def test_a_server_that_is_down_is_given_up_for_all(clock):
    hosts = known_host()
    for number in range(6):
        give_up(hosts, ProtocolError("reset"), HREF.format(number))
    with pytest.raises(HostDownError):
        hosts.attempts(HREF.format("other"), retry_policy())
    hosts.attempts("https://elsewhere.example/a.tif", retry_policy())


def test_the_read_that_shows_that_a_server_is_down_says_so(clock):
    """All others may have failed before it, and nobody be left to notice."""
    hosts = known_host()
    *others, last = (hosts.attempts(HREF.format(number), retry_policy()) for number in range(6))
    error = ProtocolError("reset")
    for read in others:
        assert end_of(read, error) is error
    assert isinstance(end_of(last, error), HostDownError)


def test_an_answer_between_failures_shows_that_the_server_is_up(clock):
    hosts = known_host()
    for number in range(20):
        give_up(hosts, ProtocolError("reset"), HREF.format(number))
        hosts.answered(HREF.format(number), is_read=bool(number % 2))
    hosts.attempts(HREF.format("other"), retry_policy())


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("error", [StatusError(403), StatusError(503), ProtocolError("reset")])
class TestServerThatStillSends:
    """Files fail for good, and the server sends what it sent before."""

    def test_it_is_never_given_up(self, error):
        asked = []
        hosts = known_host(lambda href: asked.append(href) or True)
        for number in range(40):
            give_up(hosts, error, HREF.format(number))
        hosts.attempts(HREF.format("other"), retry_policy())
        assert set(asked) == {HREF.format("first")}

    def test_each_file_costs_little_time(self, clock, error):
        hosts = known_host(lambda _: True)
        costs = []
        for number in range(40):
            begin = clock.now
            give_up(hosts, error, HREF.format(number))
            costs.append(clock.now - begin)
        assert max(costs) <= 26
        assert max(costs[patience.MANY_FILES :]) <= 1.3

    def test_what_is_read_last_is_asked_for(self, error):
        asked = []
        hosts = known_host(lambda href: asked.append(href) or True)
        hosts.answered(HREF.format("last"), is_read=True)
        hosts.answered(HREF.format("missing"), is_read=False)
        give_up(hosts, error, HREF.format("broken"))
        for number in range(8):
            give_up(hosts, error, HREF.format(number))
        assert set(asked) == {HREF.format("last")}

    def test_until_it_does_not(self, error):
        sends = [True]
        hosts = known_host(lambda _: sends[0])
        for number in range(10):
            give_up(hosts, error, HREF.format(number))
        hosts.answered(HREF.format("last"), is_read=True)
        sends[0] = False
        for number in range(10, 16):
            give_up(hosts, error, HREF.format(number))
        with pytest.raises(HostDownError):
            hosts.attempts(HREF.format("other"), retry_policy())


def test_many_files_and_then_silence_is_waited_out(clock):
    """Files that are gone are no reason to be impatient when the network is away."""
    sends = [True]
    hosts = known_host(lambda _: sends[0])
    for number in range(20):
        give_up(hosts, StatusError(503), HREF.format(number))
    sends[0] = False
    for _ in range(patience.FAILURES_OF_SILENCE):
        hosts.failed(HREF.format("first"))
    begin = clock.now
    give_up(hosts, ProtocolError("reset"))
    assert clock.now - begin >= 60


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("number", [403, 500, 503])
class TestStrangerThatAnswersErrors:
    """Nothing was read of the server yet."""

    def test_other_files_are_asked_for_once(self, number):
        hosts = Hosts(sends_nothing)
        counts = []
        while len(counts) < patience.FILES_OF_A_STRANGER:
            counts.append(give_up(hosts, StatusError(number), HREF.format(len(counts))))
        assert counts[0] >= 5
        assert counts[1:] == [1] * 7
        with pytest.raises(HostDownError, match=f"nothing but errors and was given up .{number}"):
            hosts.attempts(HREF.format("other"), retry_policy())

    def test_one_that_sends_another_file_is_up(self, number):
        hosts = Hosts(lambda _: True)
        for name in range(7):
            give_up(hosts, StatusError(number), HREF.format(name))
        hosts.attempts(HREF.format("good"), retry_policy())
        hosts.answered(HREF.format("good"), is_read=True)
        # What was asked for once has all its attempts now.
        assert give_up(hosts, StatusError(number), HREF.format(6)) >= 7
        for name in range(7, 20):
            give_up(hosts, StatusError(number), HREF.format(name))
        hosts.attempts(HREF.format("other"), retry_policy())


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    "busy", [StatusError(503), StatusError(500), StatusError(429, retry_after=2.0)]
)
def test_one_forbidden_file_does_not_make_a_busy_stranger_a_dead_one(busy):
    """It is busy when the run begins, as servers are that limit requests."""
    hosts = Hosts(sends_nothing)
    give_up(hosts, StatusError(403), HREF.format("private"))
    for number in range(3):
        attempts = hosts.attempts(HREF.format(number), retry_policy())
        for _ in range(3):
            attempts.wait(busy)


def test_what_never_passes():
    assert not may_pass(StatusError(404))
    assert not may_pass(StatusError(401))
    assert not may_pass(ProtocolError("too many redirects"))
    assert not may_pass(SSLError("certificate verify failed: self-signed certificate"))
    assert may_pass(SSLError("EOF occurred in violation of protocol"))


def test_whoever_waits_is_woken_at_the_end():
    hosts = known_host()
    attempts = hosts.attempts(HREF.format("a"), retry_policy())
    stopwatch = steady_time.Stopwatch()
    threading.Timer(0.1, hosts.end).start()
    with pytest.raises(HostDownError):
        attempts.wait(StatusError(429, retry_after=30))
    assert stopwatch.stop() < 5
    with pytest.raises(HostDownError):
        hosts.attempts(HREF.format("b"), retry_policy())
