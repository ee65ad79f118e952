"""Installers are run so that they can be cancelled and never outlive QGIS; one at a time."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import steady_time
from fairweather.core.bridge.environment import command as module
from fairweather.core.bridge.environment.command import CommandRunner
from fairweather.core.bridge.environment.interpreter import BaseInterpreter
from fairweather.core.bridge.environment.one_at_a_time import one_at_a_time
from fairweather.core.bridge.errors import CancelledError, EnvironmentNotReadyError

THIS_PYTHON = BaseInterpreter(Path(sys.executable), sys.version_info[:3], pip_wheel=None)
# A child with a child of its own, both of which would stay for a minute
PARENT_OF_A_SLEEPER = (
    "import pathlib, subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "path = pathlib.Path(sys.argv[1])\n"
    "path.with_suffix('.part').write_text(str(child.pid))\n"
    "path.with_suffix('.part').replace(path)\n"
    "child.wait()\n"
)
LAUNCH = Path(__file__).resolve().parents[2] / "core" / "launch.py"


def runner(folder, is_cancelled=lambda: False):
    return CommandRunner(THIS_PYTHON, folder, is_cancelled)


def is_running(number):
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(condition, seconds=10.0):
    clock = steady_time.Clock()
    while clock.seconds < seconds:
        if condition():
            return True
        time.sleep(0.02)
        clock.tick()
    return False


def test_the_exit_code_and_both_streams_are_returned(tmp_path):
    code = (
        "import sys; print('one'); sys.stdout.flush(); print('two', file=sys.stderr); sys.exit(3)"
    )
    outcome = runner(tmp_path).run([sys.executable, "-c", code], {})
    assert (outcome.exit_code, outcome.succeeded) == (3, False)
    assert outcome.output.splitlines() == ["one", "two"]


def test_much_output_does_not_block(tmp_path):
    code = "for _ in range(50000): print('x' * 50)"
    outcome = runner(tmp_path).run([sys.executable, "-c", code], {})
    assert outcome.succeeded
    assert len(outcome.output.splitlines()) == module.KEPT_LINES


def test_the_command_sees_the_variables_given(tmp_path):
    code = "import os; print(os.environ['GIVEN'], 'PYTHONPATH' in os.environ)"
    outcome = runner(tmp_path).run([sys.executable, "-c", code], {"GIVEN": "é ü"})
    assert outcome.output.strip() == "é ü False"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc to look for processes")
def test_cancel_ends_the_whole_tree_within_two_seconds(tmp_path):
    told = tmp_path / "child.txt"
    since_cancel = []

    def is_cancelled():
        if told.exists() and not since_cancel:
            since_cancel.append(steady_time.Stopwatch())
        return bool(since_cancel)

    command = [sys.executable, "-c", PARENT_OF_A_SLEEPER, str(told)]
    with pytest.raises(CancelledError):
        runner(tmp_path, is_cancelled).run(command, {})
    child = int(told.read_text())
    assert wait_until(lambda: not is_running(child), 2.0)
    assert since_cancel[0].stop() < 2.0


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc to look for processes")
def test_a_supervisor_that_is_too_slow_to_end_its_command_leaves_none(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "KILL_SECONDS", 0.1)
    told = tmp_path / "child.txt"
    busy = runner(tmp_path, told.exists)
    deaf = busy.supervisor.replace("while os.read(0, 4096):", "while True:")
    command = [sys.executable, "-c", PARENT_OF_A_SLEEPER, str(told)]
    with pytest.raises(CancelledError):
        dataclasses.replace(busy, supervisor=deaf).run(command, {})
    child = int(told.read_text())
    assert wait_until(lambda: not is_running(child))


def test_all_is_returned_though_it_is_read_late(tmp_path, monkeypatch):
    """As on a machine that stands still when the command has ended."""
    may_read, collect, join = threading.Event(), module._collect_lines, threading.Thread.join

    def collect_late(process, lines):
        may_read.wait(30)
        collect(process, lines)

    def stand_still_at_first(thread, seconds=None):
        if may_read.is_set():
            join(thread, seconds)
        may_read.set()

    monkeypatch.setattr(module, "_collect_lines", collect_late)
    monkeypatch.setattr(threading.Thread, "join", stand_still_at_first)
    outcome = runner(tmp_path).run([sys.executable, "-c", "print('hash differs')"], {})
    assert outcome.output == "hash differs\n"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc to look for processes")
def test_killing_the_caller_leaves_no_process(tmp_path):
    told = tmp_path / "child.txt"
    code = (
        "import importlib.util, pathlib, sys\n"
        f"spec = importlib.util.spec_from_file_location('launch', {str(LAUNCH)!r})\n"
        "launch = importlib.util.module_from_spec(spec); spec.loader.exec_module(launch)\n"
        "launch.load_package()\n"
        "from fairweather.core.bridge.environment.command import CommandRunner\n"
        "from fairweather.core.bridge.environment.interpreter import BaseInterpreter\n"
        "base = BaseInterpreter(pathlib.Path(sys.executable), (3, 12, 0), None)\n"
        f"runner = CommandRunner(base, pathlib.Path({str(tmp_path)!r}), lambda: False)\n"
        f"runner.run([sys.executable, '-c', {PARENT_OF_A_SLEEPER!r}, {str(told)!r}], {{}})\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", code])
    assert wait_until(told.exists)
    child = int(told.read_text())
    os.kill(caller.pid, signal.SIGKILL)
    caller.wait()
    assert wait_until(lambda: not is_running(child), 2.0)


def test_an_interpreter_that_is_gone_is_one_sentence(tmp_path):
    gone = BaseInterpreter(tmp_path / "python", (3, 12, 0), pip_wheel=None)
    with pytest.raises(EnvironmentNotReadyError, match="cannot be started"):
        CommandRunner(gone, tmp_path, lambda: False).run(["x"], {})


def test_the_second_waits_for_the_first(tmp_path):
    order = []
    inside, is_waited_for = threading.Event(), threading.Event()

    def first():
        with one_at_a_time(tmp_path, lambda: None, lambda: False):
            inside.set()
            is_waited_for.wait(30)
            order.append("first is done")

    def on_wait():
        order.append("second waits")
        is_waited_for.set()

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with one_at_a_time(tmp_path, on_wait, lambda: False):
        order.append("second works")
    thread.join()
    assert order == ["second waits", "first is done", "second works"]


def test_waiting_can_be_cancelled(tmp_path):
    second = one_at_a_time(tmp_path, lambda: None, lambda: True)
    with one_at_a_time(tmp_path, lambda: None, lambda: False), pytest.raises(CancelledError):
        second.__enter__()


def test_a_killed_holder_leaves_no_lock(tmp_path):
    code = (
        "import importlib.util, pathlib, time\n"
        f"spec = importlib.util.spec_from_file_location('launch', {str(LAUNCH)!r})\n"
        "launch = importlib.util.module_from_spec(spec); spec.loader.exec_module(launch)\n"
        "launch.load_package()\n"
        "from fairweather.core.bridge.environment.one_at_a_time import one_at_a_time\n"
        f"with one_at_a_time(pathlib.Path({str(tmp_path)!r}), lambda: None, lambda: False):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert holder.stdout.readline().strip() == b"held"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    waited = []
    with one_at_a_time(tmp_path, lambda: waited.append(1), lambda: len(waited) > 5):
        pass
