"""2,000 broken GeoTIFFs and JPEG 2000 files, read by a child that has 1 GB.

Each ends as a file that is lost or as the right pixels, from the disk and over http; strace sees
what else the child opens, which is nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from range_server import RangeServer, running
from soak_broken_files import write_honest_files
from soak_row import Row, Trial

HERE = Path(__file__).resolve().parents[1]
FILES_OF_A_CHILD = 250
SECONDS_OF_A_CHILD = 900
SECONDS_EACH = 20.0
MOST_FAILURES_SHOWN = 12
# Else it raised, or has pixels that are neither the true ones nor those that GDAL reads.
RIGHT_ENDS = ("lost", "read, right")

# What libraries open of their own: modules, shared objects, certificates, time zones.
SYSTEM = (
    *(sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), "/proc/", "/sys/", "/usr/lib"),
    *("/lib", "/dev/urandom", "/etc/ld.so", "/etc/localtime", "/etc/ssl", "/usr/share/zoneinfo"),
)


def run(trial: Trial) -> dict[str, object]:
    """Have so many files read, by as many children as it takes."""
    seed = trial.random.randrange(2**32)
    for name in ("honest", "scratch"):
        (trial.folder / name).mkdir()
    for name, content in write_honest_files(trial.folder).items():
        (trial.folder / "honest" / name).write_bytes(content)
    tally = _Tally(seed)
    with running(RangeServer(trial.folder)) as server:
        first = 0
        while first < trial.times:
            end = min(first + FILES_OF_A_CHILD, trial.times)
            first = _run_child(trial.folder, server.address, (seed, first, end), tally)
    shown = "; ".join(tally.failures[:MOST_FAILURES_SHOWN])
    assert not tally.failures, f"{len(tally.failures)} of {trial.times} files: {shown}"
    return {
        "ends": dict(tally.ends),
        "slowest, seconds of the processor": round(tally.slowest, 1),
        "peak MB": tally.peak,
        "seen by strace": "yes" if shutil.which("strace") else "no: strace is not here",
    }


class _Tally:
    def __init__(self, seed: int) -> None:
        self.ends: Counter[str] = Counter()
        self.failures: list[str] = []
        self.slowest = 0.0
        self.peak = 0
        self._seed = seed

    def fail(self, number: object, why: str) -> None:
        self.failures.append(f"number {number} of seed {self._seed}: {why}")

    def take(self, line: dict[str, Any]) -> None:
        """What the child says of one file."""
        if line["stage"] == "timed":
            self.slowest = max(self.slowest, line["seconds"])
            if line["seconds"] > SECONDS_EACH:
                self.fail(line["number"], f"{line['what']}: took {line['seconds']:.0f} s")
        elif line["stage"] == "all done":
            self.peak = max(self.peak, line["peak"])
        elif line["stage"] == "ended":
            told = line["end"] if line["end"] == "lost" else f"{line['end']}, {line['detail']:.30}"
            self.ends[told] += 1
            if told not in RIGHT_ENDS:
                words = f"{line['what']} ({line['way']}): {line['end']}: {line['detail']}"
                self.fail(line["number"], words)


def _run_child(folder: Path, address: str, which: tuple[int, int, int], tally: _Tally) -> int:
    """Let a child read some files; the number of the first that it did not come to."""
    seed, first, end = which
    log = folder / "strace.txt"
    child = [sys.executable, str(HERE / "soak_broken_files_child.py"), str(folder), address]
    child += [str(number) for number in (seed, first, end)]
    if shutil.which("strace"):
        strace = ["strace", "-f", "-qq", "-o", str(log), "-e", "signal=none"]
        child = [*strace, "-e", "trace=file,connect,bind,listen", *child]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        child, env=environment, capture_output=True, text=True, check=False,
        timeout=SECONDS_OF_A_CHILD,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        tally.take(line)
    if log.exists():
        _check_calls(log, folder, address, tally)
        log.unlink()
    if lines and lines[-1]["stage"] == "all done":
        return end
    begun = [line for line in lines if line["stage"] == "begins"]
    assert begun, f"the child could not begin: {done.stderr[-1500:]}"
    number = begun[-1]["number"]
    if lines[-1]["stage"] == "GDAL":
        # It died in the comparison, which is GDAL's own work on what was read before.
        tally.ends["GDAL died in the comparison"] += 1
    else:
        tally.fail(number, f"{begun[-1]['what']}: the child died ({done.stderr[-300:]!r})")
    return int(number) + 1


def _check_calls(log: Path, folder: Path, address: str, tally: _Tally) -> None:
    """Nothing but the folder, the libraries' own files and the server was touched."""
    calls = log.read_text(errors="replace").splitlines()
    begins = next((n for n, call in enumerate(calls) if f'{folder}/begin"' in call), len(calls))
    assert begins < len(calls), "strace did not see the child begin"
    port = address.rpartition(":")[2]
    allowed = (*SYSTEM, str(folder), os.path.realpath(folder), str(HERE.parents[1]))
    for call in calls[begins + 1 :]:
        place = re.match(r'\d+ +\w+\((?:AT_FDCWD, |\d+, )?"([^"]*)"', call)
        if place and place[1] and not _as_written(place[1]).startswith(allowed):
            tally.fail("?", f"a file was touched: {call[:200]}")
        if "connect(" in call and f"htons({port})" not in call:
            tally.fail("?", f"something was contacted: {call[:200]}")


def _as_written(path: str) -> str:
    """The path that strace shows in ASCII, with the bytes of other letters as octal numbers."""
    return re.sub(rb"\\(\d{3})", lambda found: bytes([int(found[1], 8)]), path.encode()).decode(
        errors="replace"
    )


ROW = Row(
    name="mutated_tiffs",
    promise="A broken file, or one that is something else than its name says, is lost or has the "
    "right pixels; it leads nowhere else, and 1 GB is enough.",
    times=2_000,
    run=run,
)
