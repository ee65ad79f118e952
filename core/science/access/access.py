"""What a run may read and how: which address needs which signature, key or token.

A secret goes to the catalogue's own host and to what the collection's profile names, over https
only; to any other host, also one that a server redirects to, go no more than the bytes asked for.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from ...bridge.credentials import Credentials, Headers, Login, StorageKeys, TokenGrant
from ...bridge.errors import AccessError
from ...bridge.profiles import CollectionProfile, Signing, Storage, find_profile
from ...bridge.request import SceneSearch
from ..web.addresses import WEB_SCHEMES
from ..web.hosts import is_private_line, origin, read_address
from ..web.private_addresses import PrivateAddresses
from ..web.routes import Route
from .container_tokens import ContainerTokens
from .oauth import fetch_token
from .storage import CloudStorage
from .tokens import KeptToken, TokenRoute

STORAGE_SCHEMES = frozenset({"s3", "gs"})
NO_PRIVATE_PLACES = (
    ", where no catalogue from elsewhere may lead; if you trust it, give a local copy of its items "
    "as CATALOG"
)


@dataclass(frozen=True)
class AccessRules:
    """Where keys and signatures belong, without any: it may travel to a cluster.

    ``catalog`` is the catalogue's address, empty for a local one.
    """

    catalog: str = ""
    signing: Signing | None = None
    storage: Storage | None = None
    key_hosts: tuple[str, ...] = ()
    private_addresses: PrivateAddresses = field(default_factory=PrivateAddresses)


class Access:
    """The rules of a run together with its secrets; for any number of threads."""

    def __init__(
        self, rules: AccessRules | None = None, credentials: Credentials | None = None
    ) -> None:
        self.rules = rules or AccessRules()
        # Keys of storage open nothing else, and a login that is for storage is not for the
        # catalogue.
        is_for_storage = isinstance(credentials, StorageKeys) or (
            isinstance(credentials, Login) and self.rules.storage is not None
        )
        self._web = None if is_for_storage else credentials
        self._token = (
            KeptToken(partial(fetch_token, credentials))
            if isinstance(credentials, TokenGrant)
            else None
        )
        self._storage = CloudStorage(
            self.rules.storage, _storage_keys(credentials) if is_for_storage else None
        )
        self._has_storage_keys = is_for_storage
        self._containers = ContainerTokens(self.rules.signing) if self.rules.signing else None

    def route(self, href: str) -> Route:
        """How to ask for the file at ``href``, as its item names it.

        Raises:
            AccessError: it needs keys that are not there, a token that is not to be had, or it
                lies where nothing can be read.
        """
        scheme = urlsplit(href).scheme.lower()
        if scheme in WEB_SCHEMES:
            return self._web_route(href)
        if scheme not in STORAGE_SCHEMES:
            raise AccessError(
                f"The scenes' files are at {scheme}:// addresses, which cannot be read; use a "
                "catalogue whose files are at https, s3 or gs addresses."
            )
        self._check_keys(href)
        return self._storage.route(href)

    def catalog_route(self, address: str) -> Route:
        """How to ask for the catalogue's document at ``address``.

        Raises:
            AccessError: see ``route``.
        """
        return self._keyed_route(address) if self._is_catalogs(address) else Route(address)

    def check(self, hrefs: Iterable[str], on_cluster: bool) -> None:
        """Check that the files can be read at all, before any is.

        Raises:
            AccessError: keys are missing, or would have to be sent to a cluster.
        """
        for href in hrefs:
            if "://" not in href:
                continue
            if urlsplit(href).scheme.lower() not in WEB_SCHEMES | STORAGE_SCHEMES:
                self.route(href)
            if on_cluster and self._gets_keys(href):
                raise AccessError(
                    "The scenes' files are read with keys, and AUTH's keys are not sent to a "
                    "cluster; leave CLUSTER and DASHBOARD out."
                )
            self._check_keys(href)

    def _needs_keys(self, href: str) -> bool:
        parts = read_address(href)
        is_keyed = parts is not None and parts.authority in self._key_hosts
        return is_keyed or self._storage.takes_keys(href)

    def _gets_keys(self, href: str) -> bool:
        """Whether the user's keys are sent with it: needed, or it lies where the catalogue does."""
        return self._needs_keys(href) or self._is_catalogs(href)

    def _is_catalogs(self, address: str) -> bool:
        """Whether there are keys of the catalogue, and the address lies where it does."""
        place = origin(address)
        return self._web is not None and place is not None and place == origin(self.rules.catalog)

    def _check_keys(self, href: str) -> None:
        is_stored = self._storage.takes_keys(href)
        has_keys = self._has_storage_keys if is_stored else self._web is not None
        if self._needs_keys(href) and not has_keys:
            parts = urlsplit(href)
            what = "access key and secret key" if is_stored else "login or token"
            raise AccessError(
                f"The scenes' files at {parts.scheme}://{parts.netloc} are read with keys of your "
                f"own; choose a configuration that holds them ({what}) as AUTH."
            )

    @property
    def _key_hosts(self) -> frozenset[str]:
        return frozenset(host.lower() for host in self.rules.key_hosts)

    def _web_route(self, href: str) -> Route:
        token = self._containers.find(href) if self._containers else None
        if token is not None:
            text = token.text()
            sent = href.partition("#")[0]
            address = f"{sent}{'&' if '?' in sent else '?'}{text}"
            return TokenRoute(address, token=token, text=text)
        self._check_keys(href)
        return self._keyed_route(href) if self._gets_keys(href) else Route(href)

    def _keyed_route(self, address: str) -> Route:
        if not is_private_line(address):
            parts = urlsplit(address)
            raise AccessError(
                f"AUTH is not sent to {parts.scheme}://{parts.netloc}, where everybody could "
                "listen; give an https address, or leave AUTH empty."
            )
        if self._token is not None:
            text = self._token.text()
            headers = {"Authorization": f"Bearer {text}"}
            return TokenRoute(address, headers, is_keyed=True, token=self._token, text=text)
        if isinstance(self._web, Login):
            pair = f"{self._web.name}:{self._web.password}".encode()
            basic = f"Basic {base64.b64encode(pair).decode()}"
            return Route(address, {"Authorization": basic}, is_keyed=True)
        values = dict(self._web.values) if isinstance(self._web, Headers) else {}
        return Route(address, values, is_keyed=True)


def open_access(search: SceneSearch, credentials: Credentials | None) -> Access:
    """The access of one run.

    Raises:
        InvalidRequestError: there is no such collection.
    """
    profile = find_profile(search.collection, search.profile)
    catalog = search.catalog.strip() or profile.catalog
    return Access(
        AccessRules(
            catalog=catalog if origin(catalog) else "",
            signing=profile.signing,
            storage=profile.storage,
            key_hosts=profile.key_hosts,
            private_addresses=_private_addresses(search, profile, catalog),
        ),
        credentials,
    )


def _private_addresses(
    search: SceneSearch, profile: CollectionProfile, catalog: str
) -> PrivateAddresses:
    # A file of scenes that were found before says what the catalogue has said: it is local only
    # where that is.
    source = origin(search.scenes.strip()) or origin(catalog)
    endpoint = profile.storage.endpoint if profile.storage else ""
    own_hosts = {host.lower() for host in (*profile.key_hosts, urlsplit(endpoint).netloc) if host}
    return PrivateAddresses(source[1] if source else "", frozenset(own_hosts), NO_PRIVATE_PLACES)


def _storage_keys(credentials: Credentials | None) -> StorageKeys | None:
    if isinstance(credentials, Login):
        return StorageKeys(credentials.name, credentials.password)
    return credentials if isinstance(credentials, StorageKeys) else None
