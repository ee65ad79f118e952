"""A cancel ends a worker soon, whatever it does; and one that had ended has its result."""

import os
import signal
import subprocess
import threading
import time

import pytest
from fairweather.core.bridge import worker_process
from fairweather.core.bridge.errors import CancelledError
from fairweather.core.bridge.events import Message

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


def test_cancel_is_quick(fake_worker):
    worker = fake_worker('note("ready", ""); time.sleep(60)')
    worker.cancel_when = worker.noted("ready").exists
    with pytest.raises(CancelledError):
        worker.run()
    assert worker.seconds_to_cancel < 0.7


@posix_only
def test_cancel_is_over_within_2_s_when_the_worker_and_its_child_ignore_it(fake_worker):
    worker = fake_worker("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        note("child.pid", child.pid)
        send("message", text="ready")
        time.sleep(60)
    """)
    worker.cancel_when = lambda: worker.events
    with pytest.raises(CancelledError):
        worker.run()
    assert worker.seconds_to_cancel < 2
    assert worker.events == [Message("ready")]


@posix_only
def test_cancel_is_over_within_2_s_though_a_descendant_keeps_the_pipe(fake_worker):
    worker = fake_worker("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        note("child.pid", subprocess.Popen(command, start_new_session=True).pid)
        send("message", text="ready")
        time.sleep(60)
    """)
    worker.cancel_when = lambda: worker.events
    try:
        with pytest.raises(CancelledError):
            worker.run()
    finally:
        os.kill(int(worker.noted("child.pid").read_text()), signal.SIGKILL)
    assert worker.seconds_to_cancel < 2


@posix_only
def test_what_a_killed_worker_wrote_is_waited_for_once(fake_worker, slow_reader, monkeypatch):
    join, waits = threading.Thread.join, []

    def count(thread, timeout=None):
        if timeout == worker_process.SECONDS_BETWEEN_POLLS:
            waits.append(timeout)
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", count)
    worker = fake_worker('note("ready", ""); time.sleep(60)')
    worker.cancel_when = worker.noted("ready").exists
    with pytest.raises(CancelledError):
        worker.run()
    assert len(waits) == worker_process.POLLS_TO_READ


def test_cancel_is_seen_while_events_pour_in(fake_worker):
    worker = fake_worker("""
        while True:
            send("message", text="again")
    """)
    worker.cancel_when = lambda: worker.events
    with pytest.raises(CancelledError):
        worker.run()
    assert worker.seconds_to_cancel < 2


@pytest.fixture
def slow_reader(monkeypatch):
    """The thread that reads the events begins when this event is set, as on a busy machine."""
    may_read = threading.Event()
    read_events = worker_process._Worker._read_events

    def read_late(worker, stream):
        may_read.wait(30)
        read_events(worker, stream)

    monkeypatch.setattr(worker_process._Worker, "_read_events", read_late)
    yield may_read
    may_read.set()


@posix_only
def test_a_job_that_ends_at_a_cancel_has_its_result_though_it_is_read_late(
    fake_worker, slow_reader, monkeypatch
):
    worker = fake_worker("""
        signal.signal(signal.SIGTERM, lambda *_: (send("result", values={"OK": 1}), os._exit(0)))
        note("ready", "")
        time.sleep(60)
    """)
    kill = worker_process._Worker.kill

    def kill_and_let_read_soon(started):
        threading.Timer(0.15, slow_reader.set).start()
        kill(started)

    monkeypatch.setattr(worker_process._Worker, "kill", kill_and_let_read_soon)
    worker.cancel_when = worker.noted("ready").exists
    assert worker.run() == {"OK": 1}


@posix_only
def test_a_job_may_end_at_a_cancel_though_the_machine_stands_still(fake_worker, monkeypatch):
    worker = fake_worker("""
        def end(*_):
            time.sleep(0.2)
            send("result", values={"OK": 1})
            os._exit(0)
        signal.signal(signal.SIGTERM, end)
        note("ready", "")
        time.sleep(60)
    """)
    wait, waits = subprocess.Popen.wait, []

    def stand_still_at_first(process, timeout=None):
        waits.append(timeout)
        if len(waits) == 1:
            raise subprocess.TimeoutExpired(process.args, timeout)
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", stand_still_at_first)
    worker.cancel_when = worker.noted("ready").exists
    assert worker.run() == {"OK": 1}


@posix_only
def test_a_result_is_read_though_the_machine_stands_still_after_the_workers_end(
    fake_worker, slow_reader, monkeypatch
):
    is_long_dead = worker_process._Worker._is_long_dead
    polls_since_exit = []

    def stand_still_after(started):
        answer = is_long_dead(started)
        if started._process.poll() is not None:
            polls_since_exit.append(answer)
            if len(polls_since_exit) == 1:
                time.sleep(1.2)
            else:
                slow_reader.set()
        return answer

    monkeypatch.setattr(worker_process._Worker, "_is_long_dead", stand_still_after)
    assert fake_worker('send("result", values={"OK": 1})').run() == {"OK": 1}
    assert True not in polls_since_exit
