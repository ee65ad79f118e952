"""Real processes that die in a library's hands: one sentence from what they leave."""

import os
import subprocess
import sys
import textwrap

import pytest
from fairweather.core.bridge.errors import WorkerError
from fairweather.core.bridge.worker_death import MEMORY_IS_LIMITED, error_of_death

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")

PREAMBLE = "import faulthandler, os, signal, sys, threading, time\nfaulthandler.enable()\n"


def death_of(body):
    """What is told of a process that runs ``body``, and what it wrote."""
    run = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(body)],
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    error = error_of_death(run.returncode, run.stderr)
    assert isinstance(error, WorkerError)
    return str(error), run.stderr


def test_memory_that_ends_in_a_library_is_told_before_a_long_dump():
    """Every thread has its lines in it, and every library its name."""
    text, stderr = death_of("""
        for _ in range(40):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr)
        os.abort()
    """)
    assert len(stderr) > 4000
    assert "ran out of memory" in text
    assert "lower MEMORY" in text


def test_a_crash_names_its_place_rather_than_a_list_of_libraries():
    text, _ = death_of("""
        def deep_inside():
            os.kill(os.getpid(), signal.SIGSEGV)
        deep_inside()
    """)
    assert text == (
        "The worker crashed with SIGSEGV in ‹string>, line 5 in deep_inside, without a result; "
        "please report this."
    )


def test_a_crash_where_memory_is_limited_says_so():
    """A library in C that gets none ends as it likes, without a word."""
    text, _ = death_of(f"""
        print({MEMORY_IS_LIMITED!r}, file=sys.stderr, flush=True)
        os.abort()
    """)
    assert "crashed with SIGABRT" in text
    assert "where memory is limited, so most likely it ran out; raise the limit" in text


@pytest.mark.parametrize(
    "words",
    [
        "RuntimeError: can't start new thread",
        "OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 2: Resource temporarily "
        "unavailable",
        "libgomp: Thread creation failed: Resource temporarily unavailable",
    ],
)
def test_too_few_threads_are_memorys_or_a_limits(words):
    text, _ = death_of(f"sys.exit({words!r})")
    assert text == (
        "No further thread or process could be started: memory ran out, or too few are allowed; "
        "lower MEMORY and close other programs, or raise the limit of processes (ulimit -u)."
    )
