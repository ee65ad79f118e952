"""Outputs that would replace each other, or what the run reads: refused before a pixel is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...bridge.errors import InvalidRequestError
from ...bridge.file_identity import file_identity, identity_of_existing
from ...bridge.request import Request, SampleCatalogRequest, replaced_files
from ..web.addresses import scheme_of
from ..whole_file import check_no_device
from .hrefs import read_location

if TYPE_CHECKING:
    import pystac

    from .found import FoundScenes


def check_outputs(request: Request, request_file: Path) -> None:
    """Check that the outputs are files of their own, and none that ``request`` names to be read.

    Raises:
        InvalidRequestError: two are one file, or one is CATALOG, SCENES, PROFILE or the request.
        OutputError: one is a device, a pipe or a socket.
    """
    inputs = {file_identity(path): name for name, path in _inputs(request, request_file)}
    seen = set()
    for output in replaced_files(request):
        check_no_device(output)
        identity = file_identity(output)
        if identity in seen:
            raise InvalidRequestError(
                f"Two outputs are the same file, {output}; give each a file of its own."
            )
        if identity in inputs:
            raise _would_be_lost(output, inputs[identity])
        seen.add(identity)


def checked_items(found: FoundScenes, request: Request) -> Iterator[pystac.Item]:
    """The items found, each after a look whether one of its files is an output of ``request``.

    Raises:
        InvalidRequestError: one is, or a document that the search has read.
    """
    # A file that is not there yet is nobody's: nearly always, no item need be looked at.
    there = ((identity_of_existing(output), output) for output in replaced_files(request))
    outputs = {identity: output for identity, output in there if identity is not None}
    for document in found.documents if outputs else ():
        identity = identity_of_existing(Path(document))
        if identity in outputs:
            raise _would_be_lost(outputs[identity], "a document of the catalogue")
    for item in found.items:
        for path in _local_files(item) if outputs else ():
            identity = identity_of_existing(path)
            if identity in outputs:
                raise _would_be_lost(outputs[identity], f"a file of the scene {item.id}")
        yield item


def _inputs(request: Request, request_file: Path) -> Iterator[tuple[str, Path]]:
    yield "the request itself", request_file
    if isinstance(request, SampleCatalogRequest):
        return
    search = request.search
    named = {"CATALOG": search.catalog, "SCENES": search.scenes, "PROFILE": search.profile}
    for name, location in named.items():
        # What is wrong with an address is told by whoever opens it.
        with contextlib.suppress(InvalidRequestError, RuntimeError):
            path = read_location(location) if location.strip() else ""
            if path and not scheme_of(path):
                yield f"the {name} of the run", Path(path)


def _local_files(item: pystac.Item) -> Iterator[Path]:
    """The item's files on this computer, and the documents beside it that it links to."""
    hrefs = [asset.href for asset in item.assets.values()]
    hrefs += [str(link.target) for link in item.links]
    return (Path(href) for href in hrefs if not scheme_of(href))


def _would_be_lost(output: Path, what: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"The output {output} is {what}, which would be lost; choose another name or folder."
    )
