"""Reading the documents of a catalogue, from a file or over http."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, TypeVar

from ...bridge.errors import AccessError, CatalogError, FairweatherError
from ...bridge.home import jobs_folder, make_home_folder
from ..web.addresses import is_remote
from ..web.errors import REFUSED, ForbiddenPlaceError, WebError
from ..web.json_text import MOST_VALUES, TooManyValuesError, parse_json

if TYPE_CHECKING:
    from ..access.access import Access
    from ..web.client import WebClient

PARALLEL_REQUESTS = 16
# The largest real ones are catalogues of 100,000 links. A file of items may be larger: its items
# are read one by one.
MOST_DOCUMENT_BYTES = 64 * 2**20
MOST_FILE_BYTES = 2 * 2**30
# What waits to be parsed is longer only on the disk.
BYTES_IN_MEMORY = 2**18
# What is sometimes given instead of a STAC document, by its first characters.
OTHER_KINDS = {
    b"<?xml": "XML",
    b"<": "a web page",
    b"PK": "an archive that is still to be unpacked",
}
STAC_TYPES = ("Catalog", "Collection", "Feature", "FeatureCollection")

Found = TypeVar("Found")


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


class LostServerError(CatalogError):
    """The server of a document has sent others, and does not answer any more."""


class NoStacError(CatalogError, ValueError):
    """What was read is no STAC, or only a part of it."""


class DocumentReader:
    """Reads documents; over http with one client, from any number of threads."""

    def __init__(self, access: Access | None = None) -> None:
        """``access`` has the keys of a catalogue that wants some."""
        self.access = access

    @cached_property
    def _client(self) -> WebClient:
        # Imported here: a local catalogue is read without the 0.1 s that it costs.
        from ..access.keyed_requests import catalog_client  # noqa: PLC0415

        return catalog_client(self.access, PARALLEL_REQUESTS)

    def read(self, location: str) -> Document:
        """The document at ``location``.

        Raises:
            CatalogError: it cannot be read, is no JSON, or is JSON but no STAC.
        """
        return self.read_fetched(location, *self.fetch(location))

    def fetch(self, location: str) -> tuple[IO[bytes], str]:
        """What is at ``location``, unread, and where it was found in the end.

        Raises:
            CatalogError: it cannot be read, or is larger than any document.
        """
        return self._open(location, MOST_DOCUMENT_BYTES, lambda _, found_at: found_at)

    def read_fetched(self, location: str, file: IO[bytes], found_at: str) -> Document:
        """The document that was fetched from ``location`` into ``file``, which is closed.

        What is no STAC could not be asked for again when it came: then it is now.

        Raises:
            CatalogError: as ``read`` does.
        """
        try:
            with file:
                return read_document(file, found_at)
        except NoStacError as error:
            if not is_remote(location):
                raise
            before = error
        file, document = self._open(location, MOST_DOCUMENT_BYTES, read_document, before)
        file.close()
        return document

    def open(
        self, location: str, read: Callable[[IO[bytes], str], Found]
    ) -> tuple[IO[bytes], Found]:
        """What is at ``location``, as a file that may be kept, and what ``read`` makes of it.

        ``read`` is given the file and where it was found in the end. Where it says that it is no
        STAC, it is asked for again.

        Raises:
            CatalogError: it cannot be read; or as ``read`` does.
        """
        return self._open(location, MOST_FILE_BYTES, read)

    def stop_waiting(self) -> None:
        """Nobody needs a document any more: threads that fetch some ask no server again."""
        if "_client" in vars(self):
            self._client.stop_waiting()

    def _open(
        self,
        location: str,
        most_bytes: int,
        read: Callable[[IO[bytes], str], Found],
        before: NoStacError | None = None,
    ) -> tuple[IO[bytes], Found]:
        """A file, and what ``read`` makes of it; ``before`` is what it made of a former answer."""
        file = _file_for(location)
        try:
            if not is_remote(location):
                return file, read(file, location)
            return file, self._get(location, file, most_bytes, read, before)
        except BaseException:
            file.close()
            raise

    def _get(
        self,
        location: str,
        file: IO[bytes],
        most_bytes: int,
        read: Callable[[IO[bytes], str], Found],
        before: NoStacError | None,
    ) -> Found:
        """Fill ``file`` with what a remote ``location`` sends; what ``read`` makes of it."""
        from ..web.client import WebRequest  # noqa: PLC0415

        def read_answer(found_at: str) -> Found:
            file.seek(0)
            return read(file, found_at)

        request = WebRequest(location)
        try:
            return self._client.ask_into(request, file, most_bytes, read_answer, before)
        except WebError as error:
            if self._client.has_lost(location):
                raise LostServerError(
                    f"The server of {location} does not answer any more, or fails most of the time "
                    f"({error.shown}); check the network connection, and run again."
                ) from error
            answer = f"with error {error.status}; check the address, or try again later"
            raise failure(location, error, answer) from error


def read_document(file: IO[bytes], location: str) -> Document:
    """The document in ``file``, from its beginning.

    Raises:
        CatalogError: it cannot be read, or is larger than any document of a catalogue.
        NoStacError: it is no STAC.
    """
    return parse_document(_content(file, location), location)


def _content(file: IO[bytes], location: str) -> bytes:
    try:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        content = file.read(size) if size <= MOST_DOCUMENT_BYTES else b""
    except OSError as error:
        raise _unreadable(location, error) from error
    if size > MOST_DOCUMENT_BYTES:
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
        make_home_folder(jobs_folder())
        # Small enough, it never is on the disk; larger, it has no name there.
        return SpooledTemporaryFile(BYTES_IN_MEMORY, dir=str(jobs_folder()))
    path = Path(location)
    try:
        if path.is_dir():
            raise CatalogError(f"The catalogue {path} is a folder; give the JSON file in it.")
        # To open a pipe is to wait for whoever writes into it.
        if path.exists() and not path.is_file():
            raise CatalogError(f"The catalogue {path} is a device or a pipe; give a file.")
        return path.open("rb")
    except FileNotFoundError as error:
        raise CatalogError(f"The catalogue {path} does not exist; check the path.") from error
    except (OSError, ValueError) as error:
        raise _unreadable(location, error) from error


def _unreadable(location: str, error: OSError | ValueError) -> CatalogError:
    reason = getattr(error, "strerror", None) or error
    return CatalogError(f"The catalogue {location} cannot be read ({reason}); check the file.")


def failure(location: str, error: WebError, answer: str) -> FairweatherError:
    """The error of a catalogue that does not answer, or does not let us in.

    ``answer`` says how it answers where it does, and what to do about that.
    """
    if isinstance(error, ForbiddenPlaceError):
        return CatalogError(f"{error.address} cannot be read, as {error.reason}.")
    if error.status is None:
        return CatalogError(
            f"The catalogue {location} does not answer ({error.reason}); "
            "check the address and the network connection."
        )
    if error.status in REFUSED:
        return AccessError(
            f"The catalogue {location} refuses access (error {error.status}); choose a "
            "configuration with its keys as AUTH, or check the one chosen."
        )
    return CatalogError(f"The catalogue {location} answers {answer}.")


def parse_document(text: bytes, location: str) -> Document:
    """The STAC document that was read at ``location``.

    Raises:
        NoStacError: it is no JSON, or JSON but no STAC.
        CatalogError: it is more than is read.
    """
    try:
        content = parse_json(text)
    except TooManyValuesError as error:
        raise CatalogError(
            f"The catalogue {location} holds more than {MOST_VALUES:,} values, as no STAC document "
            "does; give the address of a STAC API or catalogue."
        ) from error
    except ValueError as error:
        kinds = (kind for start, kind in OTHER_KINDS.items() if text.lstrip().startswith(start))
        kind = next(kinds, "no JSON")
        raise NoStacError(
            f"The catalogue {location} is {kind}, not a STAC catalogue; "
            "check that CATALOG is the address of a STAC API or catalogue."
        ) from error
    return to_document(content, location)


def to_document(content: Any, location: str) -> Document:
    """The STAC document that the JSON read at ``location`` is.

    Raises:
        NoStacError: it is none.
    """
    if not _is_stac(content):
        raise NoStacError(
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
