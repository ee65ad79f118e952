"""All benchmarks in one run, and their report: ``make bench``.

``python benchmarks/bench.py`` in the benchmarks' own environment. ``--quick`` is a small tile and
few contestants, to see that all agree; its seconds mean nothing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from agreement import Agreement, compare_rasters, compare_series
from commands import Commands
from contestants.case import Case
from made_up_tile import Tile, make_tile, warm
from measuring import FAR, LOCAL, Measurement, measure, serve
from report import write_report
from results import Results, Row, WrittenCog, middle
from workloads import CITY, QUICK_TOWN, Run, full_runs, prepare_case, quick_runs

PACKAGES = (
    *("odc-stac", "dask", "xarray", "numpy", "rasterio", "odc-algo", "stackstac", "lazycogs"),
    *("s2mosaic", "imagecodecs", "numba", "tifffile"),
)
DEFAULT_FOLDER = Path(tempfile.gettempdir()) / "fairweather-benchmark"
COG_BENCHMARK = Path(__file__).with_name("cog.py")
COG_LINE = r"^(?P<name>\S.*?)\s+(?P<seconds>[\d.]+) s .*, +(?P<megabytes>[\d.]+) MB"


def main() -> None:
    options = _parse()
    tile = Tile(options.folder / "tile-quick", edge=2048, days=4)
    if not options.quick:
        tile = Tile(options.folder / "tile", edge=10_980, days=24)
    options.report.mkdir(parents=True, exist_ok=True)
    make_tile(tile)
    warm(tile)
    runs = list(quick_runs() if options.quick else full_runs())
    if options.contestants:
        runs = [run for run in runs if run.contestant in options.contestants]
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        bench = Bench(tile, Path(scratch), options.folder)
        bench.results.planned = len(runs)
        if bench.can_run_ours():
            bench.measure_start_of_qgis()
            bench.profile(options.quick)
            if not options.quick:
                bench.measure_cog()
        for _ in bench.measure_all(runs):
            # After each: whoever ends it early keeps what was measured.
            bench.results.save(options.report / "results.json")
            write_report(bench.results, options.report)
    print(f"\nThe report is {options.report / 'REPORT.md'}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small tile; seconds mean nothing")
    parser.add_argument(
        "--folder",
        type=Path,
        default=DEFAULT_FOLDER,
        help="where the tile is made once and kept (5 GB)",
    )
    parser.add_argument(
        "--report", type=Path, default=Path(__file__).parent, help="the report's folder"
    )
    parser.add_argument("--contestants", nargs="*", help="only these, with what they are held to")
    return parser.parse_args()


class Bench:
    """Measures run after run and keeps what it finds."""

    def __init__(self, tile: Tile, scratch: Path, folder: Path) -> None:
        self._tile, self._scratch = tile, scratch
        self._commands = Commands(folder)
        self._references: dict[str, Path] = {}
        self._began = time.monotonic()
        self.results = Results(_machine(), _versions())

    def measure_all(self, runs: list[Run]) -> Iterator[Row]:
        """Measure the runs; the first composite and the first series of a kind are references."""
        for number, run in enumerate(runs, start=1):
            row = self._measure(run)
            self.results.rows.append(row)
            minutes = (time.monotonic() - self._began) / 60
            print(f"{minutes:5.1f} min  {number}/{len(runs)}  {_in_words(row)}", flush=True)
            yield row

    def profile(self, quick: bool) -> None:
        """Profile our worker on the city's composite, from files and from afar."""
        for transport in (LOCAL,) if quick else (LOCAL, FAR):
            with serve(self._tile.folder, transport) as address:
                output = self._scratch / "profiled.tif"
                workload = QUICK_TOWN if quick else CITY
                case, _ = prepare_case(self._tile, workload, address, self._scratch, output)
                found = self._scratch / "profile.json"
                command = self._commands.profile(case, found)
                log = self._scratch / "profile.log"
                measured = measure(command, dict(os.environ), address, log, 600.0)
                if measured.failure:
                    self.results.profile_failures[transport.name] = measured.failure
                else:
                    content = json.loads(found.read_text(encoding="utf-8"))
                    self.results.profiles[transport.name] = content

    def can_run_ours(self) -> bool:
        """Whether QGIS and the plugin's environment are there; where not, each row says why."""
        try:
            self._commands.qgis()
        except RuntimeError:
            return False
        return True

    def measure_start_of_qgis(self) -> None:
        """What QGIS takes to start with the plugin, without running anything."""
        command = ["qgis_process.bin", "help", "fairweather:composite"]
        log = self._scratch / "start.log"
        self.results.start_of_qgis = middle(
            measure(command, self._commands.qgis(), "", log, 60.0) for _ in range(3)
        )

    def measure_cog(self) -> None:
        """What writing the COG alone takes, as its own benchmark prints it."""
        command = [str(self._commands.worker_python()), str(COG_BENCHMARK)]
        log = self._scratch / "cog.log"
        measured = measure(command, dict(os.environ), "", log, 300.0)
        if measured.failure:
            self.results.cog_failure = measured.failure
            return
        for found in re.finditer(COG_LINE, log.read_text(encoding="utf-8"), re.MULTILINE):
            seconds, megabytes = float(found["seconds"]), float(found["megabytes"])
            self.results.cogs[found["name"]] = WrittenCog(seconds, megabytes)

    def _measure(self, run: Run) -> Row:
        output = self._scratch / f"result{'.csv' if run.workload.points else '.tif'}"
        with serve(self._tile.folder, run.transport) as address:
            case, path = prepare_case(self._tile, run.workload, address, self._scratch, output)
            try:
                command, variables = self._commands.of(run.contestant, case, path)
            except RuntimeError as error:
                failed = Measurement(0, 0, 0, failure=str(error))
                return Row(run.workload.name, run.contestant, run.transport.name, failed)
            log = self._scratch / "log.txt"
            measured = measure(command, variables, address, log, run.limit)
        row = Row(
            run.workload.name,
            run.contestant,
            run.transport.name,
            measured,
            notes=_read_notes(case),
        )
        if row.measurement.failure:
            return row
        return self._with_agreement(row, run, case)

    def _with_agreement(self, row: Row, run: Run, case: Case) -> Row:
        """The row with how its result compares; the first of a workload is the reference."""
        output = Path(case.output)
        reference = self._references.get(run.workload.name)
        agreement: Agreement | None = None
        if reference is None:
            reference = output.with_name(f"reference-{len(self._references)}{output.suffix}")
            output.rename(reference)
            self._references[run.workload.name] = reference
        elif run.workload.points:
            agreement = compare_series(output, reference)
        else:
            agreement = compare_rasters(output, reference, case.bounds)
        output.unlink(missing_ok=True)
        return Row(
            row.workload, row.contestant, row.transport, row.measurement, agreement, row.notes
        )


def _read_notes(case: Case) -> dict:
    notes = Path(case.notes)
    return json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}


def _in_words(row: Row) -> str:
    measured = row.measurement
    found = measured.failure or (
        f"{measured.seconds:.1f} s, {measured.processor_seconds:.1f} s of processors, "
        f"{measured.peak_bytes / 1e6:.0f} MB"
    )
    agreement = f", differs by {row.agreement.in_words()}" if row.agreement else ""
    return f"{row.workload}, {row.contestant}, {row.transport}: {found}{agreement}"


def _machine() -> dict[str, str]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(psutil.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "Python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "load before": f"{psutil.getloadavg()[0]:.1f}",
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


if __name__ == "__main__":
    sys.exit(main())
