"""Addresses in catalogues: URLs, local paths, and what may be trusted.

A *location* is an ``http(s)://`` URL or an absolute local path.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

from ...bridge.errors import InvalidRequestError
from ..web.addresses import QUERY, WEB_SCHEMES, is_remote, scheme_of

READABLE_SCHEMES = WEB_SCHEMES | {"s3", "gs"}
DRIVE = re.compile(r"[A-Za-z]:")
# No server takes longer addresses; signatures have two thousand.
MOST_CHARACTERS = 8000


def read_location(text: str) -> str:
    """The location that a user's CATALOG or SCENES means: a URL, a ``file://`` URL or a path.

    Raises:
        InvalidRequestError: it has another scheme, or a password in it, or is a path that leads
            nowhere: into the folder of an unknown user, or from one that is gone.
    """
    text = text.strip()
    scheme = scheme_of(text)
    if scheme in WEB_SCHEMES:
        if "@" in urlsplit(text).netloc:
            raise InvalidRequestError(
                "The catalogue's address has a user name or a password in it; give the address "
                "alone, and choose an authentication configuration as AUTH."
            )
        return text
    if scheme == "file":
        return _path_of_file_url(text)
    if scheme:
        raise InvalidRequestError(
            f"The catalogue {text[:200]!r} cannot be opened; "
            "give an http or https address, or the path of a file."
        )
    try:
        return absolute_path(str(Path(text).expanduser()))
    except RuntimeError as error:
        raise InvalidRequestError(
            f"The path {text[:200]} names the folder of a user who is not known here; give it "
            "without a ~."
        ) from error


def absolute_path(path: str) -> str:
    """``path`` as it is seen from the current folder.

    Raises:
        InvalidRequestError: it begins in that folder, and that is gone.
    """
    try:
        return str(Path(path).absolute())
    except OSError as error:
        raise InvalidRequestError(
            f"The path {path[:200]} begins in the folder that this run began in, and that is gone; "
            "give the whole path."
        ) from error


def resolve_link(href: str, base: str) -> str | None:
    """The location of a document that the document at ``base`` links to.

    None where it must not be followed: a remote document leads to remote ones only.
    """
    location = resolve_asset(href, base)
    if location is None or scheme_of(location) not in {"", *WEB_SCHEMES}:
        return None
    return location


def resolve_asset(href: str, base: str) -> str | None:
    """The absolute address of what ``href`` means in the document at ``base``.

    None where it must not be read: GDAL's own ``/vsi…`` and chained addresses never, and from a
    remote document nothing but http(s) and cloud storage.
    """
    # A long address, written once, would be a part of each.
    if not href or href.lower().startswith("/vsi") or len(href) + len(base) > MOST_CHARACTERS:
        return None
    try:
        return _absolute(href, base)
    except ValueError:  # such as "//[": it is no address at all
        return None


def _absolute(href: str, base: str) -> str | None:
    """What ``resolve_asset`` promises.

    Raises:
        ValueError: it is no address.
    """
    scheme = scheme_of(href)
    if scheme in READABLE_SCHEMES:
        return href if _has_host(href) else None
    if is_remote(base):
        is_local = bool(scheme) or "\\" in href or DRIVE.match(href) is not None
        joined = urljoin(base, href)
        # Blanks and control characters before a scheme hide it until here.
        is_readable = scheme_of(joined) in READABLE_SCHEMES and _has_host(joined)
        return joined if is_readable and not is_local else None
    if scheme == "file":
        return _path_of_file_url(href)
    return None if scheme else _local_path(href, base)


def _has_host(address: str) -> bool:
    """Whether it goes on after its scheme as a server's does: by others, ``http:/x`` is a path.

    Raises:
        ValueError: it is no address.
    """
    return address.partition(":")[2].startswith("//") and bool(urlsplit(address).hostname)


def resolve_hrefs(item: dict[str, Any], document: str) -> tuple[dict[str, Any], int]:
    """A copy of the STAC item with absolute hrefs, and how many assets had to be left out.

    ``document`` is where the item was read. Links to the rest of a static catalogue (root, parent)
    are left out: the item stands alone.
    """
    base = _own_location(item, document)
    if is_remote(base):
        # An href such as "#a" would else take over the token that the item was asked for with.
        base = QUERY.sub("", base)
    assets = {}
    for name, asset in item["assets"].items():
        href = _resolve(str(asset["href"]), base, document)
        if href is not None:
            assets[name] = {**asset, "href": href}
    links = []
    for link in item.get("links") or ():
        if link.get("rel") not in ("root", "parent"):
            href = _resolve(str(link.get("href", "")), base, document)
            links += [{**link, "href": href}] if href else []
    return {**item, "assets": assets, "links": links}, len(item["assets"]) - len(assets)


def _own_location(item: dict[str, Any], document: str) -> str:
    """Where the item's relative hrefs start: its own address, if it names one, as items of an
    ItemCollection do, else that of the document.
    """
    for link in item.get("links") or ():
        if link.get("rel") == "self":
            return resolve_link(str(link.get("href", "")), document) or document
    return document


def _resolve(href: str, base: str, document: str) -> str | None:
    # In a file of the user's own a local path is one, even where the item was published online.
    is_path = scheme_of(href) == "file" or DRIVE.match(href) or PurePath(href).is_absolute()
    return resolve_asset(href, document if is_path and not is_remote(document) else base)


def _path_of_file_url(url: str) -> str:
    parts = urlsplit(url)
    host = "" if parts.netloc in ("", "localhost") else f"//{parts.netloc}"
    # A path with a "#" or "?" in it is often written without escaping them.
    rest = url.split(":", 1)[1]
    path = rest[2 + len(parts.netloc) :] if rest.startswith("//") else rest
    return str(Path(url2pathname(host + path)).absolute())


def _local_path(href: str, base: str) -> str:
    path = os.path.normpath(Path(base).parent / href)
    if "%" in href and not _is_there(path):
        decoded = os.path.normpath(Path(base).parent / unquote(href))
        path = decoded if _is_there(decoded) else path
    return path


def _is_there(path: str) -> bool:
    """Not, where nobody can look, or no disk takes the name."""
    return os.path.exists(path)  # noqa: PTH110
