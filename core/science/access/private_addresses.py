"""Where a remote catalogue must not lead: this computer, and the networks behind it.

Checked where a connection is made: a name is resolved once, and what was checked is connected to,
so that a name server cannot answer the check one thing and the connection another. Certificates
and the Host header stay with the name.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import requests
import urllib3
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util import parse_url
from urllib3.util.connection import allowed_gai_family

# RFC 6052, 2.1: how networks without IPv4 write its addresses.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class PrivateAddressError(HTTPError):
    """A remote catalogue leads to a private address; ``reason`` in words. It is never retried."""

    def __init__(self, address: str) -> None:
        self.reason = (
            f"its host is at the private address {address}, where no catalogue from elsewhere may "
            "lead; if you trust it, give a local copy of its items as CATALOG"
        )
        super().__init__(self.reason)


@dataclass(frozen=True)
class PrivateAddresses:
    """Who may lead to private addresses: a local catalogue, or one that is at such an address.

    ``catalog_host`` is the catalogue's host as the user gave it, empty for a local catalogue.
    ``own_hosts`` are those that the profile names, with or without a port, in lower case.
    """

    catalog_host: str = ""
    own_hosts: frozenset[str] = frozenset()

    def may_reach(self, host: str, port: int | None) -> bool:
        """Whether ``host`` may be connected to wherever it is.

        The first answer holds for the whole run: later, the catalogue's name may be made to lead
        elsewhere.
        """
        name = host.lower()
        if not self.catalog_host or not self.own_hosts.isdisjoint({name, f"{name}:{port}"}):
            return True
        try:
            return self._is_catalog_private
        except (OSError, UnicodeError):
            return False

    @cached_property
    def _is_catalog_private(self) -> bool:
        return not any(map(is_public, _look_up(self.catalog_host, None)))


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
    return found.is_global and not found.is_multicast and not found.is_reserved


def _look_up(host: str, port: int | None, flags: int = 0) -> list[str]:
    """The addresses of ``host``, which may be one, in the order in which to try them.

    Raises:
        OSError: there is none.
        UnicodeError: it is no name.
    """
    found = socket.getaddrinfo(
        host.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM, flags=flags
    )
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _public_ones(addresses: list[str]) -> list[str]:
    """Those that are public.

    Raises:
        PrivateAddressError: none is.
    """
    public = [address for address in addresses if is_public(address)]
    if addresses and not public:
        raise PrivateAddressError(addresses[0])
    return public


class _CheckedConnection(HTTPConnection):
    """Connects to no address that is not allowed."""

    def __init__(self, *place: Any, private_addresses: PrivateAddresses, **options: Any) -> None:
        super().__init__(*place, **options)
        self._private_addresses = private_addresses

    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        if self._private_addresses.may_reach(name, self.port):
            return super()._new_conn()
        failure: Exception = NewConnectionError(self, f"{self.host} has no address")
        for address in self._public_addresses():
            # Only the socket is made with it: the certificate's name is read afterwards.
            self._dns_host = address
            try:
                return super()._new_conn()
            except (NewConnectionError, ConnectTimeoutError) as error:
                failure = error
            finally:
                self._dns_host = name
        raise failure

    def _public_addresses(self) -> list[str]:
        try:
            return _public_ones(_look_up(self._dns_host, self.port))
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError:
            raise LocationParseError(f"{self.host!r} is no name of a host") from None


class _CheckedSecureConnection(_CheckedConnection, HTTPSConnection):
    pass


class _CheckedPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _CheckedConnection


class _CheckedSecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _CheckedSecureConnection


class CheckedPools(urllib3.PoolManager):
    """Connections to what ``private_addresses`` allows."""

    def __init__(self, private_addresses: PrivateAddresses, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = {"http": _CheckedPool, "https": _CheckedSecurePool}
        self._private_addresses = private_addresses

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> urllib3.HTTPConnectionPool:
        options = dict(self.connection_pool_kw if request_context is None else request_context)
        options["private_addresses"] = self._private_addresses
        return super()._new_pool(scheme, host, port, options)


class CheckedAdapter(requests.adapters.HTTPAdapter):
    """A session's connections to what ``private_addresses`` allows.

    Behind a proxy, it is the proxy that resolves names: then only a host that is written as an
    address is checked.
    """

    def __init__(self, private_addresses: PrivateAddresses, **options: Any) -> None:
        self._private_addresses = private_addresses
        super().__init__(**options)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        """Called by requests."""
        self.poolmanager = CheckedPools(
            self._private_addresses, num_pools=connections, maxsize=maxsize, block=block, **options
        )

    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        """Called by requests.

        Raises:
            PrivateAddressError: the request must not be sent.
        """
        if select_proxy(str(request.url), options.get("proxies")) is not None:
            check_before_proxy(str(request.url), self._private_addresses)
        return super().send(request, *arguments, **options)


def check_before_proxy(address: str, private_addresses: PrivateAddresses) -> None:
    """Check a request that a proxy will send, which resolves the name itself.

    Raises:
        PrivateAddressError: the host is written as an address that must not be reached.
    """
    place = parse_url(address)
    host = (place.host or "").rstrip(".")
    if private_addresses.may_reach(host, place.port):
        return
    try:
        addresses = _look_up(host, None, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return
    _public_ones(addresses)
