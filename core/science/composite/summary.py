"""What the report says of a composite, put together from its plan and its run."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from ...bridge.plain_text import plain_line
from ...bridge.profiles import CollectionProfile
from ...bridge.request import CompositeRequest, request_to_json
from ..area import AreaOfInterest
from ..catalog.checks import cloud_cover
from ..imagery.losses import LostFile
from ..imagery.scene import Scene
from ..provenance import attribution, request_to_show, versions
from ..reporter import Reporter
from ..scene_tile import scene_tile
from ..web.addresses import without_query
from .block import Recipe
from .inputs import CompositeInputs
from .plan import CompositePlan
from .report import (
    CompositeReport,
    ReportBand,
    ReportDay,
    ReportLoss,
    ReportScene,
    UnusedScenes,
)
from .tally import RunStatistics


@dataclass
class WarningsKept:
    """Passes everything on to ``reporter`` and keeps the warnings, for the report."""

    reporter: Reporter
    warnings: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def progress(self, percent: float, text: str) -> None:
        """Pass it on."""
        self.reporter.progress(percent, text)

    def message(self, text: str) -> None:
        """Pass it on."""
        self.reporter.message(text)

    def warning(self, text: str) -> None:
        """Pass it on, and keep it."""
        self.warnings.append(plain_line(text))
        self.reporter.warning(text)

    @property
    def seconds(self) -> float:
        """Since the job began."""
        return time.monotonic() - self.began


def composite_title(request: CompositeRequest, profile: CollectionProfile) -> str:
    """What the composite is, in words: ``Sentinel-2 … median, 2024-01-01 to 2024-12-31``."""
    search = request.search
    return f"{profile.title}: {request.method}, {search.start} to {search.end}"


def summarise_composite(
    inputs: CompositeInputs, statistics: RunStatistics | None, kept: WarningsKept
) -> CompositeReport:
    """The content of the report; without ``statistics``, that of a dry run."""
    request, profile, plan = inputs.request, inputs.profile, inputs.plan
    recipe = plan.recipe
    return CompositeReport(
        title=composite_title(request, profile),
        file_name=Path(request.output).name,
        bands=tuple(ReportBand(band.name, band.title) for band in recipe.output_bands),
        method=request.method,
        area=_area_in_words(inputs.area, recipe.clip_to is not None),
        grid=plan.grid_in_words(),
        collection=profile.title,
        catalog=without_query(inputs.to_read.found.catalog_href),
        days=_days(plan, statistics),
        unused=_unused(inputs),
        masked=_masked_in_words(profile, recipe),
        clear_percent=statistics.clear_percent if statistics else 0.0,
        pixels_by_clear_days=statistics.pixels_by_clear_days if statistics else {},
        warnings=tuple(kept.warnings),
        request_json=request_to_json(replace(request_to_show(request), dry_run=False)),
        versions=versions(),
        attribution=attribution(profile, plan.scenes),
        license=profile.license,
        seconds=kept.seconds,
        estimate="" if statistics else inputs.estimate.in_words(),
        lost=_losses(statistics.lost if statistics else ()),
    )


def _masked_in_words(profile: CollectionProfile, recipe: Recipe) -> tuple[str, ...]:
    """What is left out as cloud."""
    words = [profile.mask.classes[number] for number in recipe.masked_classes or ()]
    if recipe.mask_buffer > 0:
        words.append(f"and what is within {recipe.mask_buffer:g} m of these")
    return tuple(words)


def _area_in_words(area: AreaOfInterest, is_clipped: bool) -> str:
    west, south, east, north = area.search_geometry.bounds
    kind = "The rectangle" if area.is_extent else "The polygon"
    cut = ", and the composite is cut to it" if is_clipped else ""
    return (
        f"{kind} lies between {west:.4f} and {east:.4f} degrees of longitude and {south:.4f} and "
        f"{north:.4f} degrees of latitude{cut}."
    )


def _days(plan: CompositePlan, statistics: RunStatistics | None) -> tuple[ReportDay, ...]:
    return tuple(
        ReportDay(
            day=day.day,
            scenes=tuple(_scene(scene) for scene in day.scenes),
            clear_percent=_clear_percent(day.day, statistics),
        )
        for day in plan.days
    )


def _clear_percent(day: date, statistics: RunStatistics | None) -> float | None:
    if statistics is None:
        return None
    return 100 * statistics.clear_pixels.get(day, 0) / max(statistics.area_pixels, 1)


def _scene(scene: Scene) -> ReportScene:
    properties = scene.properties
    return ReportScene(
        id=scene.id,
        moment=scene.moment,
        platform=str(properties.get("platform") or ""),
        tile=scene_tile(scene.id, properties) or "",
        cloud_cover=cloud_cover(properties),
        encoding=scene.encoding,
    )


def _losses(lost: Iterable[LostFile]) -> tuple[ReportLoss, ...]:
    return tuple(
        ReportLoss(
            day=file.loss.day,
            scene=file.loss.scene,
            band=file.loss.band,
            blocks=file.blocks,
            reason=file.loss.reason,
            file=file.loss.file,
        )
        for file in lost
    )


def _unused(inputs: CompositeInputs) -> tuple[UnusedScenes, ...]:
    unused = [
        UnusedScenes(drop.reason, drop.count, drop.ids) for drop in inputs.to_read.found.dropped
    ]
    for reason, ids in (
        ("A band that is needed, the time or the offset is missing", inputs.to_read.incomplete),
        ("No pixel in the area", inputs.plan.outside),
    ):
        if ids:
            unused.append(UnusedScenes(reason, len(ids), ids))
    return tuple(unused)
