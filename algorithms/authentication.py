"""AUTH: the keys in one of QGIS's authentication configurations, for catalogues and storage."""

from __future__ import annotations

from typing import Any, Dict, Optional

from qgis.core import (
    QgsApplication,
    QgsAuthMethodConfig,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingParameterAuthConfig,
    QgsProcessingParameterDefinition,
)
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtNetwork import QNetworkRequest

from ..core.bridge.authentication_methods import needs_browser, read_configuration
from ..core.bridge.credentials import Credentials, Headers, check_credentials
from ..core.bridge.errors import InvalidRequestError
from .parameters import describe, read_catalog, read_profile

AUTH = "AUTH"


def auth_parameter() -> QgsProcessingParameterDefinition:
    """AUTH, among the advanced ones."""
    return describe(
        QgsProcessingParameterAuthConfig(AUTH, "Authentication", optional=True),
        "One of QGIS's authentication configurations, for a catalogue or for files that want keys: "
        "Basic, API Header, Esri token, OAuth2 or AWS S3. For files at s3:// addresses a Basic "
        "one serves too: the user name is the access key, the password the secret key (before "
        "QGIS 3.30 it is the only way). The keys go to the catalogue's own host and to the "
        "storage that the collection's profile names, and nowhere else.",
        advanced=True,
    )


def check_auth(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> None:
    """Check that AUTH is a configuration that QGIS has; nothing is decrypted.

    Raises:
        InvalidRequestError: it is none.
    """
    identifier = _identifier(algorithm, parameters, context)
    if identifier and identifier not in QgsApplication.authManager().configIds():
        raise InvalidRequestError(
            f"AUTH: QGIS has no authentication configuration {identifier[:40]!r}; choose one of "
            "its settings, under Authentication."
        )


def read_credentials(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> Optional[Credentials]:
    """The keys in the configuration that AUTH names; in the main thread only.

    QGIS may ask for its master password, and for OAuth2 open a browser.

    Raises:
        InvalidRequestError: it cannot be decrypted, or holds nothing that can be used here.
    """
    identifier = _identifier(algorithm, parameters, context)
    if not identifier:
        return None
    configuration = QgsAuthMethodConfig()
    loaded, configuration = QgsApplication.authManager().loadAuthenticationConfig(
        identifier, configuration, True
    )
    if not loaded:
        raise InvalidRequestError(
            f"AUTH: QGIS cannot decrypt the configuration {identifier[:40]!r}; give its master "
            "password, for qgis_process in a file that QGIS_AUTH_PASSWORD_FILE names."
        )
    method, fields = configuration.method(), dict(configuration.configMap())
    if needs_browser(method, fields):
        catalog = read_catalog(algorithm, parameters, context)
        return ask_qgis(identifier, catalog or read_profile(algorithm, parameters, context).catalog)
    return read_configuration(method, fields)


def ask_qgis(identifier: str, address: str) -> Credentials:
    """The headers that QGIS itself would send to ``address``, good as long as its token is.

    Raises:
        InvalidRequestError: it has none to send.
    """
    request = QNetworkRequest(QUrl(address))
    allowed, request = QgsApplication.authManager().updateNetworkRequest(request, identifier)
    headers = {
        bytes(name).decode("latin-1"): bytes(request.rawHeader(name)).decode("latin-1")
        for name in request.rawHeaderList()
    }
    if not allowed or not headers:
        raise InvalidRequestError(
            "AUTH: QGIS was given no token; log in with the OAuth2 configuration in QGIS first."
        )
    return check_credentials(Headers(headers))


def _identifier(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> str:
    if algorithm.parameterDefinition(AUTH) is None:
        return ""
    return str(algorithm.parameterAsString(parameters, AUTH, context) or "").strip()
