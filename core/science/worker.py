"""The worker's entry: run the job that a request file asks for and send its events.

By hand: ``python core/launch.py worker request.json``. A worker has its process to itself: it
takes over stdout, stdin and the signals.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..bridge.credentials import MOST_LINE_BYTES, credentials_from_line
from ..bridge.errors import (
    NO_THREAD_SIGNS,
    OUT_OF_MEMORY_SIGNS,
    EnvironmentNotReadyError,
    FairweatherError,
    OutputError,
    WorkerError,
)
from ..bridge.events import MAX_TEXT, Failure, Result, event_to_line
from ..bridge.home import fonts_folder
from ..bridge.indices import load_indices
from ..bridge.job_folders import job_folder, join_job, note_job
from ..bridge.leftovers import tidy_up
from ..bridge.part_files import FULL_DISK_ERRORS
from ..bridge.plain_text import plain_line
from ..bridge.profiles import load_profiles
from ..bridge.request import (
    CompositeRequest,
    Request,
    SampleCatalogRequest,
    SearchScenesRequest,
    TimeSeriesRequest,
    output_files,
    read_request,
)
from ..bridge.worker_death import LIKELY_OUT_OF_MEMORY, NO_MORE_THREADS
from .absolute_paths import leave_current_folder, with_absolute_paths
from .catalog.output_checks import check_outputs
from .core_dumps import keep_no_core_dump
from .heap import keep_one_heap, kept_for_good, memory_limit, tell_memory_limit
from .log_without_secrets import LogWithoutSecrets
from .reporter import EventReporter, Reporter
from .standard_streams import open_missing_streams
from .stillborn_threads import end_when_a_thread_is_stillborn
from .worker_streams import (
    CleanEnd,
    EventStream,
    end_threads_left,
    end_when_signalled,
    end_when_stdin_closes,
    read_stdin_line,
)

PACKAGE_ROOT = __name__.partition(".")[0]

# Modules are named, not imported: a job loads only what it needs.
JOBS: dict[type, tuple[str, str]] = {
    SearchScenesRequest: (".catalog.job", "run_search"),
    CompositeRequest: (".composite.job", "run_composite"),
    SampleCatalogRequest: (".sample_catalog.job", "run_sample_catalog"),
    TimeSeriesRequest: (".timeseries.job", "run_time_series"),
}

# Set for another GDAL or PROJ, these make rasterio and pyproj fail; without them, each finds its
# own data.
FOREIGN_VARIABLES = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH")

# What Python, libraries in C, and Dask take as the folder for temporary files.
TEMPORARY_VARIABLES = ("TMPDIR", "TEMP", "TMP", "DASK_TEMPORARY_DIRECTORY")

# Who writes an output tells of it; all else is written there.
DISK_IS_FULL = (
    "The disk is full, most likely that of FAIRWEATHER_HOME; make room there, or set "
    "FAIRWEATHER_HOME to a folder on another one."
)
OUT_OF_MEMORY = (
    "The job ran out of memory; lower MEMORY, close other programs, "
    "or choose a smaller area or a coarser resolution."
)


# Rasterio keeps this warning of its own rasters in memory from being shown, but not where several
# threads make some: what is to be shown is one setting for all of them.
NEEDLESS_WARNING = "Dataset has no geotransform"


def main(arguments: list[str]) -> int:
    """Run one job; 0 when it ended with a result, 1 when it failed.

    Events go to stdout as JSON lines; whatever else is printed goes to stderr.
    """
    open_missing_streams()
    options = _parse(arguments)
    try:
        return _run(options)
    except FairweatherError as error:
        # No folder can be used for the job, so that there is no event stream yet.
        print(error, file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    keep_no_core_dump()
    keep_one_heap()
    tell_memory_limit()
    sys.stderr = log = LogWithoutSecrets(sys.stderr)
    for name in FOREIGN_VARIABLES:
        os.environ.pop(name, None)
    # Matplotlib keeps a list of fonts, in the user's home unless told otherwise.
    os.environ["MPLCONFIGDIR"] = str(fonts_folder())
    faulthandler.enable()
    warnings.filterwarnings("ignore", message=NEEDLESS_WARNING)
    with _scratch_folder(options) as scratch:
        # A folder that a person named is theirs to remove.
        is_ours = options.scratch is None or options.watch_stdin
        _keep_temporary_files_in(scratch)
        end = CleanEnd(scratch, removes_scratch=is_ours)
        stream = EventStream(on_closed=end)
        reporter = EventReporter(stream.send)
        try:
            line = _listen(options, stream, end, log)
            tidy_up()
        except RuntimeError as error:
            # Not even these threads can be started.
            outcome: Result | Failure = failure_of(error)
        else:
            outcome = _outcome(options.request, line, reporter, scratch, end)
        end.job_is_over()
        reporter.flush()
        stream.send(log.shown(outcome) if isinstance(outcome, Failure) else outcome)
    code = 0 if isinstance(outcome, Result) else 1
    end_threads_left(code)
    return code


def _listen(
    options: argparse.Namespace, stream: EventStream, end: CleanEnd, log: LogWithoutSecrets
) -> str:
    """End when told to, from now on; the line of credentials is returned, empty without any.

    Raises:
        RuntimeError: no thread can be started.
    """
    end.keep_to_time()
    if memory_limit() is not None:
        # Without a limit, a system that has no memory left kills instead of refusing some.
        hung = Failure(WorkerError.__name__, NO_MORE_THREADS)
        end_when_a_thread_is_stillborn(lambda: end.at_once(lambda: stream.send_last_word(hung)))
    stopped = Failure(WorkerError.__name__, "The worker was stopped.")
    end_when_signalled(lambda: end(lambda: stream.send_last_word(stopped)))
    line = read_stdin_line(MOST_LINE_BYTES) if options.read_credentials else ""
    log.hide(line)
    if options.watch_stdin:
        end_when_stdin_closes(end)
    return line


def _keep_temporary_files_in(scratch: Path) -> None:
    """Let libraries leave nothing where the system keeps temporary files, however this ends."""
    for name in TEMPORARY_VARIABLES:
        os.environ[name] = str(scratch)
    tempfile.tempdir = str(scratch)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="launch.py worker", description="Run the job that a request file asks for."
    )
    parser.add_argument("request", type=Path, help="the request, a JSON file")
    parser.add_argument("--scratch", type=Path, help="a folder for temporary files")
    parser.add_argument("--watch-stdin", action="store_true", help="end as soon as stdin is closed")
    parser.add_argument(
        "--read-credentials", action="store_true", help="take keys from stdin's first line (JSON)"
    )
    return parser.parse_args(arguments)


@contextmanager
def _scratch_folder(options: argparse.Namespace) -> Iterator[Path]:
    if options.scratch is None:
        with job_folder() as folder:
            try:
                yield folder
            finally:
                # Windows removes no folder that somebody is in.
                with suppress(OSError):
                    os.chdir(folder.parent)
        return
    try:
        folder = options.scratch.absolute()
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {options.scratch} for temporary files cannot be made ({error.strerror}); "
            "name another one."
        ) from error
    lock = join_job(folder) if options.watch_stdin else None
    try:
        yield folder
    finally:
        if lock is not None:
            lock.release()


def _outcome(
    request_file: Path, line: str, reporter: Reporter, scratch: Path, end: CleanEnd
) -> Result | Failure:
    """How the job ended, whatever it raised; ``line`` has its credentials, if it has any."""
    try:
        # Kept from now on: an update may replace the plugin's folder while the job runs.
        load_profiles()
        load_indices()
        request = with_absolute_paths(read_request(request_file))
        check_outputs(request, request_file)
        leave_current_folder(scratch)
        targets = output_files(request)
        end.watch(targets)
        if end.removes_scratch:
            note_job(scratch, targets, sys.executable)
        credentials = [credentials_from_line(line)] if line else []
        result = Result(_find_job(request)(request, reporter, scratch, *credentials))
        event_to_line(result)  # a value that is not JSON is an error of the job
    except BaseException as error:
        return failure_of(error)
    return result


def _find_job(request: Request) -> Callable[..., dict[str, object]]:
    module, function = JOBS[type(request)]
    with kept_for_good():
        loaded = importlib.import_module(module, __package__)
    job: Callable[..., dict[str, object]] = getattr(loaded, function)
    return job


def failure_of(error: BaseException) -> Failure:
    """The event that tells the user of ``error`` in one sentence; the details go to stderr."""
    if isinstance(error, FairweatherError):
        return _failure(type(error), str(error))
    traceback.print_exception(error, file=sys.stderr)
    of_the_machine = _failure_of_the_machine(list(_with_causes(error)))
    if of_the_machine is not None:
        return of_the_machine
    if isinstance(error, (ImportError, SyntaxError)):
        return _import_failure(error)
    words = " ".join(str(error).split())[:500]
    unexpected = f"An unexpected error ({type(error).__name__}: {words})"
    if memory_limit() is not None:
        return _failure(WorkerError, f"{unexpected}, {LIKELY_OUT_OF_MEMORY}")
    return _failure(WorkerError, f"{unexpected}: please report it, with the worker's log.")


def _failure_of_the_machine(causes: list[BaseException]) -> Failure | None:
    """The failure for want of memory, of threads or of room on a disk."""
    if any(_is_out_of_memory(cause) for cause in causes):
        return _failure(WorkerError, OUT_OF_MEMORY)
    if any(sign in str(cause) for cause in causes for sign in NO_THREAD_SIGNS):
        return _failure(WorkerError, NO_MORE_THREADS)
    if any(isinstance(cause, OSError) and cause.errno in FULL_DISK_ERRORS for cause in causes):
        return _failure(OutputError, DISK_IS_FULL)
    return None


def _failure(kind: type[FairweatherError], text: str) -> Failure:
    return Failure(kind.__name__, plain_line(text[:MAX_TEXT])[:MAX_TEXT])


def _import_failure(error: ImportError | SyntaxError) -> Failure:
    """A module is missing, or cut off: of an environment, or of a plugin that is being updated."""
    name = getattr(error, "name", None) or str(error)
    if name.partition(".")[0] == PACKAGE_ROOT or isinstance(error, SyntaxError):
        return _failure(
            WorkerError,
            f"This copy of the plugin is incomplete ({name} cannot be loaded); run again if it was "
            "just updated, or else install it again.",
        )
    return _failure(
        EnvironmentNotReadyError,
        f"The environment lacks the package {name!r}, or a part of it; "
        "make it anew with the algorithm environment.",
    )


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _is_out_of_memory(error: BaseException) -> bool:
    # By name, because rasterio, which raises the second for GDAL, may not be loaded.
    if isinstance(error, MemoryError) or type(error).__name__ == "CPLE_OutOfMemoryError":
        return True
    # A library that cannot be loaded for want of memory is no missing one.
    return any(sign in str(error) for sign in OUT_OF_MEMORY_SIGNS)
