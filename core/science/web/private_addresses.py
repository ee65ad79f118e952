"""Where a stranger's addresses must not lead: this computer, and the networks behind it."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from functools import cached_property

from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url
from urllib3.util.connection import allowed_gai_family

# RFC 6052, 2.1: how networks without IPv4 write its addresses.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Azure's platform answers there to each of its computers, and to nobody else: what it tells of a
# computer is that computer's own (learn.microsoft.com, "What is IP address 168.63.129.16?").
AZURE_PLATFORM = ipaddress.IPv4Address("168.63.129.16")
# What every program takes for the same host.
PLAIN_ADDRESS = re.compile(
    r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]+)?([/?#]|$)", re.IGNORECASE
)


class PrivateAddressError(HTTPError):
    """A request was to go to a private address; ``reason`` in words. It is never retried.

    ``asked`` is the address that was asked for, as far as it is known.
    """

    def __init__(self, private_address: str, words: str = "") -> None:
        self.reason = f"its host is at the private address {private_address}{words}"
        self.asked = ""
        super().__init__(self.reason)


@dataclass
class _Source:
    """Where the source was connected to in this run, of which each is never taken back."""

    at_public: bool = False
    at_private: bool = False


@dataclass(frozen=True)
class PrivateAddresses:
    """Who may lead to private addresses: this computer, or a source that is at such an address.

    ``source_host`` is the host of whoever names addresses, as the user gave it; empty where that
    is this computer. ``own_hosts`` are those that the user trusts, with or without a port, in lower
    case. ``words`` go on, in an error, where the private address is told.

    Where the source is, is where it was connected to, whatever its name server says before and
    after; once it was at a public address, it is at no private one any more. One that a proxy asks
    by its name may be anywhere, and counts as public.
    """

    source_host: str = ""
    own_hosts: frozenset[str] = frozenset()
    words: str = ""
    _source: _Source = field(default_factory=_Source, init=False, repr=False, compare=False)

    def allowed_ones(self, host: str, port: int | None, addresses: list[str]) -> list[str]:
        """Those of the addresses of ``host`` that may be connected to.

        Raises:
            PrivateAddressError: none may.
        """
        if self._is_trusted(host, port):
            return addresses
        public = [address for address in addresses if is_public(address)]
        if self._is_source(host):
            allowed = public if public or self._source.at_public else addresses
        else:
            allowed = addresses if self._is_source_private else public
        if addresses and not allowed:
            raise PrivateAddressError(addresses[0], self.words)
        return allowed

    def was_connected(self, host: str, address: str) -> None:
        """``host`` was connected to at ``address``."""
        if not self._is_source(host):
            return
        if is_public(address):
            self._source.at_public = True
        else:
            self._source.at_private = True

    def was_asked_by_proxy(self, host: str) -> None:
        """``host``, which is a name, was asked by a proxy, wherever that leads."""
        if self._is_source(host):
            self._source.at_public = True

    def _is_trusted(self, host: str, port: int | None) -> bool:
        """Whether the user names ``host``, or names all addresses."""
        name = host.lower()
        return not self.source_host or not self.own_hosts.isdisjoint({name, f"{name}:{port}"})

    def _is_source(self, host: str) -> bool:
        return _plain(host) == _plain(self.source_host)

    @property
    def _is_source_private(self) -> bool:
        if self._source.at_public or self._source.at_private:
            return not self._source.at_public
        try:
            return self._is_name_private
        except (OSError, UnicodeError):
            return False

    @cached_property
    def _is_name_private(self) -> bool:
        """Whether the source's name leads there: what there is to know of one that is not asked."""
        return not any(map(is_public, look_up(self.source_host, None)))


def _plain(host: str) -> str:
    return host.lower().strip("[]").rstrip(".")


def is_public(address: str) -> bool:
    """Whether an IP address is one computer's in the public internet."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        in_nat64 = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in NAT64 else None
        inner = found.ipv4_mapped or in_nat64
        if inner is None:
            is_special = found.is_multicast or found.is_reserved or found.is_site_local
            return found.is_global and not is_special
        found = inner
    is_special = found.is_multicast or found.is_reserved or found == AZURE_PLATFORM
    return found.is_global and not is_special


def look_up(host: str, port: int | None) -> list[str]:
    """The addresses of ``host``, which may be one, in the order in which to try them.

    Raises:
        OSError: there is none.
        UnicodeError: it is no name.
    """
    found = socket.getaddrinfo(host.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def check_before_proxy(address: str, private_addresses: PrivateAddresses) -> None:
    """Check a request that a proxy will send, which resolves the name itself.

    So only a host is checked that is written as an address, or means the proxy's own computer.

    Raises:
        PrivateAddressError: the host must not be reached.
    """
    host, is_written = _check_written(address, private_addresses)
    if not is_written:
        private_addresses.was_asked_by_proxy(host)


def may_be_shown(address: str, private_addresses: PrivateAddresses) -> bool:
    """Whether a web address may be given to a program that asks for it without these checks.

    It resolves a name itself, so only a host is checked that is written as an address, or means
    this computer. What programs read in several ways may not.
    """
    if PLAIN_ADDRESS.match(address) is None:
        return not private_addresses.source_host
    try:
        _check_written(address, private_addresses)
    except (PrivateAddressError, LocationParseError):
        return False
    return True


def _check_written(address: str, private_addresses: PrivateAddresses) -> tuple[str, bool]:
    """The host of a web address, and whether it is one without a name server.

    Raises:
        PrivateAddressError: such a host must not be reached.
        LocationParseError: it is no web address.
    """
    place = parse_url(address)
    host = _plain(place.host or "")
    addresses = _written_addresses(host)
    if addresses:
        private_addresses.allowed_ones(host, place.port, addresses)
    return host, bool(addresses)


def _written_addresses(host: str) -> list[str]:
    """Those that ``host`` means without a name server; none where it is a name."""
    # Whichever network interface is meant.
    host = host.partition("%")[0]
    if host.rpartition(".")[2] == "localhost":
        return ["127.0.0.1"]
    try:
        return [str(ipaddress.IPv6Address(host))]
    except ValueError:
        pass
    # As all read it who connect: 2130706433, 0x7f.1, or wide digits, may be 127.0.0.1.
    try:
        return [socket.inet_ntoa(socket.inet_aton(host.encode("idna").decode("ascii")))]
    except (OSError, ValueError):
        return []
