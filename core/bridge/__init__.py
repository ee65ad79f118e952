"""The half of core that needs only the standard library (Python 3.9 syntax).

It holds what both Pythons must agree on: requests, events, errors, collection profiles, and how
the worker and its environment are made and found.
"""
