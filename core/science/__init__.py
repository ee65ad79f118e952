"""The half of core that runs in the worker's environment (Python 3.11 or newer)."""
