"""The provider: what the Processing toolbox shows under "Fairweather"."""

from __future__ import annotations

from pathlib import Path
from typing import List

from qgis.core import QgsProcessingLayerPostProcessorInterface, QgsProcessingProvider
from qgis.PyQt import sip
from qgis.PyQt.QtGui import QIcon

from .composite import CompositeAlgorithm
from .environment import EnvironmentAlgorithm
from .sample_catalog import SampleCatalogAlgorithm
from .search_scenes import SearchScenesAlgorithm
from .time_series import TimeSeriesAlgorithm

ICON_FILE = Path(__file__).parent.parent / "icon.svg"
ALGORITHMS = (
    SearchScenesAlgorithm,
    CompositeAlgorithm,
    TimeSeriesAlgorithm,
    EnvironmentAlgorithm,
    SampleCatalogAlgorithm,
)


class FairweatherProvider(QgsProcessingProvider):
    """Fairweather's algorithms, and the stylers of layers that are about to be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self._stylers: List[QgsProcessingLayerPostProcessorInterface] = []

    def keep_styler(self, styler: QgsProcessingLayerPostProcessorInterface) -> None:
        """Keep ``styler`` until QGIS has used and deleted it.

        QGIS deletes a post-processor with the run's context, but holds no reference that keeps the
        Python half alive, and the algorithm's instance is gone before its layers are loaded.
        """
        self._stylers = [kept for kept in self._stylers if not sip.isdeleted(kept)]
        self._stylers.append(styler)

    def id(self) -> str:
        """The provider's id, the first half of every algorithm's."""
        return "fairweather"

    def name(self) -> str:
        """The name in the toolbox."""
        return "Fairweather"

    def longName(self) -> str:
        """The name with what it is for."""
        return "Fairweather (cloud-free satellite imagery)"

    def icon(self) -> QIcon:
        """The plugin's icon."""
        return QIcon(str(ICON_FILE))

    def svgIconPath(self) -> str:
        """The path of the plugin's icon."""
        return str(ICON_FILE)

    def loadAlgorithms(self) -> None:
        """Add one instance of every algorithm."""
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())

    def supportedOutputRasterLayerExtensions(self) -> List[str]:
        """Composites are GeoTIFF files."""
        return ["tif", "tiff"]

    def supportsNonFileBasedOutput(self) -> bool:
        """Footprints may be a memory layer or a database table."""
        return True
