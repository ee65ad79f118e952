"""What is loaded at the start is not looked through for cycles; all that comes later is."""

import gc
import weakref

import pytest
from fairweather.core.science.heap import kept_for_good


@pytest.fixture(autouse=True)
def unfrozen():
    yield
    gc.unfreeze()


def test_cycles_made_later_are_found():
    class Node:
        pass

    with kept_for_good():
        assert not gc.isenabled()
        kept = Node()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    node = Node()
    node.itself = node
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is None
    assert kept is not None


def test_an_error_does_not_stop_the_search():
    with pytest.raises(ImportError), kept_for_good():
        raise ImportError("a package is missing")
    assert gc.isenabled()
