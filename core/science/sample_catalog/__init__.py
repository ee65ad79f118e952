"""The built-in synthetic catalogue: invented land and invented clouds, for demo and tests.

Nothing in it is an observation. ``job.run_sample_catalog`` writes it.
"""
