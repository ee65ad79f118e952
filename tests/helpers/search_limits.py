"""What a search may take, and how it ends that would take more."""

import time
import tracemalloc
from contextlib import contextmanager

import pytest
from fairweather.core.bridge.errors import CatalogError

MEGABYTE = 2**20


@contextmanager
def bounded(seconds, megabytes):
    """Check that the block takes no more of the processor and of memory (Python's own) than this.

    The seconds are those of all threads of this process: the machine may be busy with others.
    """
    tracemalloc.start()
    began = time.process_time()
    try:
        yield
        assert time.process_time() - began < seconds
        assert tracemalloc.get_traced_memory()[1] < megabytes * MEGABYTE
    finally:
        tracemalloc.stop()


def refusal(find, catalog, words):
    """The one sentence with which a search ends; ``find`` is the fixture."""
    with pytest.raises(CatalogError, match=words) as caught:
        find(catalog)
    message = str(caught.value)
    assert message.endswith(".")
    assert len(message) < 1000
    assert "\n" not in message
    return message
