"""Connections to the servers of files: as the catalogue's go, by the same proxy and with the same
certificates.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import (
    DEFAULT_CA_BUNDLE_PATH,
    get_environ_proxies,
    prepend_scheme_if_needed,
    select_proxy,
)

from .hosts import origin
from .private_addresses import CheckedPools, PrivateAddresses, check_before_proxy


class Connections:
    """Requests to any server, from any thread; connections are kept for the next."""

    def __init__(
        self, private_addresses: PrivateAddresses, most: int, timeout: urllib3.Timeout
    ) -> None:
        """``most`` are the connections kept for each server."""
        self._private_addresses = private_addresses
        self._options: dict[str, Any] = {"maxsize": most, "timeout": timeout, **_certificates()}
        self._direct = CheckedPools(private_addresses, **self._options)
        self._by_proxy: dict[str, urllib3.ProxyManager] = {}
        self._proxies: dict[object, str | None] = {}
        self._lock = threading.Lock()

    def request(self, method: str, address: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Send one request, as urllib3's pools do.

        Raises:
            PrivateAddressError: the request must not be sent.
        """
        return self._pool_of(address).request(method, address, **options)

    def close(self) -> None:
        """Close all connections."""
        for pool in (self._direct, *self._by_proxy.values()):
            pool.clear()

    def _pool_of(self, address: str) -> urllib3.PoolManager:
        server = origin(address)
        with self._lock:
            if server not in self._proxies:
                self._proxies[server] = select_proxy(address, get_environ_proxies(address))
            proxy = self._proxies[server]
            if proxy is None:
                return self._direct
            if proxy not in self._by_proxy:
                self._by_proxy[proxy] = _pool_by_proxy(proxy, self._options)
        check_before_proxy(address, self._private_addresses)
        return self._by_proxy[proxy]


def _pool_by_proxy(proxy: str, options: dict[str, Any]) -> urllib3.ProxyManager:
    headers = HTTPAdapter().proxy_headers(proxy)
    address = prepend_scheme_if_needed(proxy, "http")
    return urllib3.ProxyManager(address, proxy_headers=headers, **options)


def _certificates() -> dict[str, str]:
    """Where requests, too, looks for the certificates to trust."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    place = named or DEFAULT_CA_BUNDLE_PATH
    return {"ca_cert_dir" if os.path.isdir(place) else "ca_certs": place}  # noqa: PTH112
