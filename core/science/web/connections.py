"""Connections to servers, by the proxy and with the certificates that the user's system names."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import Any, cast

import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import (
    DEFAULT_CA_BUNDLE_PATH,
    get_environ_proxies,
    prepend_scheme_if_needed,
    select_proxy,
)
from urllib3.exceptions import HTTPError, LocationParseError

from .hosts import origin
from .private_addresses import PrivateAddressError, PrivateAddresses, check_before_proxy
from .private_connections import CheckedConnection, CheckedSecureConnection
from .timed_answers import Pace, TimedConnection, TimedSecureConnection


class ProxyAddressError(HTTPError):
    """The address of the proxy that the user's system names is none, or of an unknown kind."""


class Connections:
    """Requests to any server, from any thread; connections are kept for the next."""

    def __init__(
        self, private_addresses: PrivateAddresses, most: int, timeout: urllib3.Timeout, pace: Pace
    ) -> None:
        """``most`` are the connections kept for each server.

        ``timeout`` bounds each wait for the next bytes of an answer, and ``pace`` all of it.
        """
        self._private_addresses = private_addresses
        self._pace = pace
        self._options: dict[str, Any] = {"maxsize": most, "timeout": timeout, **_certificates()}
        self._direct = urllib3.PoolManager(**self._options)
        checked = {"private_addresses": private_addresses, "pace": pace}
        _use(self._direct, _CheckedPool, _CheckedSecurePool, **checked)
        self._by_proxy: dict[str, urllib3.ProxyManager] = {}
        self._proxies: dict[object, str | None] = {}
        self._lock = threading.Lock()

    def request(self, method: str, address: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Send one request, as urllib3's pools do.

        Raises:
            PrivateAddressError: the request must not be sent.
            LocationParseError: ``address`` is none of http(s).
            ProxyAddressError: no proxy can be asked by the name that the system has for it.
        """
        try:
            return self._pool_of(address).request(method, address, **options)
        except PrivateAddressError as error:
            error.asked = address
            raise

    def close(self) -> None:
        """Close all connections."""
        for pool in (self._direct, *self._by_proxy.values()):
            pool.clear()

    def _pool_of(self, address: str) -> urllib3.PoolManager:
        server = origin(address)
        if server is None:
            raise LocationParseError("an address that is none")
        with self._lock:
            if server not in self._proxies:
                self._proxies[server] = select_proxy(address, get_environ_proxies(address))
            proxy = self._proxies[server]
            if proxy is None:
                return self._direct
            if proxy not in self._by_proxy:
                self._by_proxy[proxy] = self._pool_by_proxy(proxy)
        check_before_proxy(address, self._private_addresses)
        return self._by_proxy[proxy]

    def _pool_by_proxy(self, proxy: str) -> urllib3.ProxyManager:
        try:
            headers = HTTPAdapter().proxy_headers(proxy)
            address = prepend_scheme_if_needed(proxy, "http")
            pools = urllib3.ProxyManager(address, proxy_headers=headers, **self._options)
        except ValueError:
            # Its own text may have a password in it.
            raise ProxyAddressError from None
        _use(pools, _TimedPool, _TimedSecurePool, pace=self._pace)
        return pools


class _TimedPool(urllib3.HTTPConnectionPool):
    ConnectionCls = TimedConnection


class _TimedSecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = TimedSecureConnection


class _CheckedPool(urllib3.HTTPConnectionPool):
    ConnectionCls = CheckedConnection


class _CheckedSecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = CheckedSecureConnection


def _use(pools: urllib3.PoolManager, plain: type, secure: type, **options: Any) -> None:
    """Let ``pools`` make these, with ``options`` for each of their connections."""
    made = {"http": partial(plain, **options), "https": partial(secure, **options)}
    # They are only called.
    pools.pool_classes_by_scheme = cast("dict[str, type]", made)


def _certificates() -> dict[str, str]:
    """The certificates to trust, where the package requests looks for them."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    place = named or DEFAULT_CA_BUNDLE_PATH
    return {"ca_cert_dir" if os.path.isdir(place) else "ca_certs": place}  # noqa: PTH112
