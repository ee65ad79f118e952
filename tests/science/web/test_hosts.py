"""Whose host an address names: the one that a request to it would go to, and no other."""

import pytest
import urllib3
from fairweather.core.science.web.hosts import is_private_line, origin
from hypothesis import given, settings
from hypothesis import strategies as st

PIECES = (
    *("http", "https", "HTTPS", "ftp", "s3", ":", "/", "//", "\\", "@", "?", "#", ";", "%40", "."),
    *("a.example", "b.example", "B.Example", "[::1]", "127.0.0.1", ":80", ":443", ":99999", ":x"),
    *(" ", "\t", "\n", "\0", "č", "／", "＠", "xn--", "a:b", "path", "[", "]", "%", "\ud800"),
)


def place_of_sender(address):
    """Scheme, host and port of the connection that urllib3 takes for a request."""
    with urllib3.PoolManager() as pools:
        pool = pools.connection_from_url(address)
        return pool.scheme, pool.host.strip("[]"), pool.port


@settings(max_examples=500)
@given(
    st.builds(
        lambda scheme, pieces: scheme + "".join(pieces),
        st.sampled_from(["http://", "https://", "HTTP://a.example", "https://a.example", ""]),
        st.lists(st.sampled_from(PIECES), max_size=8),
    )
)
def test_it_is_where_the_request_would_go(address):
    found = origin(address)
    if found is not None:
        assert found == place_of_sender(address)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://a.example/x", ("https", "a.example", 443)),
        ("HTTP://A.Example:8080", ("http", "a.example", 8080)),
        ("http://[::1]/", ("http", "::1", 80)),
        ("https://me:word@a.example/", ("https", "a.example", 443)),
        ("https://evil.example\\@a.example/", ("https", "evil.example", 443)),
        ("https://evil.example\\.a.example/", ("https", "evil.example", 443)),
        ("https://a.example:99999/", None),
        ("https:///a.example", None),
        ("ftp://a.example/", None),
        ("C:\\data\\a.tif", None),
        ("/data/a.tif", None),
        ("", None),
    ],
)
def test_what_an_address_names(address, place):
    assert origin(address) == place


@pytest.mark.parametrize(
    ("address", "is_private"),
    [
        ("https://a.example/", True),
        ("http://a.example/", False),
        ("http://localhost:8080/", True),
        ("http://127.0.0.5/", True),
        ("http://[::1]/", True),
        ("http://localhost.example/", False),
        ("http://a.example\\@localhost/", False),
        ("http://10.0.0.1/", False),
        ("/data", False),
    ],
)
def test_where_nobody_can_listen(address, is_private):
    assert is_private_line(address) is is_private
