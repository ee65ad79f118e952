"""The time series job: search, read, make series, write tables and charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...bridge.credentials import Credentials
from ...bridge.request import TimeSeriesRequest, output_files
from ...bridge.series_recipe import check_series_recipe
from ..access.access import open_access
from ..cluster.choice import chosen_cluster
from ..imagery.estimate import DRY_RUN_IS_OVER
from ..imagery.losses import LossTally, LostFile, losses_in_words
from ..imagery.readers import READS_IN_FLIGHT, Readers
from ..reporter import Reporter, StageProgress
from ..whole_file import check_target, whole_file
from .chart import Chart, ChartedSeries, recipe_in_words
from .coverage import clear_day_warnings
from .inputs import TimeSeriesInputs, prepare_time_series
from .observing import BlockObservations, observe_blocks
from .series import Observations, Series, make_series
from .site_blocks import SiteBlock
from .sites import LocatedSite
from .tables import (
    OBSERVATION_FIELDS,
    SERIES_FIELDS,
    SITE_FIELDS,
    SiteIndex,
    observation_rows,
    series_rows,
    site_rows,
    write_table,
)
from .workload import estimate_time_series

if TYPE_CHECKING:
    from ..cluster.task_window import Cluster

MOST_CHARTED_SITES = 500


def run_time_series(
    request: TimeSeriesRequest,
    reporter: Reporter,
    scratch: Path,
    credentials: Credentials | None = None,
) -> dict[str, object]:
    """Make the series that ``request`` asks for; the algorithm's outputs by name.

    Raises:
        FairweatherError: of any type, before an output appears.
    """
    check_series_recipe(request.recipe)
    access = open_access(request.search, credentials)
    with (
        chosen_cluster(request, reporter) as cluster,
        Readers(READS_IN_FLIGHT, scratch, access=access) as readers,
    ):
        if not request.dry_run:
            for target in output_files(request):
                check_target(target, scratch)
        inputs = prepare_time_series(request, reporter, readers)
        reporter.message(estimate_time_series(inputs, request).in_words())
        if request.dry_run:
            reporter.progress(100, DRY_RUN_IS_OVER)
            reporter.message(DRY_RUN_IS_OVER)
            return {"SITE_COUNT": len(inputs.sites)}
        found, lost = _observe(inputs, reporter, readers, cluster)
    lost_in_words = losses_in_words(lost, "site block")
    for sentence in lost_in_words:
        reporter.warning(sentence)
    inputs = replace(inputs, notes=(*inputs.notes, *lost_in_words))
    reporter.progress(90, "Making the series")
    _warn_of_gaps(inputs, found, reporter)
    # None has its name before all are there: a run that ends meanwhile leaves none.
    with ExitStack() as files:

        def new(name: str) -> Path:
            return files.enter_context(whole_file(Path(name), scratch))

        _write_tables(request, found, new)
        if request.chart or request.chart_image:
            reporter.progress(95, "Drawing the charts")
            _write_charts(request, inputs, found, new)
    reporter.progress(100, "Done")
    return {
        "SITE_COUNT": len(inputs.sites),
        "OBSERVATION_COUNT": sum(int(np.isfinite(one.observations.values).sum()) for one in found),
        "OUTPUT_CHART": request.chart,
        "OUTPUT_CHART_IMAGE": request.chart_image,
    }


def _warn_of_gaps(inputs: TimeSeriesInputs, found: list[SiteIndex], reporter: Reporter) -> None:
    clear_days: dict[int, int] = {}
    for one in found:
        days = int(np.isfinite(one.observations.values).sum())
        clear_days[one.site.id] = max(days, clear_days.get(one.site.id, 0))
    if not any(clear_days.values()):
        reporter.warning(
            "No site was clear on any day; choose more dates, a higher MAX_CLOUD or a lower "
            "MIN_CLEAR."
        )
        return
    for sentence in clear_day_warnings(inputs.coverage, inputs.sites, clear_days):
        reporter.warning(sentence)


def _observe(
    inputs: TimeSeriesInputs, reporter: Reporter, readers: Readers, cluster: Cluster | None
) -> tuple[list[SiteIndex], tuple[LostFile, ...]]:
    """Every index at every site, in the sites' order, and the files that could not be read.

    Raises:
        ReadError: a file cannot be read and is not to be skipped, or too much cannot be read.
    """
    blocks = inputs.plan.blocks
    days = sum(len(block.days) for block in blocks)
    progress = StageProgress(reporter, 10, 90, days, "Reading", "scene days")
    found: dict[tuple[int, int], SiteIndex] = {}
    losses = LossTally()
    if cluster is None:
        observed_blocks = observe_blocks(
            blocks, inputs.recipe, readers, progress, inputs.reads_at_once
        )
    else:
        from .on_cluster import observe_blocks_on_cluster  # noqa: PLC0415

        observed_blocks = observe_blocks_on_cluster(
            blocks,
            inputs.recipe,
            cluster,
            progress,
            days_at_once=inputs.reads_at_once,
            access=readers.access.rules,
        )
    for block, observed_block in observed_blocks:
        losses.add(len(block.days), observed_block.losses)
        for index, observed in enumerate(observed_block.indices):
            for number, site_id in enumerate(block.site_ids):
                found[site_id, index] = _site_index(
                    inputs, block, observed, number, inputs.recipe.indices[index].name
                )
    in_order = [
        found.get((site.id, index)) or _without_scene(site, band.name)
        for site in inputs.sites
        for index, band in enumerate(inputs.recipe.indices)
    ]
    before = tuple(LostFile(loss, len(blocks)) for loss in inputs.unreadable)
    return in_order, before + losses.finish()


def _site_index(
    inputs: TimeSeriesInputs, block: SiteBlock, observed: BlockObservations, number: int, name: str
) -> SiteIndex:
    site_id = block.site_ids[number]
    own = block.has_day[:, number]
    days = inputs.plan.days_by_site[site_id]
    return SiteIndex(
        site=inputs.site_by_id[site_id],
        index=name,
        observations=Observations(
            np.array([_utc_without_zone(day.moment) for day in days], "datetime64[us]"),
            observed.values[own, number],
        ),
        clear_pixels=observed.clear_pixels[own, number],
        all_pixels=int(block.pixel_counts[number]),
        item_ids=[" ".join(scene.id for scene in day.scenes) for day in days],
    )


def _utc_without_zone(moment: datetime) -> datetime:
    """The moment in UTC as NumPy takes it."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None)


def _without_scene(site: LocatedSite, name: str) -> SiteIndex:
    nothing = Observations(np.empty(0, "datetime64[us]"), np.empty(0))
    return SiteIndex(site, name, nothing, np.empty(0, np.int64), 0, ())


def _write_tables(
    request: TimeSeriesRequest, found: list[SiteIndex], new: Callable[[str], Path]
) -> None:
    tables: dict[str, tuple[Sequence[str], Iterable[Sequence[object]]]] = {
        request.observations: (OBSERVATION_FIELDS, observation_rows(found)),
        request.series: (SERIES_FIELDS, series_rows(_with_series(request, found))),
        request.site_summary: (SITE_FIELDS, site_rows(found)),
    }
    for name, (fields, rows) in tables.items():
        if name:
            write_table(new(name), fields, rows)


def _with_series(
    request: TimeSeriesRequest, found: list[SiteIndex]
) -> Iterator[tuple[SiteIndex, Series]]:
    series = make_series((one.observations for one in found), request.recipe)
    return zip(found, series, strict=True)


def _write_charts(
    request: TimeSeriesRequest,
    inputs: TimeSeriesInputs,
    found: list[SiteIndex],
    new: Callable[[str], Path],
) -> None:
    # The libraries that draw are slow to load, and most runs in a model want no chart.
    from .chart_image import render_chart_image  # noqa: PLC0415
    from .chart_page import render_chart_page  # noqa: PLC0415

    charted = islice(_with_series(request, found), MOST_CHARTED_SITES * len(inputs.recipe.indices))
    names = ", ".join(index.name for index in inputs.recipe.indices)
    chart = Chart(
        title=f"{names}, {request.search.start} to {request.search.end}",
        description=f"{inputs.description} {recipe_in_words(request.recipe)}",
        series=tuple(
            ChartedSeries(
                site_id=str(one.site.id),
                site=one.site.name,
                index=one.index,
                observations=one.observations,
                clear_pixels=one.clear_pixels,
                all_pixels=np.full(len(one.clear_pixels), one.all_pixels),
                series=series,
            )
            for one, series in charted
        ),
        site_count=len(inputs.sites),
        notes=inputs.notes,
    )
    if request.chart:
        new(request.chart).write_text(render_chart_page(chart), encoding="utf-8", newline="")
    if request.chart_image:
        new(request.chart_image).write_bytes(render_chart_image(chart))
