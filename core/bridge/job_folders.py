"""The folders in which running jobs keep their scratch files, and what killed jobs left there."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, List, Literal, Optional, Tuple, get_args

from .days_of_use import DAYS_FILE, count_days, note_day
from .errors import OutputError
from .file_lock import FileLock, NoLocksError
from .home import jobs_folder, make_home_folder
from .owned_folders import (
    OWNER_LOCK,
    claim,
    claimed_folders,
    folders_called,
    is_in_use,
    remove_claimed,
    remove_content,
    remove_never_claimed,
    remove_unless_in_use,
)
from .part_files import (
    PART_ENDING,
    is_folder,
    may_have_left_something,
    real_place,
    remove_parts,
    write_whole,
)

Kind = Literal["job", "scenes", "search", "series"]

WORKER_LOCK = "worker.lock"
NOTE = "job.json"
TRIES = 20
# As ``tempfile.mkdtemp`` names them.
_NAME = re.compile(rf"({'|'.join(get_args(Kind))})-[a-z0-9_]{{8}}")
# As ``part_path`` names it: a user's own file or folder may end alike.
_PART = re.compile(rf"\..+\.{_NAME.pattern}{re.escape(PART_ENDING)}", re.DOTALL)


@dataclass(frozen=True)
class JobNote:
    """What a worker notes of its job: the files that it makes, and the interpreter it runs in."""

    outputs: Tuple[Path, ...] = ()
    python: Optional[Path] = None


@contextmanager
def job_folder(kind: Kind = "job") -> Iterator[Path]:
    """A new folder for scratch files, removed on leaving, or later if this process is killed.

    Where something beside an output could not be removed, or its drive is away, the note of it
    stays for the next start.

    Raises:
        OutputError: FAIRWEATHER_HOME cannot be written, or others could harm its user there.
    """
    try:
        folder, lock = _make(kind)
    except OSError as error:
        raise OutputError(
            f"The folder for unfinished jobs, {jobs_folder()}, cannot be written "
            f"({error.strerror}); set FAIRWEATHER_HOME to a folder that can."
        ) from error
    try:
        yield folder
    finally:
        if lock is not None:
            lock.release()
        if _is_needed(folder):
            _remove_all_but_note(folder)
        else:
            remove_claimed(folder)


def join_job(folder: Path) -> Optional[FileLock]:
    """Keep ``folder``, made by whoever started this worker, as long as this process lives.

    None where that cannot be.
    """
    with contextlib.suppress(OSError):
        return claim(folder, WORKER_LOCK)
    return None


def note_job(folder: Path, outputs: Iterable[Path], python: str) -> None:
    """Write down what the worker of ``folder`` makes and what it runs in, for who cleans up.

    An output whose folder does not exist is left out: nothing can be written there.

    Raises:
        OutputError: the job's folder cannot be written.
    """
    places = [str(place) for place in map(real_place, outputs) if is_folder(place.parent)]
    content = {"outputs": places, "python": python}
    # Never torn: who finds no interpreter in it takes it for not in use.
    try:
        write_whole(folder / NOTE, json.dumps(content).encode("ascii"))
    except OSError as error:
        raise not_writable(folder, error) from error


def not_writable(folder: Path, error: OSError) -> OutputError:
    """The sentence for a job's ``folder`` that takes no file."""
    return OutputError(
        f"The folder for unfinished jobs, {folder.parent}, cannot be written "
        f"({error.strerror}); make room there, or set FAIRWEATHER_HOME to another folder."
    )


def read_job_note(folder: Path) -> JobNote:
    """What the worker noted, if it did."""
    try:
        content = json.loads((folder / NOTE).read_text(encoding="ascii"))
        return JobNote(tuple(Path(path) for path in content["outputs"]), Path(content["python"]))
    except (OSError, ValueError, LookupError, TypeError):
        return JobNote()


def is_part(path: Path) -> bool:
    """Whether ``path`` is named as what a job is still writing."""
    return _PART.fullmatch(path.name) is not None


def all_job_folders() -> List[Path]:
    """Those of running jobs and of killed ones."""
    claimed = claimed_folders(jobs_folder(), _NAME, (OWNER_LOCK, WORKER_LOCK))
    notes = filter(_is_a_note_alone, folders_called(jobs_folder(), _NAME))
    return sorted({*claimed, *notes})


def _is_a_note_alone(folder: Path) -> bool:
    """Whether a former version kept the note of a killed job there: it removed the lock."""
    with contextlib.suppress(OSError):
        names = {path.name for path in folder.iterdir()}
        return names <= {NOTE, DAYS_FILE} and bool(read_job_note(folder).outputs)
    return False


def runs_a_job(environment: Path) -> bool:
    """Whether a job is on whose worker runs in the Python environment in the folder."""
    place = real_place(environment)
    for folder in all_job_folders():
        python = read_job_note(folder).python
        # The interpreter itself is a link out of the environment.
        if python is not None and place in real_place(python.parent).parents and is_in_use(folder):
            return True
    return False


def remove_unclaimed_jobs() -> None:
    """Remove the folders of jobs that were killed before they could claim them."""
    remove_never_claimed(jobs_folder(), _NAME)


def remove_killed_job(folder: Path, most_days: int) -> int:
    """Remove what a killed job left, here and beside its outputs; the bytes freed here.

    Nothing is done to a job that still runs. Where something beside an output cannot be removed, or
    its drive is away, the note stays for the next start, on ``most_days`` days with one.
    """

    def remove_its_parts() -> None:
        for output in read_job_note(folder).outputs:
            remove_parts(output, folder)

    def remove(folder: Path) -> None:
        if _is_needed(folder):
            note_day(folder)
            if count_days(folder) <= most_days:
                _remove_all_but_note(folder)
                return
        remove_claimed(folder)

    return remove_unless_in_use(folder, remove_its_parts, remove)


def _is_needed(folder: Path) -> bool:
    """Whether the next start has something to look for beside the job's outputs."""
    return any(may_have_left_something(path, folder) for path in read_job_note(folder).outputs)


def _remove_all_but_note(folder: Path) -> None:
    remove_content(folder, (NOTE, DAYS_FILE, OWNER_LOCK))


def _make(kind: Kind) -> Tuple[Path, Optional[FileLock]]:
    make_home_folder(jobs_folder())
    for _ in range(TRIES):
        folder = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=jobs_folder()))
        try:
            lock = claim(folder)
        except FileNotFoundError:
            lock = None
        except NoLocksError:
            # Then nobody can see whether a job runs, and nothing is cleaned up.
            return folder, None
        if lock is not None:
            return folder, lock
        # Whoever cleans up was faster, and took it for one of a killed job.
    raise OutputError(
        f"The folder for unfinished jobs, {jobs_folder()}, is emptied all the time; "
        "set FAIRWEATHER_HOME to another folder."
    )
