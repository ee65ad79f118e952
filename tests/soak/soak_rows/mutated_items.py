"""100,000 mutated items through everything that reads items.

Real items where they are, and the two kinds of ``soak_items`` (STAC 1.0 and 1.1) are changed at
random, and go with an honest neighbour the whole way from JSON to the plan of a composite.
"""

from __future__ import annotations

import faulthandler
import json
import random
import re
import shutil
import subprocess
import sys
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import shapely
from fairweather.core.bridge.errors import FairweatherError, ReadError
from fairweather.core.bridge.profiles import load_profiles
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SceneSearch,
    SearchScenesRequest,
)
from fairweather.core.science.area import read_area
from fairweather.core.science.catalog import job
from fairweather.core.science.catalog.checks import Checker, read_conditions
from fairweather.core.science.catalog.gathering import Gathering
from fairweather.core.science.composite.coverage import cover_area, scene_warnings
from fairweather.core.science.composite.inputs import CompositeInputs
from fairweather.core.science.composite.plan import plan_composite
from fairweather.core.science.composite.report import render_composite_report
from fairweather.core.science.composite.summary import WarningsKept, summarise_composite
from fairweather.core.science.composite.workload import estimate_composite
from fairweather.core.science.imagery.output_bands import choose_output_bands
from fairweather.core.science.imagery.readers import Readers
from fairweather.core.science.imagery.scene import read_scenes
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.scenes_to_read import ScenesToRead
from fairweather.core.science.web.json_text import parse_json
from soak_items import CHANGES, honest_items
from soak_json_mutations import CANARY, mutate
from soak_row import Row, Trial
from soak_time import SECONDS_IN_ALL, ReadTimes
from soak_watch import Watch

ONE_IN_PLANNED = 16
MOST_FAILURES_SHOWN = 12
# So many of them again under strace, which sees what libraries in C open.
TRACED_SHARE = 0.02
REMOTE = "https://stac.example/items.json"


class Reading:
    """Everything that reads items, in the order in which a run does."""

    def __init__(self, folder: Path) -> None:

        self._folder = folder
        self._readers = Readers(1, folder)
        self._readers.files.open = _missing
        self._profiles = tuple(load_profiles().values())

    def profile_of(self, item: dict[str, Any]) -> Any:
        """The profile by which ``item`` can be read, None without."""
        for profile in self._profiles:
            assets = {profile.mask.asset, profile.bands["red"].asset}
            if profile.collection == item["collection"] and assets <= set(item["assets"]):
                return profile
        return None

    def read(self, items: list[Any], text: str, with_plan: bool) -> None:
        """Items as a page of a remote catalogue has them; ``items[1]`` is honest.

        Raises:
            FairweatherError: nothing can be made of them.
        """

        collection = items[1]["collection"]
        profile = self.profile_of(items[1])
        reporter = RecordingReporter()
        try:
            page = parse_json(text)
        except ValueError:
            return
        area = _area(items[1], reporter)
        checker = Checker(_conditions(collection, area))
        gathering = Gathering(_Source())
        for candidate in gathering.read((one, REMOTE) for one in page):
            checker.accepts(candidate)
            gathering.take(candidate)
        checker.faults()
        found = gathering.finish([], reporter)
        for item in found.items:
            for asset in item.assets.values():
                assert re.match(r"(?i)(https?|s3|gs):", asset.href), asset.href
        bands = profile.bands.items()
        known = [name for name, band in bands if band.asset in items[1]["assets"]][:4]
        scenes, incomplete = read_scenes(found.items, profile, known, with_mask=True)
        if with_plan:
            _write(found, items[1], profile, reporter, self._folder)
            to_read = ScenesToRead(found, tuple(scenes), tuple(incomplete))
            _report(to_read, profile, area, tuple(known), self._readers)


class _Source:
    title = location = "https://stac.example"
    unreadable: tuple[str, ...] = ()

    def documents(self) -> tuple[str, ...]:
        return (self.location,)


def _missing(href: str) -> Any:
    """Instead of opening a file: no server is asked."""
    raise ReadError("it is not there", href, "it is not there")


def _write(found: Any, item: dict[str, Any], profile: Any, reporter: Any, folder: Path) -> None:
    """The files of ``searchscenes``."""
    search = SceneSearch(profile.id, _request_area(item), "2010-01-01", "2030-12-31")
    files = [folder / name for name in ("items.json", "footprints.json")]
    with mock.patch.object(job, "find_scenes", return_value=found):
        job.run_search(SearchScenesRequest(search, *map(str, files)), reporter, folder)
    for file in files:
        assert json.loads(file.read_bytes())["features"]


def _area(item: dict[str, Any], reporter: Any) -> Any:
    return read_area(_request_area(item), reporter)


def _request_area(item: dict[str, Any]) -> Area:
    place = shapely.geometry.shape(item["geometry"]).representative_point()
    return Area("EPSG:4326", shapely.geometry.mapping(place.buffer(0.01).envelope))


def _conditions(collection: str, area: Any) -> Any:

    asked = "platform like '%a%b%c%d%' and s2:nodata_pixel_percentage < 50 and grid:code != x"
    search = SceneSearch(
        collection, None, "2010-01-01", "2030-12-31", months=(1, 8), max_cloud=50.0, filter=asked
    )
    return read_conditions(search, collection, area.search_geometry)


def _report(
    to_read: ScenesToRead, profile: Any, area: Any, bands: tuple[str, ...], readers: Readers
) -> None:
    """All that a dry run of a composite does, and a few blocks."""
    search = SceneSearch(profile.id, Area("EPSG:4326", {}), "2023-01-01", "2023-12-31")
    request = CompositeRequest(search, bands, "a.tif", memory_gb=1.0, dry_run=True)
    plan = plan_composite(
        request,
        area,
        to_read.scenes,
        readers,
        output_bands=choose_output_bands(bands, profile),
        masked_classes=(3,),
    )
    kept = WarningsKept(RecordingReporter())
    kept.message(plan.summary())
    for _, block in zip(range(5), plan.blocks()):
        assert block.days is not None
    for sentence in scene_warnings(cover_area(plan, area)):
        kept.warning(sentence)
    estimate = estimate_composite(plan, request)
    inputs = CompositeInputs(request, profile, area, to_read, plan, estimate)
    page = render_composite_report(summarise_composite(inputs, None, kept), None)
    assert "<script>" not in page


def run(trial: Trial) -> dict[str, object]:
    """Read so many mutated items here, and some of them again under strace."""
    seed = trial.random.randrange(2**32)
    figures = read_mutated(seed, 0, trial.times, trial.folder)
    traced = max(60, int(trial.times * TRACED_SHARE))
    return {**figures, "seen by strace": _traced(seed, traced, trial.folder)}


def read_mutated(seed: int, first: int, count: int, folder: Path) -> dict[str, object]:
    """Read the items with the numbers from ``first`` on; each has random numbers of its own."""

    reading, honest = Reading(folder), honest_items()
    honest = [item for item in honest if reading.profile_of(item)]
    for item in honest:
        reading.read([item, item], json.dumps([item, item]), with_plan=True)
    watch = Watch([folder])
    # Of libraries about what they read: nobody is there to be warned.
    warnings.simplefilter("ignore")
    ends: Counter[str] = Counter()
    failures: list[str] = []
    times = ReadTimes()
    for number in range(first, first + count):
        source = random.Random(f"{seed} {number}")
        neighbour = source.choice(honest)
        mutated = mutate(neighbour, source, CHANGES)
        try:
            text = json.dumps([mutated, neighbour])
        except RecursionError:
            ends["too deep to be written down"] += 1
            continue
        # What hangs in C cannot be interrupted: this tells where, and ends the process.
        faulthandler.dump_traceback_later(2 * SECONDS_IN_ALL, exit=True)
        times.begin()
        try:
            with watch.watching() as seen:
                reading.read([mutated, neighbour], text, number % ONE_IN_PLANNED == 0)
            ends["read"] += 1
        except FairweatherError as error:
            ends[type(error).__name__] += 1
        except Exception as error:
            if len(failures) < MOST_FAILURES_SHOWN:
                traceback.print_exc()
            failures.append(
                f"number {number} of seed {seed}: {type(error).__name__}: {error!s:.200}"
            )
        if fault := times.too_long():
            failures.append(f"number {number} of seed {seed}: {fault}")
        failures += [f"number {number} of seed {seed} touched {what}" for what in seen]
    faulthandler.cancel_dump_traceback_later()
    shown = "; ".join(failures[:MOST_FAILURES_SHOWN])
    assert not failures, f"{len(failures)} of {count} items: {shown}"
    return {
        **times.figures(),
        "ends": dict(ends),
        "honest": len(honest),
    }


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from soak_package import load_package
load_package()
from soak_rows import mutated_items
mutated_items.read_mutated({seed}, 0, {count}, Path({folder!r}))
"""


def _traced(seed: int, count: int, folder: Path) -> str:
    """What libraries in C open: nothing that an item names, and no network."""
    if shutil.which("strace") is None:
        return "no: strace is not here"
    log = folder / "strace.txt"
    code = CHILD.format(
        here=str(Path(__file__).resolve().parents[1]),
        seed=seed,
        count=count,
        folder=str(folder),
    )
    strace = ["strace", "-f", "-qq", "-e", "trace=file,network", "-e", "signal=none", "-o", log]
    done = subprocess.run(
        [*strace, sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    calls = log.read_text(errors="replace").splitlines()
    wrong = [call for call in calls if CANARY in call or re.search(r"connect\(.*AF_INET", call)]
    assert not wrong, f"{len(wrong)} calls seen by strace: {'; '.join(wrong[:5])[:800]}"
    return f"{count} items, {len(calls)} calls"


ROW = Row(
    name="mutated_items",
    promise="A mutated item ends in a scene or in an error of ours, within 2 s of the processor "
    "and 20 s with its waits, and nothing that it names is touched.",
    times=100_000,
    run=run,
)
