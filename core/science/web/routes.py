"""How a server is asked: with an address and headers that let in, for as long as they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, repr=False)
class Route:
    """How something is asked for: an http(s) address, and the headers that let in.

    This one lets in whoever needs no more; ``is_keyed`` says that the user's own keys are in it.
    """

    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    is_keyed: bool = False

    def __repr__(self) -> str:
        # A signature is in the address.
        return f"{type(self).__name__}()"

    def accepted(self) -> None:
        """A server did not refuse it."""

    def is_outdated(self, status: int, headers: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Whether this answer says that it is good no more, where there is another one now."""
        return False


RouteTo = Callable[[str], Route]
"""From any address to how it is asked for; it may raise an error of the user's keys."""
