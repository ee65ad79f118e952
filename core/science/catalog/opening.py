"""What CATALOG is: an API, a static catalogue, a file of items, or a folder of scenes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ...bridge.errors import CatalogError
from ...bridge.profiles import CollectionProfile
from ..web.addresses import is_remote
from .documents import Document, DocumentReader, is_api, read_document
from .geoparquet import GeoParquetSource, check_parquet_ends, is_parquet
from .local_scenes.folder import LocalScenes
from .long_document import LongDocumentSource, check_document_ends, is_long
from .source import SearchedSource
from .static import StaticSource

if TYPE_CHECKING:
    from ..access.access import Access


def open_source(
    location: str, profile: CollectionProfile, access: Access | None = None
) -> SearchedSource:
    """The catalogue at ``location``, by what is there and not by its name.

    ``access`` has the keys of a catalogue that wants some.

    Raises:
        CatalogError: it cannot be read, or is none.
    """
    # Not so where nobody can look: then the document is told not to be readable.
    if not is_remote(location) and os.path.isdir(location):  # noqa: PTH112
        _check_folder(location)
        return LocalScenes(Path(location), profile)
    reader = DocumentReader(access)
    found = _open_file(location, reader)
    if not isinstance(found, Document):
        return found
    root = found
    if is_api(root):
        # Imported here: a static catalogue is searched without what pystac-client costs to load.
        from .api_source import ApiSource  # noqa: PLC0415

        return ApiSource(root, access)
    if root.type == "Collection" and root.hrefs("items") and not root.hrefs("item", "child"):
        raise CatalogError(
            f"{root.location} is one collection of a STAC API; "
            "give the address of the API as CATALOG."
        )
    return StaticSource(root, reader)


def _check_folder(location: str) -> None:
    """Check that the folder can be looked into.

    Raises:
        CatalogError: it cannot.
    """
    try:
        os.scandir(location).close()
    except OSError as error:
        raise CatalogError(
            f"The folder {location} cannot be looked into ({error.strerror}); choose another as "
            "CATALOG, or have its owner let you in."
        ) from error


def open_items_file(location: str, access: Access | None = None) -> StaticSource | GeoParquetSource:
    """The scenes in a file of items that was found before: an ItemCollection or GeoParquet.

    Raises:
        CatalogError: it cannot be read, or is none.
    """
    reader = DocumentReader(access)
    found = _open_file(location, reader)
    return StaticSource(found, reader) if isinstance(found, Document) else found


def _open_file(
    location: str, reader: DocumentReader
) -> Document | LongDocumentSource | GeoParquetSource:
    """A document, or the source that it is where it need not be in memory as a whole.

    Of the latter only the end is looked at, and that while it may be asked for again.
    """

    def read(file: IO[bytes], found_at: str) -> Document | LongDocumentSource | GeoParquetSource:
        if is_parquet(file):
            if is_remote(location):
                check_parquet_ends(file, found_at)
            return GeoParquetSource(file, found_at)
        if is_long(file):
            if is_remote(location):
                check_document_ends(file, found_at)
            return LongDocumentSource(file, found_at, reader)
        return read_document(file, found_at)

    file, found = reader.open(location, read)
    if isinstance(found, Document):
        file.close()
    return found
