"""How this package talks to servers: patience, and words for what goes wrong."""

from __future__ import annotations

import requests
from urllib3 import Retry

from .documents import PARALLEL_REQUESTS

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)


def retry_policy() -> Retry:
    """Try again what a busy server or a shaky network spoils, POST too, with growing pauses.

    A host that cannot be reached at all is given up after about a second.
    """
    return Retry(
        total=6,
        connect=2,
        read=3,
        status=4,
        other=0,
        allowed_methods=frozenset({"GET", "POST"}),
        status_forcelist=(429, 500, 502, 503, 504),
        backoff_factor=0.5,
        backoff_jitter=0.25,
        backoff_max=30,
        retry_after_max=60,
        raise_on_status=False,
    )


def open_session() -> requests.Session:
    """A session with the retry policy, for up to ``PARALLEL_REQUESTS`` threads."""
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(
        max_retries=retry_policy(), pool_maxsize=PARALLEL_REQUESTS
    )
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def reason_in_words(error: BaseException) -> str:
    """Why a request failed, short enough for a sentence."""
    text = f"{type(error).__name__} {error}"
    reasons = {
        "SSLError": "its certificate is not trusted",
        "ProxyError": "the proxy refuses",
        "NameResolutionError": "its host name is not known",
        "Connection refused": "it refuses the connection",
        "actively refused": "it refuses the connection",
        "Timeout": "it took too long",
        "timed out": "it took too long",
        "too many": "it answers errors again and again",
    }
    found = (words for mark, words in reasons.items() if mark in text)
    return next(found, "the connection broke")
