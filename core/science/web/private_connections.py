"""Connections that are made to no private address where none is allowed.

A name is resolved once, and what was checked is connected to, so that a name server cannot answer
the check one thing and the connection another. Certificates and the Host header stay with the name.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)

from .private_addresses import PrivateAddresses, look_up
from .timed_answers import TimedConnection, TimedSecureConnection

# A name may lead to any number of addresses where nobody answers.
MOST_SECONDS = 30.0


class CheckedConnection(TimedConnection):
    """Connects to no address that is not allowed."""

    def __init__(self, *place: Any, private_addresses: PrivateAddresses, **options: Any) -> None:
        super().__init__(*place, **options)
        self._private_addresses = private_addresses

    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        failure: Exception = NewConnectionError(self, f"{self.host} has no address")
        end = time.monotonic() + MOST_SECONDS
        for address in self._allowed_addresses():
            if time.monotonic() > end:
                break
            # Only the socket is made with it: the certificate's name is read afterwards.
            self._dns_host = address
            try:
                connected = super()._new_conn()
            except (NewConnectionError, ConnectTimeoutError) as error:
                failure = error
            else:
                self._private_addresses.was_connected(name, address)
                return connected
            finally:
                self._dns_host = name
        raise failure

    def _allowed_addresses(self) -> list[str]:
        name = self._dns_host
        try:
            found = look_up(name, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError:
            raise LocationParseError(f"{self.host!r} is no name of a host") from None
        return self._private_addresses.allowed_ones(name, self.port, found)


class CheckedSecureConnection(CheckedConnection, TimedSecureConnection):
    """The same by TLS."""
