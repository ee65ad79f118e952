"""Why an installation failed, in one sentence that says what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Pattern, Tuple

from ..plain_text import without_secrets


@dataclass(frozen=True)
class KnownFailure:
    """What an installer's output looks like, and what to tell.

    Where ``is_final``, another installer would meet the same.
    """

    pattern: Pattern[str]
    sentence: str
    is_final: bool = True


def _words(*texts: str) -> Pattern[str]:
    return re.compile("|".join(texts), re.IGNORECASE)


REFUSED_HASH = KnownFailure(
    _words("do not match the hashes", "hash mismatch"),
    "A downloaded package is not the one in Fairweather's lock (its hash differs), so nothing was "
    "installed; try again, and if it stays so, ask who runs your package index or proxy",
)
NO_DISK_SPACE = KnownFailure(
    _words(r"no space left on device", r"errno 28\b", r"os error (28|112|39)\b", "disk quota"),
    "The disk filled up while the environment was made, so it was removed again; free some space "
    "or set FAIRWEATHER_HOME to a folder on another disk",
)
BAD_CERTIFICATE = KnownFailure(
    _words("certificate_verify_failed", "certificate verify failed", "invalid peer certificate"),
    "The package index's certificate is not trusted, so nothing was installed; name your "
    "company's certificate file in pip's setting cert (PIP_CERT)",
)
# Of such an address installers repeat parts, by which no login can be told from the rest.
BAD_ADDRESS = KnownFailure(
    _words(
        r"failed to parse: (?!`)",
        "invalid (ipv6 )?url",
        "check proxy url",
        "proxy url had unsupported scheme",
        "port could not be cast",
    ),
    "The address of the package index or of the proxy cannot be used, so nothing was installed; "
    "check pip's settings index-url and proxy (HTTPS_PROXY): in a password, / is to be written as "
    "%2F, # as %23, ? as %3F, @ as %40 and : as %3A",
)
ACCESS_REFUSED = KnownFailure(
    _words(r"\b(401|403|407) (client )?error", "401 unauthorized", "403 forbidden", "proxy auth"),
    "The package index or the proxy refuses access, so nothing was installed; check the name and "
    "the password in pip's settings index-url and proxy",
)
NO_NETWORK = KnownFailure(
    _words(
        "failed to establish a new connection",
        "newconnectionerror",
        "connection refused",
        "connection reset",
        "connection broken",
        "connection error",
        "name or service not known",
        "temporary failure in name resolution",
        "getaddrinfo failed",
        "nodename nor servname",
        "network is unreachable",
        "max retries exceeded",
        "timed out",
        "proxyerror",
        "cannot connect to proxy",
        "error sending request",
        "dns error",
        "could not connect",
    ),
    "The package index cannot be reached, so nothing was installed; connect to the network, or "
    "set pip's proxy, index-url or find-links to what reaches packages from here",
)
NO_WHEEL = KnownFailure(
    _words(
        "no matching distribution found",
        "could not find a version that satisfies",
        "no wheels",
        "has no usable wheels",
        "no solution found",
        "was not found in the (package registry|provided)",
    ),
    "The package index has no ready-made package of the locked version for this system and this "
    "Python; check pip's index-url and find-links, or name an interpreter that has the packages "
    "of requirements.txt in FAIRWEATHER_PYTHON",
    is_final=False,
)
# In the order of certainty: pip says "no matching distribution" after a lost connection, too
KNOWN_FAILURES: Tuple[KnownFailure, ...] = (
    REFUSED_HASH,
    NO_DISK_SPACE,
    BAD_CERTIFICATE,
    BAD_ADDRESS,
    ACCESS_REFUSED,
    NO_NETWORK,
    NO_WHEEL,
)


def recognise_failure(output: str) -> KnownFailure:
    """What went wrong, from an installer's output; its last line where it is none of the known."""
    for known in KNOWN_FAILURES:
        if known.pattern.search(output):
            return known
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = without_secrets(lines[-1])[:200] if lines else "it said nothing"
    return KnownFailure(
        re.compile(""),
        f"The packages could not be installed; try again, or report this: {last!r}",
        is_final=False,
    )
