"""Tokens by OAuth2 (RFC 6749, 4.3 and 4.4): for a client of its own, or a user's password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ...bridge.credentials import TokenGrant
from ...bridge.errors import AccessError
from ..web.client import WebClient
from ..web.errors import WebError
from ..web.hosts import is_private_line
from ..web.json_text import parse_json
from .tokens import Token

# RFC 6749, 5.1: where the answer tells no time, it is told elsewhere.
USUAL_SECONDS = 300.0
MOST_BYTES = 1 << 20
OK = 200
FORBIDDEN = 403
HOLDS_NONE = "its answer holds none"
# RFC 6749, 5.2.
ERRORS = {
    "invalid_client": "the client's id or secret is wrong",
    "invalid_grant": "the user's name or password is wrong",
    "unauthorized_client": "the client may not ask in this way",
    "unsupported_grant_type": "it does not answer to this way of asking",
    "invalid_scope": "the scope is wrong",
}


def fetch_token(grant: TokenGrant) -> Token:
    """A new token.

    Raises:
        AccessError: there is none to be had; the sentence repeats no secret.
    """
    if not is_private_line(grant.token_address):
        raise AccessError(
            "AUTH: the token address of the OAuth2 configuration is not https, so everybody could "
            "listen; give one that is."
        )
    host = urlsplit(grant.token_address).netloc
    client = WebClient()
    try:
        form = _form(grant)
        status, content = client.post_form(grant.token_address, form, MOST_BYTES, _read_answer)
    except WebError as error:
        raise _no_token(host, error.reason) from None
    except ValueError:
        raise _no_token(host, HOLDS_NONE) from None
    finally:
        client.close()
    if not isinstance(content, dict) or status != OK or content.get("error"):
        raise _no_token(host, _reason(content, status))
    return _read_token(content, host)


def _form(grant: TokenGrant) -> dict[str, str]:
    form = {"grant_type": "client_credentials", "client_id": grant.client_id}
    if grant.user:
        form |= {
            "grant_type": "password",
            "username": grant.user,
            "password": grant.password,
        }
    if grant.client_secret:
        form["client_secret"] = grant.client_secret
    if grant.scope:
        form["scope"] = grant.scope
    return form


def _read_answer(status: int, text: bytes) -> tuple[int, Any]:
    """Status and JSON of an answer; no JSON where it refuses in other words.

    Raises:
        ValueError: it may be somebody else's answer, or a part of one.
    """
    try:
        content = parse_json(text)
    except ValueError:
        content = None
    # Some refuse with status 200: asked for again, a wrong password would be tried three times.
    is_own = isinstance(content, dict) and ("access_token" in content or "error" in content)
    if (status == OK and not is_own) or (status == FORBIDDEN and content is None):
        raise ValueError("it is no answer of a token server")
    return status, content


def _read_token(content: Mapping[str, Any], host: str) -> Token:
    text = content.get("access_token")
    if not isinstance(text, str) or not text.isascii() or not text.isprintable() or " " in text:
        raise _no_token(host, HOLDS_NONE)
    try:
        seconds = float(content.get("expires_in") or USUAL_SECONDS)
    except (TypeError, ValueError):
        seconds = USUAL_SECONDS
    return Token(text, max(seconds, 1.0))


def _reason(content: Any, status: int) -> str:
    code = content.get("error") if isinstance(content, dict) else None
    return ERRORS.get(str(code), HOLDS_NONE if status == OK else f"error {status}")


def _no_token(host: str, reason: str) -> AccessError:
    return AccessError(
        f"AUTH: {host} gives no token ({reason}); check the OAuth2 configuration in QGIS's "
        "settings."
    )
