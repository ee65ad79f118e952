"""Where a run of our worker spends its time, by stage; nothing in the worker helps with it.

``python stage_profile.py REQUEST RESULT`` runs the worker on a request file in this process, and
beside it a thread that looks every 5 ms which function each thread is in, and how much processor
time the thread used since (Linux tells it in nanoseconds). The innermost function that
``STAGES`` knows names the stage. Linux only, and only the standard library.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
INTERVAL = 0.005
THREADS = Path("/proc/self/task")
WAITING = "waiting"
OTHER = "other"
FUNCTIONS = 15  # named in the result
# A stage, and pieces of "module file:function" that belong to it: the first that fits counts.
STAGES = (
    ("start-up", ("<frozen importlib",)),
    (
        WAITING,
        ("/threading.py:", "/queue.py:", "/selectors.py:", "/concurrent/futures/", "/socketserver"),
    ),
    ("search", ("/science/catalog/", "/web/client.py", "/web/json_text.py", "/pystac", "/json/")),
    ("write", ("/cog/", "/output_raster.py:", "/whole_file.py:", "/provenance.py:", "/report.py:")),
    ("inflate", ("/tiff.py:_decode", "/imagecodecs/", "/tifffile/", "inflate")),
    ("mask", ("/masks.py:", "/clear_days.py:", "/clip.py:", "/bits.py:", "/band_stack.py:")),
    ("reproject", ("/pixel_lookup.py:", "/pyproj/", "transform_bounds", "/warp.py:")),
    ("reduce", ("/median", "reduc", "/encoding.py:", "/formula.py:")),
    ("read", ("/reading.py:", "/imagery/files/", "/readers.py:", "/rasterio/", "/obstore/")),
    ("read", ("/science/web/", "/http/", "/urllib3/", "/ssl.py:", "/socket.py:", "async_tiff")),
    ("reduce", ("/composite/block.py:",)),
    ("plan", ("/plan.py:", "/inputs.py:", "/scene_grids.py:", "/scene.py:", "/output_grid.py:")),
)
STAGE_OF_NATIVE_THREADS = {"tokio-runtime": "read"}


class Sampler(threading.Thread):
    """Counts processor seconds and seconds by stage, over all threads of the process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.processor_seconds: Counter[str] = Counter({"start-up": time.process_time()})
        self.seconds: Counter[str] = Counter()
        self.processor_seconds_of_functions: Counter[str] = Counter()
        self.own_seconds = 0.0
        self._threads = {number: NativeThread(number) for number in _thread_numbers()}
        self._has_ended = threading.Event()

    def run(self) -> None:
        last = time.monotonic()
        while not self._has_ended.wait(INTERVAL):
            now = time.monotonic()
            self._sample(now - last)
            last = now
        self.own_seconds = time.thread_time()

    def end(self) -> None:
        self._has_ended.set()
        self.join()

    def _sample(self, elapsed: float) -> None:
        frames = sys._current_frames()
        seen = {
            thread.native_id: (stage_of(frames[thread.ident]), function_of(frames[thread.ident]))
            for thread in threading.enumerate()
            if thread is not self and thread.ident in frames
        }
        for stage in {stage for stage, _ in seen.values()}:
            self.seconds[stage] += elapsed
        of_main = seen.get(threading.main_thread().native_id, (OTHER, OTHER))
        for number in _thread_numbers():
            if number not in self._threads:
                self._threads[number] = NativeThread(number)
            thread = self._threads[number]
            spent = thread.take_seconds()
            if spent > 0 and number != self.native_id:
                stage, function = seen.get(number) or thread.stage_and_name(of_main[0])
                self.processor_seconds[stage] += spent
                self.processor_seconds_of_functions[function] += spent


class NativeThread:
    """A thread as Linux sees it. Its files stay open: the profiler must cost little itself."""

    def __init__(self, number: int) -> None:
        self._folder = THREADS / str(number)
        self._schedule = -1
        with contextlib.suppress(OSError):  # it may have ended meanwhile
            self._schedule = os.open(self._folder / "schedstat", os.O_RDONLY)
        self._used = 0
        self.take_seconds()

    def take_seconds(self) -> float:
        """Processor seconds since this was last asked."""
        try:
            used = int(os.pread(self._schedule, 64, 0).split()[0])
        except OSError:
            return 0.0
        spent = used - self._used
        self._used = used
        return spent / 1e9

    def stage_and_name(self, main_stage: str) -> tuple[str, str]:
        """For a thread that Python does not know: a library's own."""
        try:
            name = (self._folder / "comm").read_text().strip()
        except OSError:
            name = OTHER
        for start, stage in STAGE_OF_NATIVE_THREADS.items():
            if name.startswith(start):
                return stage, name
        return main_stage, name


def _thread_numbers() -> list[int]:
    return [int(folder.name) for folder in THREADS.iterdir()]


def function_of(frame: FrameType | None) -> str:
    """The innermost function of ours that a thread is in: ``science/median.py:sort``."""
    while frame is not None:
        _, of_core, place = frame.f_code.co_filename.partition("/core/")
        if of_core and place.startswith(("science/", "bridge/")):
            return f"{place}:{frame.f_code.co_name}"
        frame = frame.f_back
    return OTHER


def stage_of(frame: FrameType | None) -> str:
    """The stage of a thread, by the innermost of its functions that is known.

    A thread that waits is waiting, whatever for: only its innermost function says so.
    """
    is_innermost = True
    while frame is not None:
        name = f"{frame.f_code.co_filename}:{frame.f_code.co_name}"
        for stage, pieces in STAGES:
            if any(piece in name for piece in pieces) and (stage != WAITING or is_innermost):
                return stage
        is_innermost = False
        frame = frame.f_back
    return OTHER


def main() -> int:
    request, result = sys.argv[1], Path(sys.argv[2])
    sampler = Sampler()
    sampler.start()
    began = time.monotonic()
    sys.path.insert(0, str(ROOT / "core"))
    launch = importlib.import_module("launch")
    code = launch.main(["worker", request])
    sampler.end()
    content = {
        "seconds of the worker": time.monotonic() - began,
        "processor seconds of the worker": time.process_time() - sampler.own_seconds,
        "processor seconds": dict(sampler.processor_seconds),
        "seconds": dict(sampler.seconds),
        "processor seconds of functions": dict(
            sampler.processor_seconds_of_functions.most_common(FUNCTIONS)
        ),
    }
    result.write_text(json.dumps(content), encoding="utf-8")
    return code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # as soon as the result is written: threads that are left are not measured
