"""A thread that dies for want of memory before it begins, for which Python waits for ever."""

import os
import threading

import pytest
from fairweather.core.bridge.errors import WorkerError
from fairweather.core.bridge.worker_death import NO_MORE_THREADS
from fairweather.core.science import stillborn_threads
from fairweather.core.science.stillborn_threads import ThreadStarts

STARTS_A_STILLBORN = """
    import threading
    class Stillborn(threading.Thread):
        def _bootstrap_inner(self):
            raise MemoryError
    with whole_file(Path(request.items), scratch) as path:
        path.write_text("half")
        Stillborn().start()
    return {}
"""
LIMITED_AND_IN_A_HURRY = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 44, resource.getrlimit(resource.RLIMIT_AS)[1]))
from fairweather.core.science import stillborn_threads
stillborn_threads.SECONDS_BETWEEN_LOOKS = 0.01
"""


class SlowlyBorn(threading.Thread):
    """Begins when it may."""

    def __init__(self):
        super().__init__(daemon=True)
        self.may_begin = threading.Event()

    def _bootstrap_inner(self):
        self.may_begin.wait(60)
        super()._bootstrap_inner()


def test_only_a_start_that_is_seen_again_and_again_hangs(wait_until):
    starts, slow = ThreadStarts(), SlowlyBorn()
    assert not any(starts.one_hangs() for _ in range(2 * stillborn_threads.MOST_LOOKS))
    starter = threading.Thread(target=slow.start)
    starter.start()
    wait_until(stillborn_threads._starts, 20)
    looks = [starts.one_hangs() for _ in range(stillborn_threads.MOST_LOOKS)]
    assert looks == [False] * (len(looks) - 1) + [True]
    slow.may_begin.set()
    starter.join()
    assert not starts.one_hangs()
    assert stillborn_threads._starts() == set()


def test_looks_that_fail_keep_nobody_from_looking_again(monkeypatch):
    errors = [MemoryError, RuntimeError, MemoryError]
    look = stillborn_threads._starts

    def fail_at_first():
        if errors:
            raise errors.pop()
        return look()

    monkeypatch.setattr(stillborn_threads, "_starts", fail_at_first)
    monkeypatch.setattr(stillborn_threads, "SECONDS_BETWEEN_LOOKS", 0.001)
    ended, slow = threading.Event(), SlowlyBorn()
    starter = threading.Thread(target=slow.start)
    starter.start()
    stillborn_threads.end_when_a_thread_is_stillborn(ended.set)
    has_ended = ended.wait(20)
    slow.may_begin.set()
    starter.join()
    assert has_ended
    assert not errors


@pytest.mark.skipif(os.name != "posix", reason="limits memory as POSIX can")
def test_a_worker_whose_thread_is_stillborn_ends_with_a_sentence(real_worker, request_, files_made):
    worker = real_worker(STARTS_A_STILLBORN)
    text = worker.script.read_text(encoding="utf-8")
    text = text.replace("sys.exit(worker.main", f"{LIMITED_AND_IN_A_HURRY}sys.exit(worker.main")
    worker.script.write_text(text, encoding="utf-8")
    with pytest.raises(WorkerError) as caught:
        worker.run(request_)
    assert str(caught.value) == NO_MORE_THREADS
    assert files_made() == []
