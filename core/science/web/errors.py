"""What a request for a document may end in."""

from __future__ import annotations

REFUSED = (401, 403)


class WebError(Exception):
    """A request failed: ``reason`` in words, ``status`` where the server gave one.

    ``may_pass`` says that the same request may well succeed a little later, ``retry_after`` after
    how many seconds, if the server asks for some.
    """

    def __init__(
        self,
        reason: str,
        status: int | None = None,
        *,
        may_pass: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.may_pass = may_pass
        self.retry_after = retry_after

    @property
    def shown(self) -> str:
        """In a few words of our own."""
        return self.reason if self.status is None else f"error {self.status}"


class WrongAnswerError(WebError):
    """An answer came, but not what was asked for: half of it, nothing, or somebody else's page.

    ``fault`` is what was raised by whoever read it.
    """

    def __init__(self, fault: ValueError) -> None:
        super().__init__("it sends something else than was asked for")
        self.fault = fault


class BrokenOffError(WebError):
    """An answer began, and did not come to its end."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, may_pass=True)


class ForbiddenPlaceError(WebError):
    """A request was not sent, as ``address``, without its query, is where it must not go."""

    def __init__(self, reason: str, address: str) -> None:
        super().__init__(reason)
        self.address = address
