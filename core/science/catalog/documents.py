"""Reading the documents of a catalogue, from a file or over http."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...bridge.errors import AccessError, CatalogError
from .hrefs import is_remote
from .json_text import parse_json

if TYPE_CHECKING:
    import requests

    from ..access.access import Access

PARALLEL_REQUESTS = 16
# What is sometimes given instead of a STAC document, by its first characters.
OTHER_KINDS = {
    b"<?xml": "XML",
    b"<": "a web page",
    b"PK": "an archive that is still to be unpacked",
}
STAC_TYPES = ("Catalog", "Collection", "Feature", "FeatureCollection")


@dataclass(frozen=True)
class Document:
    """A STAC document and where it was found in the end (after redirects)."""

    content: dict[str, Any]
    location: str

    @property
    def type(self) -> str:
        """Catalog, Collection, Feature or FeatureCollection."""
        return str(self.content["type"])

    def hrefs(self, *relations: str) -> list[str]:
        """The hrefs of the links with one of these relations, as they are written."""
        return [
            str(link["href"])
            for link in self.content.get("links") or ()
            if link.get("rel") in relations and link.get("href")
        ]


class DocumentReader:
    """Reads documents; over http with one session, from any number of threads."""

    def __init__(self, access: Access | None = None) -> None:
        """``access`` has the keys of a catalogue that wants some."""
        self.access = access

    @cached_property
    def _session(self) -> requests.Session:
        # Imported here: a local catalogue is read without the 0.1 s that requests costs.
        from .web import open_session  # noqa: PLC0415

        return open_session(self.access)

    def read(self, location: str) -> Document:
        """The document at ``location``.

        Raises:
            CatalogError: it cannot be read, is no JSON, or is JSON but no STAC.
        """
        return parse_document(*self.fetch(location))

    def fetch(self, location: str) -> tuple[bytes, str]:
        """What is at ``location``, unread, and where it was found in the end.

        Raises:
            CatalogError: it cannot be read.
        """
        return self._get(location) if is_remote(location) else _read_file(location)

    def _get(self, location: str) -> tuple[bytes, str]:
        from .web import REFUSED, WebError, WebRequest, ask  # noqa: PLC0415

        try:
            answer = ask(self._session, WebRequest(location))
        except WebError as error:
            if error.status is None:
                raise CatalogError(
                    f"The catalogue {location} does not answer ({error.reason}); "
                    "check the address and the network connection."
                ) from error
            if error.status in REFUSED:
                raise refusal(location, error.status) from error
            raise CatalogError(
                f"The catalogue {location} answers with error {error.status}; "
                "check the address, or try again later."
            ) from error
        return answer.content, answer.address


def refusal(location: str, status: int) -> AccessError:
    """The error of a catalogue that does not let us in."""
    return AccessError(
        f"The catalogue {location} refuses access (error {status}); choose a configuration with "
        "its keys as AUTH, or check the one chosen."
    )


def parse_document(text: bytes, location: str) -> Document:
    """The STAC document that was read at ``location``.

    Raises:
        CatalogError: it is no JSON, or JSON but no STAC.
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        kinds = (kind for start, kind in OTHER_KINDS.items() if text.lstrip().startswith(start))
        kind = next(kinds, "no JSON")
        raise CatalogError(
            f"The catalogue {location} is {kind}, not a STAC catalogue; "
            "check that CATALOG is the address of a STAC API or catalogue."
        ) from error
    if not _is_stac(content):
        raise CatalogError(
            f"{location} is JSON but no STAC catalogue, collection or item; "
            "check that CATALOG is the address of a STAC API or catalogue."
        )
    return Document(content, location)


def is_api(document: Document) -> bool:
    """Whether the document is the landing page of a STAC API that can be searched."""
    conformance = document.content.get("conformsTo")
    if not isinstance(conformance, list):
        conformance = None
    can_search = conformance is None or any("item-search" in str(uri) for uri in conformance)
    return document.type == "Catalog" and can_search and bool(document.hrefs("search"))


def _read_file(location: str) -> tuple[bytes, str]:
    path = Path(location)
    if path.is_dir():
        raise CatalogError(f"The catalogue {path} is a folder; give the JSON file in it.")
    try:
        return path.read_bytes(), location
    except FileNotFoundError as error:
        raise CatalogError(f"The catalogue {path} does not exist; check the path.") from error
    except OSError as error:
        raise CatalogError(
            f"The catalogue {path} cannot be read ({error.strerror}); check the file."
        ) from error


def _is_stac(content: Any) -> bool:
    if not isinstance(content, dict) or content.get("type") not in STAC_TYPES:
        return False
    links = content.get("links") or []
    return isinstance(links, list) and all(isinstance(link, dict) for link in links)
