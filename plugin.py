"""The plugin: it adds Fairweather's algorithms to the Processing toolbox."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import QgsApplication

from .algorithms.provider import FairweatherProvider


class FairweatherPlugin:
    """What QGIS loads, starts and unloads. ``iface`` is None in qgis_process."""

    def __init__(self, iface: Any) -> None:
        self.iface = iface
        self.provider: Optional[FairweatherProvider] = None

    def initProcessing(self) -> None:
        """Register the algorithms; qgis_process calls only this."""
        self.provider = FairweatherProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:
        """Register the algorithms in the desktop."""
        self.initProcessing()

    def unload(self) -> None:
        """Take the algorithms out again."""
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
