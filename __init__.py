"""Fairweather: cloud-free composites and index time series from STAC imagery, in QGIS."""


def classFactory(iface: object) -> object:  # noqa: N802 - the name QGIS looks for
    """The plugin, as QGIS asks for it. ``iface`` is None in qgis_process."""
    from .plugin import FairweatherPlugin  # noqa: PLC0415 - nothing is loaded before QGIS asks

    return FairweatherPlugin(iface)
