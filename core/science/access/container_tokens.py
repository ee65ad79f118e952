"""Signatures that a service gives to everybody for the files of a storage container.

Planetary Computer's is described at
https://planetarycomputer.microsoft.com/docs/concepts/sas/.
"""

from __future__ import annotations

import re
import threading
from datetime import datetime, timezone
from functools import partial

from ...bridge.errors import AccessError
from ...bridge.profiles import Signing
from ..web.addresses import has_dot_segments
from ..web.client import WebAnswer, WebClient, WebRequest
from ..web.errors import WebError
from ..web.hosts import is_private_line, read_address
from ..web.json_text import parse_json
from .tokens import KeptToken, Token

# What is taken for a token's time where this computer's clock cannot be right.
USUAL_SECONDS = 1800.0
MOST_SECONDS = 7 * 86400.0

_NAME = re.compile(r"[A-Za-z0-9$-]{1,63}")
_TOKEN = re.compile(r"[A-Za-z0-9%&=+/:._~,;-]{1,4096}")


class ContainerTokens:
    """One token for each container, asked for when its first file is read."""

    def __init__(self, signing: Signing) -> None:
        self._signing = signing
        self._tokens: dict[tuple[str, str], KeptToken] = {}
        self._lock = threading.Lock()
        self._client = WebClient()

    def find(self, address: str) -> KeptToken | None:
        """The token for the file at ``address``.

        None where it belongs to another host, or a server may read another container in it.
        """
        parts = read_address(address)
        host, ending = (parts and parts.authority) or "", self._signing.host.lower()
        if parts is None or not host.endswith(ending) or not is_private_line(address):
            return None
        account = host[: -len(ending)]
        path = parts.path or ""
        container = path.removeprefix("/").partition("/")[0]
        is_named = _NAME.fullmatch(account) and _NAME.fullmatch(container)
        if not is_named or has_dot_segments(path):
            return None
        with self._lock:
            key = account, container
            if key not in self._tokens:
                self._tokens[key] = KeptToken(partial(self._fetch, account, container))
            return self._tokens[key]

    def _fetch(self, account: str, container: str) -> Token:
        address = self._signing.address.replace("{account}", account)
        address = address.replace("{container}", container)
        try:
            text, end = self._client.ask(WebRequest(address), _read_token)
        except WebError as error:
            reason = f"error {error.status}" if error.status else error.reason
            raise _no_signature(address, reason) from error
        except ValueError as error:
            raise _no_signature(address, "its answer holds none") from error
        seconds = (end - datetime.now(timezone.utc)).total_seconds()
        return Token(text, seconds if 0 < seconds < MOST_SECONDS else USUAL_SECONDS)


def _read_token(answer: WebAnswer) -> tuple[str, datetime]:
    """The token, and when it ends.

    Raises:
        ValueError: there is none in the answer.
    """
    content = parse_json(answer.content)
    try:
        text, end = str(content["token"]), _moment(str(content["msft:expiry"]))
    except (KeyError, TypeError) as error:
        raise ValueError("a member is missing") from error
    if not _TOKEN.fullmatch(text):
        raise ValueError("it is no token")
    return text, end


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _no_signature(address: str, reason: str) -> AccessError:
    return AccessError(
        f"{address} gives no signature for the scenes' files ({reason}); try again later, or use "
        "another COLLECTION."
    )
