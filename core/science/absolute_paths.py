"""The paths of a request, made absolute before the worker leaves the folder that it began in."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..bridge.home import fairweather_home
from ..bridge.request import OUTPUT_FIELDS, Request, SampleCatalogRequest
from .catalog.hrefs import absolute_path, read_location
from .web.addresses import scheme_of

# Of certificates: they are read when the first server is asked.
PATH_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def with_absolute_paths(request: Request) -> Request:
    """``request`` with every path as it is seen from the current folder.

    Raises:
        InvalidRequestError: one begins in the current folder, and that is gone, or in that of a
            user who is not known.
    """
    paths: dict[str, Any] = {
        name: absolute_path(getattr(request, name))
        for name in OUTPUT_FIELDS
        if getattr(request, name, "")
    }
    if not isinstance(request, SampleCatalogRequest):
        search = request.search
        paths["search"] = replace(
            search,
            catalog=_location(search.catalog),
            scenes=_location(search.scenes),
            profile=absolute_path(search.profile) if search.profile else "",
        )
    return replace(request, **paths)


def leave_current_folder(folder: Path) -> None:
    """Make ``folder`` the current one, and what the environment names by path go on being found.

    Libraries ask for the current folder now and then, which fails where it was removed meanwhile.

    Raises:
        OSError: ``folder`` cannot be entered.
    """
    os.environ["FAIRWEATHER_HOME"] = str(fairweather_home())
    for name in PATH_VARIABLES:
        path = os.environ.get(name, "")
        if path and not Path(path).is_absolute():
            os.environ[name] = absolute_path(path)
    os.chdir(folder)


def _location(text: str) -> str:
    """A path, or a file's address, as a path; what is wrong with others is told when they open."""
    is_path = bool(text.strip()) and scheme_of(text.strip()) in {"", "file"}
    return read_location(text) if is_path else text
