"""What a composite is made from: the scenes that a search found, and the plan made of them."""

from __future__ import annotations

from dataclasses import dataclass

from ...bridge.errors import InvalidRequestError
from ...bridge.mask_classes import check_mask_buffer
from ...bridge.profiles import CollectionProfile, find_profile
from ...bridge.request import DTYPES, METHODS, CompositeRequest
from ..area import AreaOfInterest, read_area
from ..coverage import date_warnings
from ..imagery.estimate import Estimate
from ..imagery.losses import check_on_error
from ..imagery.masks import choose_masked_classes
from ..imagery.output_bands import choose_output_bands, source_bands
from ..imagery.readers import Readers
from ..reporter import Reporter
from ..scenes_to_read import ScenesToRead, find_scenes_to_read
from .coverage import cover_area, scene_warnings
from .plan import CompositePlan, plan_composite
from .workload import estimate_composite


@dataclass(frozen=True)
class CompositeInputs:
    """All that is known before a pixel is read."""

    request: CompositeRequest
    profile: CollectionProfile
    area: AreaOfInterest
    to_read: ScenesToRead
    plan: CompositePlan
    estimate: Estimate


def prepare_composite(
    request: CompositeRequest, reporter: Reporter, readers: Readers
) -> CompositeInputs:
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
    _check_choice("METHOD", request.method, METHODS)
    _check_choice("DTYPE", request.dtype, DTYPES)
    check_on_error(request.on_error)
    check_mask_buffer(request.mask_buffer)
    output_bands = choose_output_bands(request.bands, profile)
    masked = choose_masked_classes(request.mask_classes, profile)
    area = read_area(request.search.area, reporter)
    to_read = find_scenes_to_read(
        request,
        profile,
        area,
        source_bands(output_bands),
        masked,
        readers=readers,
        reporter=reporter,
    )
    reporter.progress(8, "Planning")
    plan = plan_composite(
        request, area, to_read.scenes, readers, output_bands=output_bands, masked_classes=masked
    )
    reporter.message(plan.summary())
    coverage = cover_area(plan, area)
    warnings = date_warnings(request.search, profile, to_read.found, coverage)
    for sentence in (*warnings, *scene_warnings(coverage)):
        reporter.warning(sentence)
    estimate = estimate_composite(plan, request)
    reporter.message(estimate.in_words())
    return CompositeInputs(request, profile, area, to_read, plan, estimate)


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidRequestError(f"{name} {value!r} is not known; choose {' or '.join(known)}.")
