"""A process that is told to end first cancels its run, and then ends as it would have."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fairweather.core.bridge.ending_signals import cancelling_before_the_end

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")

LAUNCH = Path(__file__).resolve().parents[2] / "core" / "launch.py"
NUMBERS = [signal.SIGTERM, signal.SIGHUP]
PROGRAM = """
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("launch", sys.argv[1])
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.load_package()
from fairweather.core.bridge.ending_signals import cancelling_before_the_end
def tell(word):
    print(word, flush=True)
def send(number=int(sys.argv[2])):
    os.kill(os.getpid(), number)
"""


def run(number, code):
    """The words and the exit code of a program that sends itself a signal."""
    command = [sys.executable, "-c", PROGRAM + code, LAUNCH, str(int(number))]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert done.stderr == ""
    return done.stdout.split(), done.returncode


@pytest.mark.parametrize("number", NUMBERS)
def test_the_block_is_cancelled_cleans_up_and_then_the_process_ends(number):
    words, code = run(
        number,
        "try:\n"
        "    with cancelling_before_the_end(lambda: tell('cancelled')):\n"
        "        try:\n"
        "            send()\n"
        "        finally:\n"
        "            tell('clean')\n"
        "finally:\n"
        "    tell('too-late')\n",
    )
    assert (words, code) == (["cancelled", "clean"], -number)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_program_that_ends_by_itself_is_left_to_it(number):
    words, code = run(
        number,
        "with cancelling_before_the_end(lambda: tell('cancelled'), ends_by_itself=True):\n"
        "    send()\n"
        "tell('end')\n",
    )
    assert (words, code) == (["cancelled", "end"], 0)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_second_signal_ends_it_at_once(number):
    words, code = run(
        number,
        "with cancelling_before_the_end(lambda: tell('cancelled')):\n"
        "    send()\n"
        "    send()\n"
        "    tell('too-late')\n",
    )
    assert (words, code) == (["cancelled"], -number)


@pytest.mark.parametrize("number", NUMBERS)
def test_afterwards_it_ends_at_once_as_ever(number):
    words, code = run(
        number,
        "with cancelling_before_the_end(lambda: tell('cancelled')):\n"
        "    tell('block')\n"
        "send()\n"
        "tell('too-late')\n",
    )
    assert (words, code) == (["block"], -number)


@pytest.mark.parametrize("number", NUMBERS)
def test_what_a_program_handles_or_ignores_stays_its_own(number):
    came = []
    former = signal.signal(number, lambda *_: came.append("handled"))
    try:
        with cancelling_before_the_end(lambda: came.append("cancelled")):
            os.kill(os.getpid(), number)
        signal.signal(number, signal.SIG_IGN)
        with cancelling_before_the_end(lambda: came.append("cancelled")):
            os.kill(os.getpid(), number)
    finally:
        signal.signal(number, former)
    assert came == ["handled"]


def test_in_another_thread_nothing_is_changed():
    handlers = []

    def work():
        with cancelling_before_the_end(lambda: None):
            handlers.extend(map(signal.getsignal, NUMBERS))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == list(map(signal.getsignal, NUMBERS))
