"""Fairweather's core: no module in here imports qgis.

``bridge`` is the standard-library half, which runs in QGIS's Python and in the worker's;
``science`` is the half that runs in the worker's environment only.
"""
