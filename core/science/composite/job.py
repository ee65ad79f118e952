"""The composite job: prepare, run, write."""

from __future__ import annotations

import shutil
from pathlib import Path

from ...bridge.errors import OutputError
from ...bridge.request import CompositeRequest
from ..imagery.memory_budget import READS_IN_FLIGHT
from ..imagery.readers import Readers
from ..provenance import provenance_tags
from ..reporter import Reporter, StageProgress
from ..whole_file import check_target, whole_file
from .inputs import CompositeInputs, prepare_composite
from .output_raster import OutputRaster, RasterBand, RasterLayout, write_cog
from .report import write_composite_report
from .run import RunStatistics, run_composite_blocks
from .summary import WarningsKept, summarise_composite


def run_composite(
    request: CompositeRequest, reporter: Reporter, scratch: Path
) -> dict[str, object]:
    """Make the composite that ``request`` asks for; the algorithm's outputs by name.

    Raises:
        FairweatherError: of any type, before the output appears.
    """
    kept = WarningsKept(reporter)
    with Readers(READS_IN_FLIGHT) as readers:
        inputs = prepare_composite(request, kept, readers)
        with whole_file(Path(request.output), scratch) as part:
            if request.report:
                check_target(Path(request.report), scratch)
            streamed = scratch / "composite.tif"
            statistics = _stream_blocks(inputs, kept, streamed, readers)
            kept.progress(90, "Writing the Cloud Optimized GeoTIFF")
            write_cog(streamed, part)
            streamed.unlink()
            _warn_of_gaps(statistics, kept)
            if request.report:
                kept.progress(97, "Writing the report")
                report = summarise_composite(inputs, statistics, kept)
                write_composite_report(Path(request.report), report, part, scratch)
    kept.progress(100, "Done")
    return _outputs(inputs, statistics)


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
    inputs: CompositeInputs, reporter: Reporter, streamed: Path, readers: Readers
) -> RunStatistics:
    plan, request = inputs.plan, inputs.request
    layout = RasterLayout(
        geobox=plan.geobox,
        bands=tuple(RasterBand(band.name, band.title) for band in plan.recipe.output_bands),
        dtype=request.dtype,
        count_band=request.count_band,
    )
    _check_room(layout, streamed.parent)
    tags = provenance_tags(request, inputs.profile, plan.scenes)
    progress = StageProgress(reporter, 10, 90, plan.block_count, "Reading and reducing", "blocks")
    with OutputRaster(streamed, layout, tags) as raster:
        statistics = run_composite_blocks(plan, raster, readers, progress)
    if raster.clamped_values:
        reporter.warning(
            f"{raster.clamped_values:,} values were outside of what int16 can hold "
            "(-3.2767 to 3.2767) and were set to its ends; use DTYPE float32 to keep them."
        )
    return statistics


def _check_room(layout: RasterLayout, scratch: Path) -> None:
    """Refuse at once what cannot be finished: the scratch raster holds every pixel uncompressed."""
    height, width = layout.geobox.shape
    bytes_by_value = 2 if layout.dtype == "int16" else 4
    needed = height * width * (len(layout.bands) + layout.count_band) * bytes_by_value
    free = shutil.disk_usage(scratch).free
    if needed > free:
        raise OutputError(
            f"The composite of {width:,} × {height:,} pixels needs {needed / 1e6:,.0f} MB of room "
            f"in {scratch.parent} and {free / 1e6:,.0f} MB are free; make room, set "
            "FAIRWEATHER_HOME to a larger disk, or give a coarser RESOLUTION."
        )


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
