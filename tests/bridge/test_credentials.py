"""Credentials on their way to the worker, and what is in QGIS's configurations."""

import json

import pytest
from fairweather.core.bridge.authentication_methods import needs_browser, read_configuration
from fairweather.core.bridge.credentials import (
    Headers,
    Login,
    StorageKeys,
    TokenGrant,
    credentials_from_line,
    credentials_to_line,
)
from fairweather.core.bridge.errors import InvalidRequestError
from hypothesis import given
from hypothesis import strategies as st

SENDABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT, MAYBE_TEXT = st.text(SENDABLE, min_size=1), st.text(SENDABLE)
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@given(
    st.one_of(
        st.builds(Login, TEXT, TEXT),
        st.builds(
            Headers, st.dictionaries(st.from_regex(r"\A[A-Za-z-]{1,9}\Z"), PRINTABLE, min_size=1)
        ),
        st.builds(TokenGrant, TEXT, TEXT, MAYBE_TEXT, MAYBE_TEXT, MAYBE_TEXT, MAYBE_TEXT),
        st.builds(StorageKeys, PRINTABLE, PRINTABLE, MAYBE_TEXT),
    )
)
def test_there_and_back(credentials):
    line = credentials_to_line(credentials)
    assert line.isascii()
    assert "\n" not in line
    assert credentials_from_line(line) == credentials


@given(st.one_of(st.text(), st.binary().map(repr)))
def test_any_other_line_is_refused_without_being_repeated(text):
    for line in (text, json.dumps({"kind": "login", "name": "plantedX", "password": text, "x": 1})):
        with pytest.raises(InvalidRequestError) as caught:
            credentials_from_line(line)
        assert "plantedX" not in str(caught.value)


@pytest.mark.parametrize(
    "credentials",
    [
        Login("ana", "plantedX"),
        Headers({"X": "plantedX"}),
        TokenGrant("https://a.example", "me", "plantedX", "ana", "plantedX"),
        StorageKeys("AK", "plantedX"),
    ],
)
def test_nothing_is_shown(credentials):
    assert "plantedX" not in f"{credentials!r} {credentials}"


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        *[("Basic", {}), ("Basic", {"username": "a"}), ("APIHeader", {}), ("EsriToken", {})],
        *[("AWSS3", {"username": "a"}), ("OAuth2", {}), ("OAuth2", {"oauth2config": "["})],
        *[("OAuth2", {"oauth2config": "[]"}), ("Identity-Cert", {}), ("", {})],
        *[("APIHeader", {"a b": "c"}), ("APIHeader", {"a": "č"}), ("APIHeader", {"a": "b\r\nc"})],
    ],
)
def test_configurations_that_cannot_be_used(method, fields):
    with pytest.raises(InvalidRequestError, match=r"^AUTH: .*; .*\.$"):
        read_configuration(method, fields)


def test_grants_that_a_person_confirms():
    for flow, expected in ((0, True), (1, True), (2, False), (3, True), (4, False)):
        fields = {"oauth2config": json.dumps({"grantFlow": flow})}
        assert needs_browser("OAuth2", fields) is expected
    assert not needs_browser("Basic", {})
