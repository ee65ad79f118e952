"""Running QGIS from the scripts: a profile of their own, with the plugin in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PLUGINS = Path(".local/share/QGIS/QGIS3/profiles/default/python/plugins")


def qgis_environment(home: Path) -> dict[str, str]:
    """Environment variables for a QGIS whose profile is in ``home``, with the plugin linked there.

    QGIS takes its Python from the first ``python3`` on PATH, so PATH is the system's.
    """
    plugins = home / PLUGINS
    plugins.mkdir(parents=True, exist_ok=True)
    link = plugins / "fairweather"
    if link.is_symlink():
        link.unlink()
    link.symlink_to(ROOT)
    system = {"HOME": str(home), "PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"}
    return {**os.environ, **system, "QT_QPA_PLATFORM": "offscreen"}


def enable_plugin(environment: dict[str, str]) -> None:
    """Enable the plugin in the profile, where it is not enabled yet.

    Raises:
        RuntimeError: QGIS does not know the plugin.
    """
    enabled = _qgis_plugins(environment)
    if "* fairweather" not in enabled:
        _qgis_plugins(environment, "enable", "fairweather")
        enabled = _qgis_plugins(environment)
    if "* fairweather" not in enabled:
        raise RuntimeError(f"QGIS cannot enable the plugin; it lists:\n{enabled}")


def _qgis_plugins(environment: dict[str, str], *arguments: str) -> str:
    command = ["qgis_process.bin", "plugins", *arguments]
    listing = subprocess.run(
        command, env=environment, check=False, stdout=subprocess.PIPE, text=True
    )
    return listing.stdout
