"""The composite job: search, plan, run, write."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..bridge.errors import InvalidRequestError, OutputError
from ..bridge.profiles import CollectionProfile, find_profile
from ..bridge.request import CompositeRequest
from .area import read_area
from .catalog import FoundScenes, find_scenes
from .composite_plan import CompositePlan, plan_composite
from .composite_run import RunStatistics, run_composite_blocks
from .output_bands import OutputBand, choose_output_bands, source_bands
from .output_raster import OutputRaster, RasterBand, RasterLayout, write_cog
from .provenance import provenance_tags
from .reporter import Reporter, StageProgress
from .scene import read_scenes
from .whole_file import whole_file

# The work waits on the network, not on the processor.
READS_IN_FLIGHT = 16

DTYPES = ("float32", "int16")
METHODS = ("median",)


@dataclass(frozen=True)
class _Inputs:
    """What the search brought, and the plan made of it."""

    profile: CollectionProfile
    found: FoundScenes
    incomplete: list[str]
    output_bands: list[OutputBand]
    plan: CompositePlan


def run_composite(
    request: CompositeRequest, reporter: Reporter, scratch: Path
) -> dict[str, object]:
    """Make the composite that ``request`` asks for; the algorithm's outputs by name.

    Raises:
        FairweatherError: in any of its types, before the output appears.
    """
    with ThreadPoolExecutor(READS_IN_FLIGHT, thread_name_prefix="read") as readers:
        inputs = _prepare(request, reporter, readers)
        statistics = _make_raster(request, inputs, reporter, scratch, readers)
    _warn_of_gaps(statistics, reporter)
    reporter.progress(100, "Done")
    values: dict[str, object] = {
        "OUTPUT": request.output,
        "SCENE_COUNT": len(inputs.plan.scenes),
        "DAY_COUNT": len(inputs.plan.days),
        "CLEAR_PERCENT": round(statistics.clear_percent, 2),
    }
    return values


def _prepare(request: CompositeRequest, reporter: Reporter, readers: ThreadPoolExecutor) -> _Inputs:
    profile = find_profile(request.search.collection)
    _check_choice("METHOD", request.method, METHODS)
    _check_choice("DTYPE", request.dtype, DTYPES)
    output_bands = choose_output_bands(request.bands, profile)
    masked = _masked_classes(request, profile)
    area = read_area(request.search.area, reporter)
    reporter.progress(0, "Searching for scenes")
    found = find_scenes(request.search, profile, area, reporter)
    scenes, incomplete = read_scenes(
        found.items, profile, source_bands(output_bands), with_mask=masked is not None
    )
    if incomplete:
        reporter.warning(
            f"{len(incomplete)} of {len(found.items)} scenes lack a band that is needed and are "
            "left out."
        )
    reporter.progress(8, "Planning")
    plan = plan_composite(request, area, scenes, output_bands, masked, readers)
    reporter.message(plan.summary() + ".")
    return _Inputs(profile, found, incomplete, output_bands, plan)


def _make_raster(
    request: CompositeRequest,
    inputs: _Inputs,
    reporter: Reporter,
    scratch: Path,
    readers: ThreadPoolExecutor,
) -> RunStatistics:
    plan = inputs.plan
    layout = RasterLayout(
        geobox=plan.geobox,
        bands=tuple(RasterBand(band.name, band.title) for band in inputs.output_bands),
        dtype=request.dtype,
        count_band=request.count_band,
    )
    target = Path(request.output)
    _check_room(layout, scratch)
    with whole_file(target, scratch) as part:
        streamed = scratch / "composite.tif"
        tags = provenance_tags(request, inputs.profile, plan.scenes)
        progress = StageProgress(
            reporter, 10, 90, plan.block_count, "Reading and reducing", "blocks"
        )
        with OutputRaster(streamed, layout, tags) as raster:
            statistics = run_composite_blocks(plan, raster, readers, progress)
        if raster.clamped_values:
            reporter.warning(
                f"{raster.clamped_values:,} values were outside of what int16 can hold "
                "(-3.2767 to 3.2767) and were set to its ends; use DTYPE float32 to keep them."
            )
        reporter.progress(90, "Writing the Cloud Optimized GeoTIFF")
        write_cog(streamed, part)
        streamed.unlink()
    return statistics


def _masked_classes(
    request: CompositeRequest, profile: CollectionProfile
) -> tuple[int, ...] | None:
    """The classes to mask, or None where nothing is masked."""
    if request.mask_classes is None:
        return profile.mask.masked
    for number in request.mask_classes:
        if number not in profile.mask.classes:
            known = ", ".join(f"{key} {words}" for key, words in profile.mask.classes.items())
            raise InvalidRequestError(
                f"MASK_CLASSES: {number} is no class of {profile.id}; its classes are {known}."
            )
    return request.mask_classes or None


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidRequestError(f"{name} {value!r} is not known; choose {' or '.join(known)}.")


def _check_room(layout: RasterLayout, scratch: Path) -> None:
    """Refuse at once what cannot be finished: the scratch raster holds every pixel uncompressed."""
    height, width = layout.geobox.shape
    bytes_by_value = 2 if layout.dtype == "int16" else 4
    needed = height * width * (len(layout.bands) + layout.count_band) * bytes_by_value
    free = shutil.disk_usage(scratch).free
    if needed > free:
        raise OutputError(
            f"The composite of {width:,} × {height:,} pixels needs {needed / 1e9:,.1f} GB of room "
            f"in {scratch.parent} and {free / 1e9:,.1f} GB are free; make room, set "
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
