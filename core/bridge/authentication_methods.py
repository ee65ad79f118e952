"""QGIS's authentication methods, by the names and fields under which it keeps them."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping

from .credentials import (
    Credentials,
    Headers,
    Login,
    StorageKeys,
    TokenGrant,
    check_credentials,
)
from .errors import InvalidRequestError
from .typed_json import parse_json

# QgsAuthOAuth2Config::GrantFlow: those in which a person confirms in a browser.
BROWSER_GRANTS = (0, 1, 3)


def read_configuration(method: str, fields: Mapping[str, str]) -> Credentials:
    """The credentials in a configuration of ``method`` with ``fields``, as QGIS decrypts them.

    Raises:
        InvalidRequestError: the method cannot be used here, or a field is missing.
    """
    if method not in _METHODS:
        raise InvalidRequestError(
            f"AUTH: the method {method[:40]!r} cannot be used here; choose a configuration of "
            f"{', '.join(_METHODS)}."
        )
    return check_credentials(_METHODS[method](fields))


def needs_browser(method: str, fields: Mapping[str, str]) -> bool:
    """Whether only QGIS itself can be given a token: a person has to confirm in a browser."""
    return method == "OAuth2" and _grant(fields).get("grantFlow") in BROWSER_GRANTS


def _login(fields: Mapping[str, str]) -> Login:
    return Login(fields.get("username", ""), fields.get("password", ""))


def _headers(fields: Mapping[str, str]) -> Headers:
    return Headers({name.strip(): value.strip() for name, value in fields.items() if name.strip()})


def _esri_token(fields: Mapping[str, str]) -> Headers:
    token = fields.get("token", "").strip()
    return Headers({"X-Esri-Authorization": f"Bearer {token}"} if token else {})


def _storage_keys(fields: Mapping[str, str]) -> StorageKeys:
    return StorageKeys(
        fields.get("username", "").strip(),
        fields.get("password", "").strip(),
        fields.get("region", "").strip(),
    )


def _token_grant(fields: Mapping[str, str]) -> TokenGrant:
    content = _grant(fields)

    def text(name: str) -> str:
        return str(content.get(name) or "")

    return TokenGrant(
        token_address=text("tokenUrl"),
        client_id=text("clientId"),
        client_secret=text("clientSecret"),
        user=text("username"),
        password=text("password"),
        scope=text("scope"),
    )


def _grant(fields: Mapping[str, str]) -> Dict[str, Any]:
    try:
        content = parse_json(fields.get("oauth2config", ""))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InvalidRequestError(
            "AUTH: the OAuth2 configuration is a predefined one; make one of your own with token "
            "address, client id and secret."
        )
    return content


_METHODS: Dict[str, Callable[[Mapping[str, str]], Credentials]] = {
    "Basic": _login,
    "APIHeader": _headers,
    "EsriToken": _esri_token,
    "OAuth2": _token_grant,
    "AWSS3": _storage_keys,
}
