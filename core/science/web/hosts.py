"""Which hosts are the same, and over which lines a secret may go."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from urllib3.util import Url, parse_url

DEFAULT_PORTS = {"http": 80, "https": 443}
# Ranges of a few thousand files are asked for by turns.
ADDRESSES_KEPT = 4096


@lru_cache(ADDRESSES_KEPT)
def read_address(address: str) -> Url | None:
    """The parts of an http(s) address as its sender takes them; None where it is none.

    By ``https://a\\@b/`` some mean a host ``b``, and the sender ``a``: whoever lets a secret go
    there must ask the same reader.
    """
    try:
        parts = parse_url(address)
    except ValueError:
        return None
    return parts if parts.scheme in DEFAULT_PORTS and parts.host else None


def origin(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an http(s) address; None where it is none."""
    parts = read_address(address)
    if parts is None or parts.scheme is None or parts.host is None:
        return None
    return parts.scheme, parts.host.strip("[]"), parts.port or DEFAULT_PORTS[parts.scheme]


def is_private_line(address: str) -> bool:
    """Whether nobody can listen: https, or this very computer."""
    place = origin(address)
    return place is not None and (place[0] == "https" or _is_loopback(place[1]))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
