"""Which hosts are the same, and over which lines a secret may go."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(address: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of an http(s) address; None where it is none."""
    try:
        parts = urlsplit(address)
        scheme = parts.scheme.lower()
        if scheme not in DEFAULT_PORTS or not parts.hostname:
            return None
        return scheme, parts.hostname.lower(), parts.port or DEFAULT_PORTS[scheme]
    except ValueError:
        return None


def is_private_line(parts: SplitResult) -> bool:
    """Whether nobody can listen: https, or this very computer."""
    return parts.scheme.lower() == "https" or _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
