"""What a time series is made from: the sites, the scenes over them, and the plan of reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from ...bridge.errors import InvalidRequestError
from ...bridge.mask_classes import check_mask_buffer
from ...bridge.profiles import CollectionProfile, find_profile
from ...bridge.request import TimeSeriesRequest
from ..area import read_area
from ..coverage import Coverage, date_warnings
from ..imagery.encoding import choose_encoding
from ..imagery.losses import Loss, check_on_error
from ..imagery.mask_buffer import bytes_of_growing
from ..imagery.masks import choose_masked_classes
from ..imagery.memory_budget import BASE_BYTES, budget_bytes
from ..imagery.output_bands import choose_output_bands, source_bands
from ..imagery.readers import READS_IN_FLIGHT, Readers
from ..imagery.scene import Scene
from ..imagery.scene_grids import finest_grid, locate_scenes
from ..provenance import attribution, versions
from ..reporter import Reporter
from ..scenes_to_read import find_scenes_to_read
from ..words import count_of
from .coverage import cover_sites, list_names, scene_warnings
from .observing import ObservingRecipe
from .site_blocks import SiteBlock, SitePlan, plan_sites
from .sites import LocatedSite, locate_sites
from .statistics import check_statistic


@dataclass(frozen=True)
class TimeSeriesInputs:
    """All that is known before a pixel is read.

    ``description`` and ``notes`` are for the charts; ``reads_at_once`` is how many scene days may
    be read at the same time. ``unreadable`` is what is lost of scenes whose place only a file could
    tell, which cannot be read.
    """

    sites: tuple[LocatedSite, ...]
    site_by_id: Mapping[int, LocatedSite]
    plan: SitePlan
    coverage: Coverage
    recipe: ObservingRecipe
    reads_at_once: int
    description: str
    notes: tuple[str, ...]
    unreadable: tuple[Loss, ...] = ()


def prepare_time_series(
    request: TimeSeriesRequest, reporter: Reporter, readers: Readers
) -> TimeSeriesInputs:
    """Check the request, search, and plan.

    Files are opened only where an item tells no grid or may be wrong about its offset, and for
    the latter not in a dry run.

    Raises:
        InvalidRequestError: the request makes no sense.
        CatalogError: the catalogue cannot be read.
        NoScenesError: nothing was found.
        AccessError: the catalogue, or the scenes' files, want keys, or other ones.
    """
    profile = find_profile(request.search.collection, request.search.profile)
    indices = choose_output_bands(request.indices, profile, "INDEX")
    check_statistic(request.statistic)
    check_on_error(request.on_error)
    check_mask_buffer(request.mask_buffer)
    masked = choose_masked_classes(request.mask_classes, profile)
    sites = _locate(request, reporter)
    area = read_area(request.search.area, reporter)
    bands = source_bands(indices)
    to_read = find_scenes_to_read(
        request, profile, area, bands, masked, readers=readers, reporter=reporter
    )
    reporter.progress(8, "Planning")
    skips_unreadable = request.on_error == "skip"
    scenes, unreadable = locate_scenes(to_read.scenes, readers, skips_unreadable)
    grids = [finest_grid(scene) for scene in scenes]
    mask_buffer = 0.0 if masked is None else request.mask_buffer
    plan = plan_sites(sites, scenes, grids, mask_buffer)
    _tell(plan, sites, scenes, reporter)
    coverage = cover_sites(plan, sites)
    warnings = date_warnings(request.search, profile, to_read.found, coverage)
    for sentence in (*warnings, *scene_warnings(coverage, sites)):
        reporter.warning(sentence)
    recipe = ObservingRecipe(
        indices=tuple(indices),
        encodings={band: choose_encoding([s.bands[band] for s in scenes]) for band in bands},
        masked_classes=masked,
        statistic=request.statistic,
        min_clear=request.min_clear,
        mask_buffer=mask_buffer,
        skips_unreadable=skips_unreadable,
    )
    return TimeSeriesInputs(
        sites=tuple(sites),
        site_by_id={site.id: site for site in sites},
        plan=plan,
        coverage=coverage,
        recipe=recipe,
        reads_at_once=_reads_at_once(plan.blocks, len(bands), request.memory_gb, mask_buffer),
        description=f"{profile.title}: {request.statistic} of each site's clear pixels.",
        notes=_notes(profile, scenes),
        unreadable=tuple(unreadable),
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
    for encoding, count in Counter(scene.encoding for scene in scenes).most_common():
        reporter.message(f"Reflectance of {count_of(count, 'scene')}: {encoding}.")
    if plan.smaller_than_a_pixel:
        reporter.message(
            "Smaller than a pixel, so each takes the pixel it lies in: "
            f"{list_names([names[site] for site in plan.smaller_than_a_pixel])}."
        )


def _reads_at_once(
    blocks: tuple[SiteBlock, ...], bands: int, memory_gb: float, mask_buffer: float
) -> int:
    """As many scene days as fit the memory budget at the same time, at least one.

    Raises:
        InvalidRequestError: not even one fits.
    """
    needed = max((_bytes_of_a_day(block.geobox, bands, mask_buffer) for block in blocks), default=1)
    fitting = (budget_bytes(memory_gb) - BASE_BYTES) // needed
    if fitting < 1:
        raise InvalidRequestError(
            f"The largest site needs {(needed + BASE_BYTES) / 1024**3:.1f} GB of memory; raise "
            "MEMORY, or cut the site into smaller polygons."
        )
    return int(min(READS_IN_FLIGHT, fitting))


def _bytes_of_a_day(block: GeoBox, bands: int, mask_buffer: float) -> int:
    # Of each pixel of a day: a band as read, as held and fused, and whether it is valid; the
    # lookup of a scene in another CRS; of the sites' own pixels, each band as float64 and more.
    height, width = block.shape
    return int(height * width * (bands * 24 + 96) + bytes_of_growing(block, mask_buffer))


def _notes(profile: CollectionProfile, scenes: list[Scene]) -> tuple[str, ...]:
    return (
        f"{attribution(profile, scenes)}. Licence: {profile.license}.",
        f"Made by Fairweather {versions()['fairweather']}.",
    )
