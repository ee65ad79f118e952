"""Raster files, wherever they lie: bytes by range, tiles decoded once, pixels by window."""
