"""One set of package settings for both installers: pip's for uv, and uv's for pip.

uv reads none of pip's settings, and pip none of uv's. The analyst, or the company, has set a
proxy, an index, a folder of wheels or a certificate for one of them; both are used here. Values
may hold passwords: they go from the settings into a child's environment variables and nowhere
else.
"""

from __future__ import annotations

import ast
import re
from typing import Dict, List, Mapping, Tuple

# Settings that would send the packages elsewhere than into the new environment, or leave some out
REDIRECTING = (
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_PYTHON",
    "PIP_DRY_RUN",
    "PIP_REQUIREMENT",
    "PIP_CONSTRAINT",
    "PIP_NO_BINARY",
    "PIP_REQUIRE_VIRTUALENV",
    "UV_SYSTEM_PYTHON",
    "UV_PYTHON",
    "UV_CONSTRAINT",
    "UV_OVERRIDE",
    "UV_NO_BINARY",
    "UV_PROJECT",
    "UV_WORKING_DIR",
)
_SECTIONS = ("global", "install", ":env:")  # each overrides the ones before, as in pip
_INDEX_NAME = re.compile(r"^[A-Za-z0-9_.-]+=(?=[a-z]+:)")


def read_pip_settings(config_list: str) -> Dict[str, str]:
    """pip's settings by key, from what ``pip config list`` prints."""
    found: Dict[Tuple[int, str], str] = {}
    for line in config_list.splitlines():
        name, equals, literal = line.partition("=")
        section, dot, key = name.strip().partition(".")
        if not equals or not dot or section not in _SECTIONS:
            continue
        try:
            value = str(ast.literal_eval(literal.strip()))
        except (ValueError, SyntaxError):
            continue
        found[(_SECTIONS.index(section), key)] = value
    return {key: value for (_, key), value in sorted(found.items())}


def pip_environment(variables: Mapping[str, str]) -> Dict[str, str]:
    """``variables`` for pip, with uv's settings where pip's own are not set."""
    result = {name: value for name, value in variables.items() if name not in REDIRECTING}
    result.setdefault("PIP_NO_INPUT", "1")
    result.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    if "PIP_CACHE_DIR" not in result:
        result["PIP_NO_CACHE_DIR"] = "1"  # a cache would stay behind in the user's home
    default = result.get("UV_DEFAULT_INDEX") or result.get("UV_INDEX_URL")
    if default:
        result.setdefault("PIP_INDEX_URL", _without_name(default))
    extra = result.get("UV_INDEX") or result.get("UV_EXTRA_INDEX_URL")
    if extra:
        result.setdefault("PIP_EXTRA_INDEX_URL", " ".join(map(_without_name, extra.split())))
    if result.get("UV_FIND_LINKS"):
        result.setdefault("PIP_FIND_LINKS", result["UV_FIND_LINKS"].replace(",", " "))
    if result.get("UV_INSECURE_HOST"):
        result.setdefault("PIP_TRUSTED_HOST", result["UV_INSECURE_HOST"])
    return result


def uv_environment(variables: Mapping[str, str], pip: Mapping[str, str]) -> Dict[str, str]:
    """``variables`` for uv, with pip's settings ``pip`` where uv's own are not set."""
    result = {name: value for name, value in variables.items() if name not in REDIRECTING}
    if not _any(result, "UV_DEFAULT_INDEX", "UV_INDEX_URL") and pip.get("index-url"):
        result["UV_DEFAULT_INDEX"] = pip["index-url"]
    if not _any(result, "UV_INDEX", "UV_EXTRA_INDEX_URL") and pip.get("extra-index-url"):
        result["UV_INDEX"] = " ".join(pip["extra-index-url"].split())
    if pip.get("find-links"):
        result.setdefault("UV_FIND_LINKS", ",".join(pip["find-links"].split()))
    if pip.get("trusted-host"):
        result.setdefault("UV_INSECURE_HOST", " ".join(pip["trusted-host"].split()))
    timeout = pip.get("timeout") or pip.get("default-timeout")
    if timeout:
        result.setdefault("UV_HTTP_TIMEOUT", timeout)
    if pip.get("proxy") and not _any(result, "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        result["HTTPS_PROXY"] = result["HTTP_PROXY"] = pip["proxy"]
    certificate = pip.get("cert") or result.get("REQUESTS_CA_BUNDLE")
    if certificate:
        result.setdefault("SSL_CERT_FILE", certificate)
    if pip.get("client-cert"):
        result.setdefault("SSL_CLIENT_CERT", pip["client-cert"])
    # pip trusts the system's certificates and takes the best file of all indexes. The hashes, not
    # the order of the indexes, keep a stranger's package out.
    result.setdefault("UV_SYSTEM_CERTS", "true")
    result.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    result.setdefault("UV_NO_PROGRESS", "1")
    result["UV_PYTHON_DOWNLOADS"] = "never"
    if "UV_CACHE_DIR" in result:
        # A hard link would let damage to the environment reach the user's own cache and come back
        result.setdefault("UV_LINK_MODE", "copy")
    return result


def uv_options(pip: Mapping[str, str]) -> List[str]:
    """Options for what uv has no environment variable for."""
    return ["--no-index"] if pip.get("no-index", "").lower() in ("1", "true", "yes", "on") else []


def _any(variables: Mapping[str, str], *names: str) -> bool:
    return any(variables.get(name) for name in names)


def _without_name(index: str) -> str:
    """uv allows ``name=url``."""
    return _INDEX_NAME.sub("", index)
