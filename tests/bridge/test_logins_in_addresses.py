"""A login in an address is hidden however it is written; what only has an @ in it stays useful."""

import string

import pytest
from fairweather.core.bridge.environment.failures import recognise_failure
from fairweather.core.bridge.plain_text import plain_line, without_secrets
from hypothesis import assume, example, given
from hypothesis import strategies as st

# What people type: of the printable signs all but blanks and quotes.
SIGNS = "".join(sorted(set(string.printable) - set(string.whitespace) - set("'\"`")))
# What ends a host, a path, a port or a login, and is to be escaped in a password.
SLIPS = "@:/?#\\[]&=%;,.0123456789"
WORDS = st.text(st.one_of(st.sampled_from(SLIPS), st.sampled_from(SIGNS)), max_size=24)
SENTENCES = (
    "Failed to parse: {}://{}proxy.example:8080",
    "ERROR: '{}://{}proxy.example:8080/a/b.whl?c=d' cannot be read (404).",
    "{{'https':'{}://{}proxy.example', 'no':''}}",
    "see https://a.example/b, proxy={}://{}[::1]:80.",
)


@given(
    st.sampled_from(SENTENCES),
    st.sampled_from(["http", "https", "socks5h", "HTTP", "s3"]),
    WORDS,
    WORDS.filter(lambda password: len(password) >= 4),
)
@example(SENTENCES[0], "http", "me", "pa/SECRET")
@example(SENTENCES[0], "http", "me@corp.example", "SECRET#1")
@example(SENTENCES[1], "https", "me", "8080/SECRET")
@example(SENTENCES[1], "https", "corp/me", "SECRET")
@example(SENTENCES[2], "https", "corp\\me", "SEC?RET@")
@example(SENTENCES[3], "https", "[::1]", "80/SECRET")
def test_no_password_is_shown(sentence, scheme, user, password):
    assume(password not in sentence.format(scheme, ""))
    text = sentence.format(scheme, f"{user}:{password}@")
    for shown in (without_secrets(text), plain_line(text), recognise_failure(text).sentence):
        assert password not in shown


@given(st.sampled_from(SENTENCES), WORDS.filter(lambda token: len(token) >= 4))
def test_no_token_before_a_host_is_shown(sentence, token):
    # Without a colon, a token that was not escaped cannot be told from a host and a path.
    assume(not set(token) & set("/\\?#") and token not in sentence.format("https", ""))
    assert token not in without_secrets(sentence.format("https", f"{token}@"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.example/path/@name/file?x=1", "https://a.example/path/@name/file"),
        ("'https://a.example/a@2x.png' is gone", "'https://a.example/a@2x.png' is gone"),
        ("http://[::1]/it.tif", "http://[::1]/it.tif"),
        ("https://a.example:8443/it.tif", "https://a.example:8443/it.tif"),
        ("https://a.example/x?mail=me@b.example&sig=hidden", "https://a.example/x"),
        ("https://a.example/x#me@b.example", "https://a.example/x"),
        ("ask me@b.example, or see https://a.example/help.",) * 2,
        ("mailto:me@b.example and git@b.example:a/b.git",) * 2,
        (r"C:\tiles\it@2x.tif and a[:, 0]@b",) * 2,
        # A colon before the @ may be that of a login: what follows the @ tells the file.
        ("https://a.example:8443/tiles/it@2x.png", "https://…@2x.png"),
        # Where a query may have begun, what follows is shown no more.
        ("http://me@b.example:hid#1@proxy.example:80.", "http://…."),
        ("https://a.example/x?t=10:00&mail=me@b&sig=hidden", "https://…"),
    ],
)
def test_what_is_shown(text, shown):
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown
