"""Tasks on a cluster whose workers die, leave or are slow, and what may be wrong with a cluster.

Functions defined inside a test travel to the workers by value.
"""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from distributed import LocalCluster
from fairweather.core.bridge.errors import ClusterError, InvalidRequestError, ReadError
from fairweather.core.science.access.access import AccessRules
from fairweather.core.science.cluster import connection
from fairweather.core.science.cluster.connection import connect_cluster
from fairweather.core.science.cluster.node_versions import check_versions
from fairweather.core.science.cluster.worker_tools import Work
from fairweather.core.science.reporter import RecordingReporter

OWN = {"python": "3.11.9.final.0", "numpy": "2.4.6", "dask": "2026.8.0", "pandas": "3.1.1"}


def work(compute, at_once=2):
    return Work(compute, at_once, AccessRules())


@pytest.fixture
def free_port():
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def connected(clean_cluster):
    """The cluster with this package's code on it."""
    with connect_cluster(clean_cluster.address, False, RecordingReporter()) as cluster:
        yield cluster


@pytest.mark.slow
def test_every_piece_gets_its_answer(connected):
    def square(piece, tools):
        return piece**2

    answers = dict(connected.compute(work(square), range(50)))
    assert answers == {number: number**2 for number in range(50)}
    assert dict(connected.compute(work(square), [])) == {}


@pytest.mark.slow
def test_no_more_is_computed_than_is_taken(connected, tmp_path):
    def note(piece, tools):
        (tmp_path / str(piece)).touch()
        return bytes(1000)

    answers = connected.compute(work(note, at_once=1), range(40))
    for taken in range(1, 4):
        next(answers)
        time.sleep(0.5)
        # Two workers, one piece in work on each: four are handed out, and those taken.
        assert len(list(tmp_path.iterdir())) <= taken + 4
    answers.close()
    assert len(list(tmp_path.iterdir())) < 10


@pytest.mark.slow
def test_so_many_at_once_in_a_process_share_their_readers(connected):
    def look(piece, tools):
        import os  # noqa: PLC0415 - this function runs elsewhere
        import time  # noqa: PLC0415

        began = time.time()
        time.sleep(0.2)
        return os.getpid(), id(tools.readers), began, time.time()

    seen = [answer for _, answer in connected.compute(work(look, at_once=1), range(8))]
    assert len({process for process, *_ in seen}) == 2
    assert len({(process, readers) for process, readers, *_ in seen}) == 2
    for process in {process for process, *_ in seen}:
        times = sorted((began, end) for one, _, began, end in seen if one == process)
        assert all(end <= began for (_, end), (began, _) in zip(times, times[1:], strict=False))


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced(connected, tmp_path):
    def die_once(piece, tools):
        import os  # noqa: PLC0415

        marker = tmp_path / "died"
        if piece == 3 and not marker.exists():
            marker.touch()
            os._exit(1)
        return piece

    assert dict(connected.compute(work(die_once), range(12))) == {n: n for n in range(12)}
    assert (tmp_path / "died").exists()


@pytest.mark.slow
def test_a_piece_that_ends_every_worker_is_told(connected):
    def die(piece, tools):
        import os  # noqa: PLC0415

        os._exit(1)

    with pytest.raises(ClusterError, match="lower MEMORY"):
        list(connected.compute(work(die), [1]))


@pytest.mark.slow
def test_an_error_of_a_task_is_raised_as_it_is(connected):
    def fail(piece, tools):
        from fairweather.core.bridge.errors import ReadError  # noqa: PLC0415

        raise ReadError("a.tif cannot be read.")

    with pytest.raises(ReadError, match="cannot be read"):
        list(connected.compute(work(fail), range(9)))


@pytest.mark.slow
def test_a_package_that_workers_lack_is_told(connected):
    def load(piece, tools):
        import no_such_package  # noqa: F401, PLC0415

    with pytest.raises(ClusterError, match=r"cannot load what it needs .*no_such_package"):
        list(connected.compute(work(load), [1]))


@pytest.mark.slow
def test_a_file_that_only_this_computer_has(connected, tmp_path):
    here, nowhere = tmp_path / "here.tif", tmp_path / "nowhere.tif"
    here.touch()

    def not_found(piece, tools):
        from fairweather.core.bridge.errors import ReadError  # noqa: PLC0415

        raise ReadError(f"{piece} cannot be read.", piece, "No such file or directory")

    with pytest.raises(ReadError, match="worker of the cluster does not find"):
        list(connected.compute(work(not_found), [str(here)]))
    with pytest.raises(ReadError, match="cannot be read"):
        list(connected.compute(work(not_found), [str(nowhere)]))


@pytest.mark.slow
def test_what_still_runs_ends_with_the_run(clean_cluster, wait_until):
    def read_for_long(piece, tools):
        import time  # noqa: PLC0415

        list(tools.readers.map(time.sleep, [0.05] * 20_000))

    def executing(dask_worker):
        return dask_worker.state.executing_count

    def count():
        return sum(clean_cluster.client.run(executing).values())

    with ThreadPoolExecutor(1) as thread:
        with connect_cluster(clean_cluster.address, False, RecordingReporter()) as cluster:
            waiting = thread.submit(list, cluster.compute(work(read_for_long), range(2)))
            wait_until(lambda: count() == 2, 10)
        with pytest.raises(ClusterError, match="connection to the Dask scheduler was lost"):
            waiting.result()
    wait_until(lambda: count() == 0, 5)


@pytest.mark.slow
def test_a_scheduler_that_dies_is_told(mortal_cluster, tmp_path, wait_until):
    def wait_long(piece, tools):
        import time  # noqa: PLC0415

        (tmp_path / "begun").touch()
        time.sleep(60)

    def run():
        with connect_cluster(mortal_cluster.address, False, RecordingReporter()) as cluster:
            list(cluster.compute(work(wait_long), [1]))

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run)
        wait_until((tmp_path / "begun").exists, 20)
        mortal_cluster.scheduler.kill()
        with pytest.raises(ClusterError, match="connection to the Dask scheduler was lost"):
            running.result(timeout=30)


def test_an_unreachable_scheduler_is_told_within_seconds(monkeypatch, free_port):
    monkeypatch.setattr(connection, "SECONDS_TO_CONNECT", 0.3)
    began = time.monotonic()
    with (
        pytest.raises(ClusterError, match=f"scheduler at 127.0.0.1:{free_port} cannot be reached"),
        connect_cluster(f"127.0.0.1:{free_port}", False, RecordingReporter()),
    ):
        pytest.fail("there is no scheduler")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("address", ["nonsense", "http://example.org:80", "tcp://"])
def test_what_is_no_address_is_told(address):
    with (
        pytest.raises(InvalidRequestError, match="is no address of a Dask scheduler"),
        connect_cluster(address, False, RecordingReporter()),
    ):
        pytest.fail("there is no scheduler")


@pytest.mark.slow
def test_a_cluster_without_workers_is_told(monkeypatch):
    monkeypatch.setattr(connection, "SECONDS_FOR_A_WORKER", 0.3)
    with (
        LocalCluster(
            n_workers=0,
            processes=False,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as empty,
        pytest.raises(ClusterError, match="has no worker"),
        connect_cluster(empty.scheduler_address, False, RecordingReporter()),
    ):
        pytest.fail("there is no worker")


class Versions:
    """Answers as a connected client does, for one worker, or the scheduler, with other packages."""

    def __init__(self, scheduler=None, **others):
        self.scheduler, self.others = scheduler or {}, others

    def get_versions(self, packages):
        assert "rasterio" in packages
        worker = {"packages": {**OWN, **self.others}}
        scheduler = {"packages": {**OWN, **self.scheduler}}
        return {"client": {"packages": OWN}, "scheduler": scheduler, "workers": {1: worker}}


def test_the_same_versions_need_no_word():
    assert check_versions(Versions(pandas="2.0")) == ""


def test_the_scheduler_needs_no_packages_of_tasks():
    assert check_versions(Versions(scheduler={"numpy": None})) == ""
    assert "dask 2026.1.0" in check_versions(Versions(scheduler={"dask": "2026.1.0"}))
    with pytest.raises(ClusterError, match=r"runs Python 3\.12"):
        check_versions(Versions(scheduler={"python": "3.12.1.final.0"}))


def test_another_version_is_a_warning():
    words = check_versions(Versions(numpy="2.3.0", python="3.11.2.final.0"))
    assert "numpy 2.3.0 (here 2.4.6)" in words
    assert "python 3.11.2" in words


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"numpy": None}, "lacks numpy; install .* on its workers"),
        (
            {"python": "3.12.1.final.0"},
            "runs Python 3.12, and Fairweather's environment Python 3.11",
        ),
    ],
)
def test_what_cannot_work_is_an_error(others, words):
    with pytest.raises(ClusterError, match=words):
        check_versions(Versions(**others))
