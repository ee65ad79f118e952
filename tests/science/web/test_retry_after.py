"""The pause that a server asks for is kept or too long, in whatever form; over real sockets."""

import math
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from fairweather.core.bridge.credentials import TokenGrant
from fairweather.core.bridge.errors import AccessError
from fairweather.core.science.access.oauth import fetch_token
from fairweather.core.science.imagery.files import byte_ranges, patience
from fairweather.core.science.imagery.files.byte_ranges import RangeReader
from fairweather.core.science.imagery.files.patience import RangeError
from fairweather.core.science.web import patience as web_patience
from fairweather.core.science.web.client import WebClient, WebRequest
from fairweather.core.science.web.errors import WebError
from fairweather.core.science.web.retry_after import retry_after
from guarded_server import Reply
from hypothesis import given
from hypothesis import strategies as st

FAR = "Fri, 31 Dec 9999 23:59:59 GMT"
# By what the server is asked again after a pause of its own, a moment, or not at all.
NO_PAUSE = ("-5", "0", "0.0", "Mon, 01 Jan 0000 00:00:00 GMT", "Sun Nov  6 08:49:37 1994")
NONSENSE = (
    *("", "nan", "inf", "soon", "²", "1e9", "0x10", "5 s", "--5", "\x7f"),
    *("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", f"Mon, 01 Jan {'9' * 5000} 00:00:00 GMT"),
    *("Fri, 31 Dec 9999 23:59:59 -9999999999", "Mon, 01 Jan 2024 99:99:99 +99999999999999"),
)
SOON = ("0.05", *NO_PAUSE, *NONSENSE)
TOO_LONG = ("9" * 400, "9" * 5000, "100000000000", "3600.5", FAR)


@pytest.fixture
def busy(serve):
    """Start a server that is busy the first time, or ever, and asks for a pause."""

    def start(text, for_good=False):
        def answer(seen):
            if for_good or len(server.seen) == 1:
                return Reply(429, b"no", {"Retry-After": text})
            if "range" not in seen.headers:
                token = b'{"access_token": "abc"}'
                return Reply(200, token if seen.method == "POST" else b"0123456789")
            return Reply(206, b"0123456789", {"Content-Range": "bytes 0-9/10"})

        server = serve(answer)
        return server

    return start


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    policy = patience.RetryPolicy(most_retries=1, first_pause=0.001, longest_pause=0.01)
    monkeypatch.setattr(byte_ranges, "retry_policy", lambda: policy)
    monkeypatch.setattr(web_patience, "FIRST_PAUSE", 0.01)


@pytest.fixture(params=["file", "document", "token"])
def read(request, tmp_path):
    """Read ten bytes of a file, a document, or get a token."""

    def read_file(address):
        reader = RangeReader(2, tmp_path)
        try:
            return reader.read(f"{address}/a.tif", 0, 10)
        finally:
            reader.close()

    def read_document(address):
        client = WebClient()
        try:
            return client.ask(WebRequest(f"{address}/a.json")).content
        finally:
            client.close()

    def read_token(address):
        return fetch_token(TokenGrant(f"{address}/token", "me", "secret")).text

    return {"file": read_file, "document": read_document, "token": read_token}[request.param]


@pytest.mark.parametrize("text", SOON)
def test_what_is_soon_over_is_waited_for(busy, read, text):
    server = busy(text)
    assert read(server.address) in (b"0123456789", "abc")
    assert len(server.seen) == 2


@pytest.mark.parametrize("text", TOO_LONG)
def test_what_takes_too_long_is_given_up(busy, read, text):
    server = busy(text)
    with pytest.raises((RangeError, WebError, AccessError), match=r"429|no"):
        read(server.address)
    assert len(server.seen) == 1


def test_one_that_stays_busy(busy, read):
    server = busy("0", for_good=True)
    with pytest.raises((RangeError, WebError, AccessError), match=r"429|no"):
        read(server.address)
    assert 2 <= len(server.seen) <= 3


@given(
    st.text(st.characters(max_codepoint=255), max_size=60)
    | st.from_regex(r"\A[+-]?[0-9]{1,40}(\.[0-9]{0,9})?\Z")
    | st.from_regex(r"\A(Mon, )?[0-9]{1,3} Jan [0-9]{1,6} [0-9:]{1,9} ([+-][0-9]{1,9}|GMT)\Z"),
    st.sampled_from(["", "no date", FAR, "Mon, 01 Jan 0001 00:00:00 -2359"]),
)
def test_it_is_always_a_pause_or_none(text, now):
    seconds = retry_after({"Retry-After": text, "Date": now})
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("text", NONSENSE)
def test_what_cannot_be_read(text):
    assert retry_after({"Retry-After": text}) is None


def test_what_cannot_be_counted():
    assert retry_after({"Retry-After": "9" * 60_000}) == math.inf


@pytest.mark.parametrize(
    "form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %X %Y"]
)
def test_the_three_ways_to_write_a_moment(form):
    """RFC 9110, 5.6.7."""
    now = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)
    then = (now + timedelta(seconds=90)).strftime(form)
    assert retry_after({"Retry-After": then, "Date": format_datetime(now, usegmt=True)}) == 90


def test_a_moment_by_this_clock_where_the_server_has_none():
    then = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=90))
    for headers in ({}, {"Date": "no date"}):
        assert 80 < retry_after({"Retry-After": then, **headers}) <= 90
