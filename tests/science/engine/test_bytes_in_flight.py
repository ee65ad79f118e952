"""Never more bytes on the way than may be, and nobody waits for good."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fairweather.core.science.imagery.files.bytes_in_flight import BytesInFlight
from fairweather.core.science.imagery.files.processor_places import (
    ProcessorPlaces,
    place_given_up,
)

MOST = 100


@pytest.mark.parametrize("places", [1, 3])
def test_the_limit_holds_whatever_the_sizes(places):
    in_flight, room = BytesInFlight(MOST), ProcessorPlaces(places)
    lock, now, seen = threading.Lock(), [], []

    def read(size):
        with room.taken(), in_flight.taken(size):
            with lock:
                now.append(size)
                seen.append(list(now))
            with place_given_up():
                time.sleep(0.0005)
            with lock:
                now.remove(size)

    sizes = np.random.default_rng(1).integers(1, 130, 300).tolist()
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(read, sizes, timeout=30))
    assert len(seen) == len(sizes)
    # What is larger than all goes alone.
    assert all(sum(together) <= MOST or len(together) == 1 for together in seen)


@pytest.mark.parametrize("places", [1, 3])
def test_what_fits_goes_together(places):
    in_flight, room = BytesInFlight(MOST), ProcessorPlaces(places)
    all_are_there = threading.Barrier(3)

    def read(size):
        with room.taken(), in_flight.taken(size), place_given_up():
            return all_are_there.wait(30)

    with ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(read, [MOST // 3] * 3)) == [0, 1, 2]


def test_an_error_gives_the_bytes_back():
    in_flight = BytesInFlight(MOST)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), in_flight.taken(MOST):
            raise ValueError("broken")
    with in_flight.taken(MOST):
        pass
