"""Offsets as the pixels say them: the check of scenes whose items may be wrong, before a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...bridge.errors import ReadError
from ...bridge.profiles import CollectionProfile
from ..reporter import Reporter
from .offset_check import (
    OverviewSample,
    Unsampled,
    can_be_checked,
    findings_in_words,
    judge_offsets,
    settle_offsets,
)
from .overview_samples import is_cheap_to_sample, place_of, sample_scene
from .readers import Readers
from .reading import BlockReader
from .scene import Fault, Scene
from .scene_grids import with_grids

# How many levels of a scene's files are tried, from the coarsest that will do to finer ones.
LEVELS_TRIED = 3


def check_offsets(
    scenes: Sequence[Scene],
    profile: CollectionProfile,
    masked_classes: tuple[int, ...] | None,
    readers: Readers,
    reporter: Reporter,
) -> list[Scene]:
    """The scenes, with the offset that the pixels say where they contradict the item.

    At most two bands and the mask of a scene are read, from their overviews. A scene without
    overviews is believed. One of which a file cannot be read is tried once more when the others
    have been read, then from finer overviews too; if it still cannot be read, its bands get the
    fault, so that its day is lost where they are needed. What is found is told as warnings.

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
    found = _Sampler(profile, masked_classes, readers).sample_all(scenes)
    pairs = list(zip(scenes, found, strict=True))
    findings = judge_offsets(
        [one for one in found if isinstance(one, OverviewSample)],
        [
            Unsampled(scene.moment, place_of(scene))
            for scene, one in pairs
            if isinstance(one, Fault)
        ],
    )
    for sentence in findings_in_words(findings):
        reporter.warning(sentence)
    usable = [_with_fault(scene, one) if isinstance(one, Fault) else scene for scene, one in pairs]
    return settle_offsets(usable, findings)


# None of a scene that is not cheap to sample.
_Found = OverviewSample | Fault | None


@dataclass(frozen=True)
class _Sampler:
    """Takes samples of scenes; see ``check_offsets``."""

    profile: CollectionProfile
    masked_classes: tuple[int, ...] | None
    readers: Readers

    def sample_all(self, scenes: Sequence[Scene]) -> list[_Found]:
        """A sample of each scene, or why there is none."""
        found = list(self.readers.map(self._sample, scenes))
        failed = [number for number, one in enumerate(found) if isinstance(one, Fault)]
        again = self.readers.map(self._sample_again, [scenes[number] for number in failed])
        for number, one in zip(failed, again, strict=True):
            found[number] = one
        return found

    def _sample(self, scene: Scene, finer: int = 0) -> _Found:
        """The sample from so many levels finer than need be."""
        files = self.readers.files
        try:
            located = with_grids(scene, files)
            if not is_cheap_to_sample(located, files, finer):
                return None
            return sample_scene(
                located,
                self.profile,
                self.masked_classes,
                lambda grid: BlockReader(grid, files, finer=finer),
            )
        except ReadError as error:
            return Fault(error.href, error.reason)

    def _sample_again(self, scene: Scene) -> _Found:
        """The sample from the first level that can be read; the first's fault if there is none."""
        first = self._sample(scene)
        if not isinstance(first, Fault):
            return first
        finer = (self._sample(scene, levels) for levels in range(1, LEVELS_TRIED))
        return next((one for one in finer if isinstance(one, OverviewSample)), first)


def _with_fault(scene: Scene, fault: Fault) -> Scene:
    """The scene, none of whose bands is to be read: nobody knows how bright they are."""
    told = replace(fault, reason=f"{fault.reason}, so that its brightness could not be checked")
    bands = {name: replace(source, fault=told) for name, source in scene.bands.items()}
    return replace(scene, bands=bands)
