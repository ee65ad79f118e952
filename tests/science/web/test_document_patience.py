"""Documents are asked for again, but a server that is down is given up once for all of them."""

import threading
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from fairweather.core.science.web import patience
from fairweather.core.science.web.errors import (
    BrokenOffError,
    ForbiddenPlaceError,
    WebError,
    WrongAnswerError,
)
from fairweather.core.science.web.patience import ServerDownError, Servers
from fairweather.core.science.web.retry_after import retry_after

ADDRESS = "https://catalog.example/{}.json"
BROKEN = BrokenOffError("it broke")
FORBIDDEN = WebError("no", 403)
WRONG = WrongAnswerError(ValueError("no JSON"))


class Clock:
    """Seconds that pass only while something waits."""

    def __init__(self):
        self.now = 1000.0
        self.pauses = []

    def monotonic(self):
        return self.now

    def wait_for(self, is_so, seconds=None):
        if seconds is not None and not is_so():
            self.pauses.append(seconds)
            self.now += seconds
        return is_so()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(patience.time, "monotonic", clock.monotonic)
    return clock


@pytest.fixture
def servers(clock, monkeypatch):
    servers = Servers()
    monkeypatch.setattr(servers.changed, "wait_for", clock.wait_for)
    return servers


def read(servers, name="root", ask_again=None):
    with servers.attempts(ADDRESS.format(name)) as attempts:
        attempts.begin()
        attempts.succeeded(ask_again)


def tries(servers, name, error, clock=None, seconds=0.0):
    """How often a document is asked for that fails each time, and how that ends."""
    with servers.attempts(ADDRESS.format(name)) as attempts:
        count = 0
        while True:
            try:
                attempts.begin()
                count += 1
                if clock:
                    clock.now += seconds
                attempts.failed(error)
            except WebError as end:
                return count, end


def test_a_stranger_is_given_up_soon(servers, clock):
    began = clock.now
    count, end = tries(servers, "root", BROKEN)
    assert (count, end) == (3, BROKEN)
    assert clock.now - began < 2
    assert tries(servers, "other", BROKEN)[0] == 0
    assert tries(servers, "root", BROKEN)[1].reason == "it broke, so that it was given up"


def test_a_network_may_be_away_for_a_minute(servers, clock):
    read(servers)
    began = clock.now
    count, end = tries(servers, "a", BROKEN)
    assert (count, end) == (9, BROKEN)
    assert 60 < clock.now - began < 100
    assert tries(servers, "b", BROKEN)[0] == 0


class Look:
    """What was read before, asked for again: each time it ends in the next of ``errors``."""

    def __init__(self, *errors):
        self.errors = errors
        self.count = 0

    def __call__(self):
        error = self.errors[min(self.count, len(self.errors) - 1)]
        self.count += 1
        if error is not None:
            raise error


GONE = WebError("gone", 404)
BUSY = WebError("busy", 503, may_pass=True)
LOOPING = WebError("it redirects again and again")


@pytest.mark.parametrize("error", [BROKEN, BUSY, LOOPING])
@pytest.mark.parametrize("answers", [(None,), (GONE,), (BUSY, None), (BROKEN, BUSY, GONE)], ids=str)
def test_one_document_that_nobody_else_is_asked_beside(servers, clock, error, answers):
    look = Look(*answers)
    read(servers, ask_again=look)
    began = clock.now
    count, end = tries(servers, "a", error)
    assert (count, end) == (9 if error.may_pass else 1, error)
    assert clock.now - began < 100
    assert look.count == len(answers)
    assert not servers.is_lost(ADDRESS)
    read(servers, "b")


@pytest.mark.parametrize("error", [BROKEN, BUSY, LOOPING])
@pytest.mark.parametrize("answer", [BROKEN, BUSY, LOOPING])
def test_a_server_that_sends_nothing_again_is_lost(servers, clock, error, answer):
    look = Look(answer)
    read(servers, ask_again=look)
    began = clock.now
    assert tries(servers, "a", error) == (9 if error.may_pass else 1, error)
    assert clock.now - began < 110
    assert look.count == (3 if answer.may_pass else 1)
    assert servers.is_lost(ADDRESS)
    assert tries(servers, "b", error)[0] == 0


def test_a_server_that_falls_silent_is_waited_for_from_then_on(servers, clock):
    look = Look(BROKEN)
    read(servers, ask_again=look)
    with servers.attempts(ADDRESS.format("a")) as attempts:
        for attempt in range(9):
            attempts.begin()
            if attempt == 1:
                read(servers, "b")
            if attempt < 8:
                attempts.failed(BROKEN)
        assert look.count == 3
        with pytest.raises(BrokenOffError):
            attempts.failed(BROKEN)
    assert look.count == 6
    assert servers.is_lost(ADDRESS)


def test_a_stranger_is_not_lost(servers):
    tries(servers, "root", BROKEN)
    assert not servers.is_lost(ADDRESS)


def test_attempts_that_take_long_end_by_time(servers, clock):
    read(servers)
    assert tries(servers, "a", BROKEN, clock, seconds=60)[0] == 2
    assert clock.now < 1000 + 130


def test_a_broken_document_does_not_cost_the_others(servers):
    read(servers)
    for number in range(patience.MOST_GIVEN_UP):
        with servers.attempts(ADDRESS.format(number)) as attempts:
            tried = 0
            while tried < 10:
                tried += 1
                attempts.begin()
                read(servers)
                try:
                    attempts.failed(BROKEN)
                except BrokenOffError:
                    break
        assert tried == 5
    read(servers)
    # From then on each is asked for once.
    with servers.attempts(ADDRESS.format("last")) as attempts:
        attempts.begin()
        read(servers)
        with pytest.raises(BrokenOffError):
            attempts.failed(BROKEN)


def test_a_server_of_which_most_fails_is_given_up(servers):
    read(servers)
    asked = []
    for number in range(100):
        with servers.attempts(ADDRESS.format(number)) as attempts:
            try:
                attempts.begin()
            except ServerDownError:
                break
            asked.append(number)
            if number % 10 == 0:
                attempts.succeeded()
            else:
                with pytest.raises(WebError):
                    attempts.failed(WebError("it took too long"))
    assert len(asked) < 20


@pytest.mark.parametrize("status", [400, 401, 404, 410, 418])
def test_an_answer_that_there_is_none_is_one(servers, status):
    error = WebError("none", status)
    for number in range(50):
        assert tries(servers, number, error) == (1, error)
    read(servers)


@pytest.mark.parametrize("error", [FORBIDDEN, WRONG], ids=str)
@pytest.mark.parametrize("is_stranger", [True, False])
def test_what_may_be_anothers_answer_is_doubted_for_two_seconds(servers, clock, error, is_stranger):
    if not is_stranger:
        read(servers)
    began = clock.now
    assert tries(servers, "a", error) == (3, error)
    assert [round(pause, 1) for pause in sorted(clock.pauses)] == pytest.approx([0.5, 1], abs=0.21)
    assert clock.now - began < 2
    assert not servers.is_lost(ADDRESS)
    read(servers)


@pytest.mark.parametrize("error", [FORBIDDEN, WRONG], ids=str)
def test_of_many_documents_that_stay_wrong_a_few_are_doubted(servers, clock, error):
    counts = [tries(servers, number, error)[0] for number in range(50)]
    assert counts == [3] * patience.MOST_WRONG + [1] * (50 - patience.MOST_WRONG)
    # What is broken otherwise is asked for as ever.
    assert tries(servers, "a", BROKEN)[0] == 9


def test_wrong_answers_that_pass_are_doubted_for_ever(servers, clock):
    for number in range(50):
        with servers.attempts(ADDRESS.format(number)) as attempts:
            for error in (WRONG, FORBIDDEN):
                attempts.begin()
                attempts.failed(error)
            attempts.begin()
            attempts.succeeded()


def test_one_that_was_read_only_later_is_doubted_as_well(servers, clock):
    with servers.attempts(ADDRESS.format("a")) as attempts:
        attempts.failed(WRONG)
    assert len(clock.pauses) == 1


@pytest.mark.parametrize(("seconds", "count"), [(20, 2), (40, 1)])
def test_a_refusal_that_asks_for_a_pause(servers, clock, seconds, count):
    error = WebError("no", 403, retry_after=seconds)
    assert tries(servers, "a", error) == (count, error)
    assert clock.now <= 1000 + patience.FOR_A_WRONG_ANSWER.seconds


def test_what_must_not_be_asked_says_nothing_of_a_server(servers):
    error = ForbiddenPlaceError("it is private", "http://a")
    for number in range(50):
        assert tries(servers, number, error) == (1, error)
    read(servers)


def test_other_servers_are_not_given_up(servers):
    tries(servers, "a", BROKEN)
    with servers.attempts("https://elsewhere.example/a.json") as attempts:
        attempts.begin()
    with servers.attempts("http://catalog.example/a.json") as attempts:
        attempts.begin()


@pytest.mark.parametrize("seconds", [0.5, 20, 99])
def test_the_pause_that_a_server_asks_for_is_kept(servers, clock, seconds):
    read(servers)
    with servers.attempts(ADDRESS.format("a")) as attempts:
        attempts.begin()
        attempts.failed(WebError("busy", 429, may_pass=True, retry_after=seconds))
        assert clock.pauses == [max(seconds, clock.pauses[0])]
        attempts.begin()
        attempts.succeeded()


def test_one_that_is_too_long_ends_the_read(servers, clock):
    read(servers)
    error = WebError("busy", 429, may_pass=True, retry_after=120)
    assert tries(servers, "a", error) == (1, error)
    assert not clock.pauses


def test_of_a_silent_server_one_thread_asks_at_a_time(monkeypatch):
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
    servers = Servers()
    read(servers)
    all_ask = threading.Barrier(16)
    lock, asking, most, requests, ends = threading.Lock(), 0, [], 0, []

    def run(number):
        nonlocal asking, requests
        with servers.attempts(ADDRESS.format(number)) as attempts:
            is_first = True
            try:
                while True:
                    attempts.begin()
                    with lock:
                        requests += 1
                        asking += 1
                        most.append(asking if not is_first else 0)
                    if is_first:
                        all_ask.wait(5)
                    is_first = False
                    with lock:
                        asking -= 1
                    attempts.failed(BROKEN)
            except WebError as error:
                ends.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(ends) == 16
    assert sum(isinstance(end, ServerDownError) for end in ends) >= 14
    assert requests < 40


def test_whoever_waits_is_woken_at_the_end():
    servers, is_asked, ends = Servers(), threading.Event(), []
    read(servers)

    def ask():
        with servers.attempts(ADDRESS.format("a")) as attempts:
            attempts.begin()
            is_asked.set()
            with pytest.raises(ServerDownError) as caught:
                attempts.failed(WebError("busy", 429, may_pass=True, retry_after=60))
            ends.append(caught.value)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert is_asked.wait(30)
    servers.end()
    thread.join(30)
    assert len(ends) == 1
    for address in (ADDRESS, "https://elsewhere.example/{}.json"):
        with servers.attempts(address.format("b")) as attempts, pytest.raises(ServerDownError):
            attempts.begin()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("1.5", 1.5),
        ("-5", 0),
        ("nan", None),
        ("inf", None),
        ("9" * 5000, float("inf")),
        ("", None),
        ("soon", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
    ],
)
def test_what_a_server_asks_for(text, seconds):
    assert retry_after({"Retry-After": text}) == seconds


def test_a_moment_by_the_servers_clock():
    now = datetime(2020, 1, 1, tzinfo=timezone.utc)
    then = now + timedelta(seconds=30)
    headers = {"Date": format_datetime(now), "Retry-After": format_datetime(then)}
    assert retry_after(headers) == 30
    assert retry_after({}) is None
