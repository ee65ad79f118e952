"""Reading one JSON document of a catalogue, from a file or over http."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...bridge.errors import CatalogError
from .hrefs import is_remote

if TYPE_CHECKING:
    import requests

PARALLEL_REQUESTS = 16
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

    @cached_property
    def _session(self) -> requests.Session:
        # Imported here: a local catalogue is read without the 0.1 s that requests costs.
        from .web import open_session  # noqa: PLC0415

        return open_session()

    def read(self, location: str) -> Document:
        """The document at ``location``.

        Raises:
            CatalogError: it cannot be read, is no JSON, or is JSON but no STAC.
        """
        text, location = self._get(location) if is_remote(location) else _read_file(location)
        content = _parse(text, location)
        if not _is_stac(content):
            raise CatalogError(
                f"{location} is JSON but no STAC catalogue, collection or item; "
                "check that CATALOG is the address of a STAC API or catalogue."
            )
        return Document(content, location)

    def _get(self, location: str) -> tuple[bytes, str]:
        import requests  # noqa: PLC0415

        from .web import TIMEOUT, reason_in_words  # noqa: PLC0415

        try:
            answer = self._session.get(location, timeout=TIMEOUT)
        except (requests.RequestException, ValueError) as error:
            raise CatalogError(
                f"The catalogue {location} does not answer ({reason_in_words(error)}); "
                "check the address and the network connection."
            ) from error
        if not answer.ok:
            raise CatalogError(
                f"The catalogue {location} answers with error {answer.status_code} "
                f"({answer.reason}); check the address, or try again later."
            )
        return answer.content, str(answer.url)


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


def _parse(text: bytes, location: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "a web page" if text.lstrip()[:1] == b"<" else "no JSON"
        raise CatalogError(
            f"The catalogue {location} is {kind}, not a STAC catalogue; "
            "check that CATALOG is the address of a STAC API or catalogue."
        ) from error
