"""What a composite is made from: the scenes that a search found, and the plan made of them."""

from __future__ import annotations

from dataclasses import dataclass

from ...bridge.errors import InvalidRequestError
from ...bridge.profiles import CollectionProfile, find_profile
from ...bridge.request import CompositeRequest
from ..area import AreaOfInterest, read_area
from ..catalog.find import find_scenes
from ..catalog.found import FoundScenes
from ..imagery.masks import choose_masked_classes
from ..imagery.output_bands import choose_output_bands, source_bands
from ..imagery.readers import Readers
from ..imagery.scene import read_scenes
from ..reporter import Reporter
from .plan import CompositePlan, plan_composite

DTYPES = ("float32", "int16")
METHODS = ("median",)


@dataclass(frozen=True)
class CompositeInputs:
    """All that is known before a pixel is read; ``incomplete`` are ids of scenes left out."""

    request: CompositeRequest
    profile: CollectionProfile
    area: AreaOfInterest
    found: FoundScenes
    incomplete: tuple[str, ...]
    plan: CompositePlan


def prepare_composite(
    request: CompositeRequest, reporter: Reporter, readers: Readers
) -> CompositeInputs:
    """Check the request, search, and plan; files are opened only where an item tells no grid.

    Raises:
        InvalidRequestError: the request makes no sense.
        CatalogError: the catalogue cannot be read.
        NoScenesError: nothing was found.
    """
    profile = find_profile(request.search.collection)
    _check_choice("METHOD", request.method, METHODS)
    _check_choice("DTYPE", request.dtype, DTYPES)
    output_bands = choose_output_bands(request.bands, profile)
    masked = choose_masked_classes(request.mask_classes, profile)
    area = read_area(request.search.area, reporter)
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
    plan = plan_composite(
        request, area, scenes, readers, output_bands=output_bands, masked_classes=masked
    )
    reporter.message(plan.summary())
    return CompositeInputs(request, profile, area, found, tuple(incomplete), plan)


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidRequestError(f"{name} {value!r} is not known; choose {' or '.join(known)}.")
