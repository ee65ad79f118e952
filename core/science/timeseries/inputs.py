"""What a time series is made from: the sites, the scenes over them, and the plan of reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...bridge.errors import InvalidRequestError
from ...bridge.profiles import CollectionProfile, find_profile
from ...bridge.request import TimeSeriesRequest
from ..area import read_area
from ..catalog.find import find_scenes
from ..imagery.encoding import choose_encoding
from ..imagery.masks import choose_masked_classes
from ..imagery.memory_budget import BASE_BYTES, budget_bytes
from ..imagery.output_bands import choose_output_bands, source_bands
from ..imagery.readers import Readers
from ..imagery.scene import Scene, read_scenes
from ..imagery.scene_grids import finest_grid, with_grids
from ..provenance import attribution, versions
from ..reporter import Reporter
from .observing import ObservingRecipe
from .site_blocks import SiteBlock, SitePlan, plan_sites
from .sites import LocatedSite, locate_sites
from .statistics import check_statistic

# The work waits on the network, not on the processor.
READS_AT_ONCE = 16

NAMES_IN_A_MESSAGE = 10


@dataclass(frozen=True)
class TimeSeriesInputs:
    """All that is known before a pixel is read.

    ``description`` and ``notes`` are for the charts; ``reads_at_once`` is how many scene days may
    be read at the same time.
    """

    sites: tuple[LocatedSite, ...]
    site_by_id: Mapping[int, LocatedSite]
    plan: SitePlan
    recipe: ObservingRecipe
    reads_at_once: int
    description: str
    notes: tuple[str, ...]


def prepare_time_series(request: TimeSeriesRequest, reporter: Reporter) -> TimeSeriesInputs:
    """Check the request, search, and plan; files are opened only where an item tells no grid.

    Raises:
        InvalidRequestError: the request makes no sense.
        CatalogError: the catalogue cannot be read.
        NoScenesError: nothing was found.
    """
    profile = find_profile(request.search.collection)
    indices = choose_output_bands(request.indices, profile, "INDEX")
    check_statistic(request.statistic)
    masked = choose_masked_classes(request.mask_classes, profile)
    sites = _locate(request, reporter)
    area = read_area(request.search.area, reporter)
    found = find_scenes(request.search, profile, area, reporter)
    bands = source_bands(indices)
    scenes, incomplete = read_scenes(found.items, profile, bands, with_mask=masked is not None)
    if incomplete:
        reporter.warning(
            f"{len(incomplete)} of {len(found.items)} scenes lack a band that is needed and are "
            "left out."
        )
    reporter.progress(8, "Planning")
    with Readers(READS_AT_ONCE) as readers:
        scenes = list(readers.map(with_grids, scenes))
    plan = plan_sites(sites, scenes, [finest_grid(scene) for scene in scenes])
    _tell(plan, sites, scenes, reporter)
    recipe = ObservingRecipe(
        indices=tuple(indices),
        encodings={band: choose_encoding([s.bands[band] for s in scenes]) for band in bands},
        masked_classes=masked,
        statistic=request.statistic,
        min_clear=request.min_clear,
    )
    return TimeSeriesInputs(
        sites=tuple(sites),
        site_by_id={site.id: site for site in sites},
        plan=plan,
        recipe=recipe,
        reads_at_once=_reads_at_once(plan.blocks, len(bands), request.memory_gb),
        description=f"{profile.title}: {request.statistic} of each site's clear pixels.",
        notes=_notes(profile, scenes),
    )


def _locate(request: TimeSeriesRequest, reporter: Reporter) -> list[LocatedSite]:
    ids = {site.id for site in request.sites}
    if not ids or len(ids) < len(request.sites):
        raise InvalidRequestError(
            "The sites must be at least one, each with an id of its own; give SITES or POINT."
        )
    return locate_sites(request.sites, request.sites_crs, reporter)


def _tell(
    plan: SitePlan, sites: list[LocatedSite], scenes: list[Scene], reporter: Reporter
) -> None:
    names = {site.id: site.name for site in sites}
    days = {day.day for own in plan.days_by_site.values() for day in own}
    reporter.message(
        f"{len(sites)} sites in {len(plan.blocks)} blocks; {len(scenes)} scenes on {len(days)} "
        "days."
    )
    if plan.smaller_than_a_pixel:
        reporter.message(
            "Smaller than a pixel, so each takes the pixel it lies in: "
            f"{_list_names([names[site] for site in plan.smaller_than_a_pixel])}."
        )
    if plan.without_scene:
        reporter.warning(
            "No scene lies over these sites, so they have no observation: "
            f"{_list_names([names[site] for site in plan.without_scene])}."
        )


def _list_names(names: list[str]) -> str:
    more = len(names) - NAMES_IN_A_MESSAGE
    return ", ".join(names[:NAMES_IN_A_MESSAGE]) + (f" and {more} more" if more > 0 else "")


def _reads_at_once(blocks: tuple[SiteBlock, ...], bands: int, memory_gb: float) -> int:
    """As many scene days as fit the memory budget at the same time, at least one.

    Raises:
        InvalidRequestError: not even one fits.
    """
    largest = max((block.geobox.shape[0] * block.geobox.shape[1] for block in blocks), default=1)
    # Of each pixel of a day: a band as read, as held and fused, and whether it is valid; the
    # lookup of a scene in another CRS; of the sites' own pixels, each band as float64 and more.
    needed = largest * (bands * 24 + 96)
    fitting = (budget_bytes(memory_gb) - BASE_BYTES) // needed
    if fitting < 1:
        raise InvalidRequestError(
            f"The largest site needs {(needed + BASE_BYTES) / 1024**3:.1f} GB of memory; raise "
            "MEMORY, or cut the site into smaller polygons."
        )
    return int(min(READS_AT_ONCE, fitting))


def _notes(profile: CollectionProfile, scenes: list[Scene]) -> tuple[str, ...]:
    return (
        f"{attribution(profile, scenes)}. Licence: {profile.license}.",
        f"Made by Fairweather {versions()['fairweather']}.",
    )
