"""The scenes that a composite or a series is made of: found, understood, and checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..bridge.profiles import CollectionProfile
from ..bridge.request import CompositeRequest, TimeSeriesRequest
from .area import AreaOfInterest
from .catalog.find import find_scenes
from .catalog.found import FoundScenes
from .catalog.output_checks import checked_items
from .imagery.checked_offsets import check_offsets
from .imagery.readers import Readers
from .imagery.scene import Scene, read_scenes
from .reporter import Reporter


@dataclass(frozen=True)
class ScenesToRead:
    """What a search found and what is left of it; ``incomplete`` are ids of scenes left out."""

    found: FoundScenes
    scenes: tuple[Scene, ...]
    incomplete: tuple[str, ...]


def find_scenes_to_read(
    request: CompositeRequest | TimeSeriesRequest,
    profile: CollectionProfile,
    area: AreaOfInterest,
    bands: Iterable[str],
    masked_classes: tuple[int, ...] | None,
    *,
    readers: Readers,
    reporter: Reporter,
) -> ScenesToRead:
    """Search, and read what the items say of ``bands`` and, where it is needed, the mask.

    Pixels are read only to see whether an item is wrong about its offset, and not in a dry run.

    Raises:
        InvalidRequestError: no scene has what is needed, or a file of one is an output.
        CatalogError: the catalogue cannot be read.
        NoScenesError: nothing was found.
        AccessError: the catalogue, or the scenes' files, want keys, or other ones.
    """
    found = find_scenes(request.search, profile, area, reporter, access=readers.access)
    with_mask = masked_classes is not None
    items = checked_items(found, request)
    scenes, incomplete = read_scenes(items, profile, bands, with_mask=with_mask)
    if incomplete:
        reporter.warning(
            f"{len(incomplete)} of {len(found.items)} scenes lack a band that is needed, the time "
            "or the offset, and are left out."
        )
    hrefs = (source.href for scene in scenes for source in scene.sources)
    readers.access.check(hrefs, on_cluster=bool(request.cluster) or request.dashboard)
    if not request.dry_run:
        scenes = check_offsets(scenes, profile, masked_classes, readers, reporter)
    return ScenesToRead(found, tuple(scenes), tuple(incomplete))
