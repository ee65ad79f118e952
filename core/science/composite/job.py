"""The composite job: prepare, run, write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...bridge.credentials import Credentials
from ...bridge.errors import OutputError
from ...bridge.part_files import flush_file
from ...bridge.request import CompositeRequest
from ..access.access import open_access
from ..cluster.choice import chosen_cluster
from ..imagery.estimate import DRY_RUN_IS_OVER
from ..imagery.losses import LostFile, losses_as_json, losses_in_words
from ..imagery.readers import READS_IN_FLIGHT, Readers
from ..provenance import provenance_tags
from ..reporter import Reporter, StageProgress
from ..whole_file import check_target, whole_file
from .coverage import clear_day_warnings
from .finished_blocks import FinishedBlocks
from .inputs import CompositeInputs, prepare_composite
from .output_raster import OutputRaster, RasterBand, RasterLayout
from .plan import CompositePlan
from .report import write_composite_report
from .room import check_room
from .run import run_composite_blocks
from .run_key import run_key
from .summary import WarningsKept, summarise_composite
from .tally import RunStatistics

if TYPE_CHECKING:
    from ..cluster.task_window import Cluster


def run_composite(
    request: CompositeRequest,
    reporter: Reporter,
    scratch: Path,
    credentials: Credentials | None = None,
) -> dict[str, object]:
    """Make the composite that ``request`` asks for; the algorithm's outputs by name.

    Raises:
        FairweatherError: of any type, before the output appears.
    """
    kept = WarningsKept(reporter)
    access = open_access(request.search, credentials)
    with (
        chosen_cluster(request, kept) as cluster,
        Readers(READS_IN_FLIGHT, scratch, access=access) as readers,
    ):
        inputs = prepare_composite(request, kept, readers)
        if request.dry_run:
            return _tell_only(inputs, kept, scratch)
        check_room(inputs, scratch, kept)
        # Until the file has its name, the next run may need the blocks.
        with FinishedBlocks(kept) as finished, whole_file(Path(request.output), scratch) as part:
            if request.report:
                check_target(Path(request.report), scratch)
            statistics = _stream_blocks(
                inputs, kept, scratch, part, readers=readers, cluster=cluster, finished=finished
            )
            for sentence in losses_in_words(statistics.lost, "block"):
                kept.warning(sentence)
            _warn_of_gaps(statistics, kept)
            if request.report:
                # Flushing a large file takes a while, in which a run may be stopped: not between
                # the names of the two.
                flush_file(part)
                kept.progress(97, "Writing the report")
                report = summarise_composite(inputs, statistics, kept)
                write_composite_report(Path(request.report), report, part, scratch)
    kept.progress(100, "Done")
    return _outputs(inputs, statistics)


def _tell_only(inputs: CompositeInputs, kept: WarningsKept, scratch: Path) -> dict[str, object]:
    """A dry run: what would be, in the log and in the report if it is asked for."""
    values: dict[str, object] = {
        "SCENE_COUNT": len(inputs.plan.scenes),
        "DAY_COUNT": len(inputs.plan.days),
    }
    try:
        check_room(inputs, scratch, kept)
    except OutputError as error:
        # Room can be made until the run.
        kept.warning(str(error))
    if inputs.request.report:
        report = summarise_composite(inputs, None, kept)
        write_composite_report(Path(inputs.request.report), report, None, scratch)
        values["OUTPUT_REPORT"] = inputs.request.report
    kept.progress(100, DRY_RUN_IS_OVER)
    kept.message(DRY_RUN_IS_OVER)
    return values


def _outputs(inputs: CompositeInputs, statistics: RunStatistics) -> dict[str, object]:
    request = inputs.request
    values: dict[str, object] = {
        "OUTPUT": request.output,
        "SCENE_COUNT": len(inputs.plan.scenes),
        "DAY_COUNT": len(inputs.plan.days),
        "CLEAR_PERCENT": round(statistics.clear_percent, 2),
    }
    if request.report:
        values["OUTPUT_REPORT"] = request.report
    return values


def _stream_blocks(
    inputs: CompositeInputs,
    reporter: Reporter,
    scratch: Path,
    target: Path,
    *,
    readers: Readers,
    cluster: Cluster | None,
    finished: FinishedBlocks,
) -> RunStatistics:
    plan, request = inputs.plan, inputs.request
    layout = RasterLayout(
        geobox=plan.geobox,
        bands=tuple(
            RasterBand(band.name, band.title, band.formula is not None)
            for band in plan.recipe.output_bands
        ),
        dtype=request.dtype,
        count_band=request.count_band,
    )
    finished.open(run_key(plan, layout), layout, _title(request))
    tags = provenance_tags(request, inputs.profile, plan.scenes)
    progress = StageProgress(reporter, 10, 95, plan.block_count, "Reading and reducing", "blocks")
    tiles = scratch / "composite.tiles"
    with OutputRaster(tiles, layout, tags, finished.make_room) as raster:
        if cluster is None:
            statistics = run_composite_blocks(plan, raster, readers, progress, finished)
        else:
            from .on_cluster import run_composite_on_cluster  # noqa: PLC0415

            statistics = run_composite_on_cluster(
                plan, raster, cluster, progress, readers.access.rules, finished=finished
            )
        statistics = _with_unreadable(statistics, plan)
        if statistics.lost:
            raster.add_tags({"FAIRWEATHER_SKIPPED": losses_as_json(statistics.lost)})
        reporter.progress(95, "Writing the Cloud Optimized GeoTIFF")
        raster.save(target)
    if raster.clamped_values:
        reporter.warning(
            f"{raster.clamped_values:,} values were outside of what int16 can hold "
            "(-3.2767 to 3.2767) and were set to its ends; use DTYPE float32 to keep them."
        )
    return statistics


def _with_unreadable(statistics: RunStatistics, plan: CompositePlan) -> RunStatistics:
    """Also what was lost before the first block, which is lost in all."""
    before = tuple(LostFile(loss, plan.block_count) for loss in plan.unreadable)
    return replace(statistics, lost=before + statistics.lost)


def _title(request: CompositeRequest) -> dict[str, str]:
    """What the run is, for who looks through unfinished ones."""
    search = request.search
    return {
        "bands": ", ".join(request.bands),
        "dates": f"{search.start} to {search.end}",
        "output": Path(request.output).name,
    }


def _warn_of_gaps(statistics: RunStatistics, reporter: Reporter) -> None:
    if statistics.covered_pixels == 0:
        reporter.warning(
            "No pixel of the area was clear on any day, so the composite is empty; choose more "
            "dates or a higher MAX_CLOUD."
        )
    elif statistics.clear_percent < 99.5:
        reporter.warning(
            f"{100 - statistics.clear_percent:.1f} % of the area had no clear day and has no "
            "data; choose more dates or a higher MAX_CLOUD to fill it."
        )
    for sentence in clear_day_warnings(statistics.pixels_by_clear_days):
        reporter.warning(sentence)
