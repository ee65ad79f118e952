"""Reading the documents of a catalogue, from a file or over http."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from ...bridge.errors import AccessError, CatalogError
from ...bridge.home import jobs_folder
from .hrefs import is_remote
from .json_text import parse_json

if TYPE_CHECKING:
    import requests

    from ..access.access import Access

PARALLEL_REQUESTS = 16
# The largest real ones are catalogues of 100,000 links. A file of items may be larger: its items
# are read one by one.
MOST_DOCUMENT_BYTES = 64 * 2**20
MOST_FILE_BYTES = 2 * 2**30
BYTES_IN_MEMORY = 4 * 2**20
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
            CatalogError: it cannot be read, or is larger than any document.
        """
        with _file_for(location) as file:
            found_at = self._get(location, file, MOST_DOCUMENT_BYTES)
            return read_document(file, location), found_at

    def open(self, location: str) -> tuple[IO[bytes], str]:
        """What is at ``location``, as a file that is read again and again, and where it was found.

        Raises:
            CatalogError: it cannot be read.
        """
        file = _file_for(location)
        try:
            return file, self._get(location, file, MOST_FILE_BYTES)
        except BaseException:
            file.close()
            raise

    def _get(self, location: str, file: IO[bytes], most_bytes: int) -> str:
        """Fill ``file`` with what a remote ``location`` sends; where it was found in the end."""
        if not is_remote(location):
            return location
        from .web import REFUSED, WebError, WebRequest, ask_into  # noqa: PLC0415

        try:
            found_at = ask_into(self._session, WebRequest(location), file, most_bytes)
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
        file.seek(0)
        return found_at


def read_document(file: IO[bytes], location: str) -> bytes:
    """The whole of ``file``, from its beginning.

    Raises:
        CatalogError: it cannot be read, or is larger than any document of a catalogue.
    """
    try:
        file.seek(0)
        content = file.read(MOST_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise _unreadable(location, error) from error
    if len(content) > MOST_DOCUMENT_BYTES:
        raise CatalogError(
            f"The catalogue {location} is larger than {MOST_DOCUMENT_BYTES >> 20} MB, as no STAC "
            "document is but a list of items; give the address of a STAC API or catalogue."
        )
    return content


def _file_for(location: str) -> IO[bytes]:
    """The file at a local ``location``, or an empty one for what a remote location sends.

    Raises:
        CatalogError: it cannot be opened.
    """
    if is_remote(location):
        jobs_folder().mkdir(parents=True, exist_ok=True)
        # Small enough, it never is on the disk; larger, it has no name there.
        return SpooledTemporaryFile(BYTES_IN_MEMORY, dir=str(jobs_folder()))
    path = Path(location)
    if path.is_dir():
        raise CatalogError(f"The catalogue {path} is a folder; give the JSON file in it.")
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise CatalogError(f"The catalogue {path} does not exist; check the path.") from error
    except OSError as error:
        raise _unreadable(location, error) from error


def _unreadable(location: str, error: OSError) -> CatalogError:
    return CatalogError(
        f"The catalogue {location} cannot be read ({error.strerror}); check the file."
    )


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
    return to_document(content, location)


def to_document(content: Any, location: str) -> Document:
    """The STAC document that the JSON read at ``location`` is.

    Raises:
        CatalogError: it is no STAC.
    """
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


def _is_stac(content: Any) -> bool:
    if not isinstance(content, dict) or content.get("type") not in STAC_TYPES:
        return False
    links = content.get("links") or []
    return isinstance(links, list) and all(isinstance(link, dict) for link in links)
