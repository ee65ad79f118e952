"""The QGIS side: the provider, one file per algorithm, shared parameters and layer styles.

Imports qgis and ``core.bridge`` only.
"""
