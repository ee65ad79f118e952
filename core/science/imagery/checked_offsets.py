"""Offsets as the pixels say them: the check of scenes whose items may be wrong, before a run."""

from __future__ import annotations

from collections.abc import Sequence

from ...bridge.errors import ReadError
from ...bridge.profiles import CollectionProfile
from ..reporter import Reporter
from .offset_check import (
    OverviewSample,
    can_be_checked,
    findings_in_words,
    judge_offsets,
    settle_offsets,
)
from .overview_samples import is_cheap_to_sample, sample_scene
from .readers import Readers
from .reading import BlockReader
from .scene import Scene
from .scene_grids import with_grids


def check_offsets(
    scenes: Sequence[Scene],
    profile: CollectionProfile,
    masked_classes: tuple[int, ...] | None,
    readers: Readers,
    reporter: Reporter,
) -> list[Scene]:
    """The scenes, with the offset that the pixels say where they contradict the item.

    At most two bands and the mask of a scene are read, from their overviews. A scene without
    overviews, or of which a file cannot be read, is believed. What is found is told as warnings.

    Args:
        scenes: as their items describe them.
        profile: of the collection; nothing is read unless its items may be wrong.
        masked_classes: classes or bits that are not clear, None where nothing is masked.
        readers: that read, all scenes at once.
        reporter: that is told.
    """
    if not can_be_checked(profile):
        return list(scenes)
    reporter.progress(6, "Checking the offsets")

    def sample(scene: Scene) -> OverviewSample | None:
        try:
            located = with_grids(scene, readers.files)
            if not is_cheap_to_sample(located, readers.files):
                return None
            return sample_scene(
                located, profile, masked_classes, lambda grid: BlockReader(grid, readers.files)
            )
        except ReadError:
            return None

    samples = [found for found in readers.map(sample, scenes) if found is not None]
    findings = judge_offsets(samples)
    for sentence in findings_in_words(findings):
        reporter.warning(sentence)
    return settle_offsets(scenes, findings)
