"""A run on a Dask cluster; nothing here is imported by a run that needs none."""
