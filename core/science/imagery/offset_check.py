"""Whether a scene's pixels contradict what its item says of the offset.

Some items say that an offset is to be applied to pixels that already have it, or the other way
round (issues 66 and 71 of Element84/earth-search). The darkest clear pixels tell: a surface
cannot reflect less than nothing, and a place's darkest surfaces are about as dark on the days
before and after. What they tell is taken only where there is no doubt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np

from ...bridge.profiles import CollectionProfile
from ..words import count_of
from .scene import Scene

FEWEST_PIXELS = 200
DARKEST_PERCENT = 2
NEIGHBOURS_EACH_WAY = 3
FEWEST_NEIGHBOURS = 3
FEWEST_BANDS = 2
NAMES_SHOWN = 20

# Reflectances. The darkest surfaces of two days differ by less than TOLERANCE, unless haze or snow
# lies over all of them; water and shadow are corrected to a little below zero, never this far.
TOLERANCE = 0.02
SLIGHTLY_BELOW_ZERO = -0.02
FAR_BELOW_ZERO = -0.05

Verdict = Literal["consistent", "contradicted", "conflict"]


@dataclass(frozen=True)
class OverviewSample:
    """Some clear pixels of one scene, and what its item says of them.

    ``numbers`` are the valid stored numbers of each band, in any shape: reflectance = number *
    ``scale`` + ``offset`` by the item's word, and with ``other_offset`` if that word is wrong.
    Scenes of the same ``place`` see the same ground.
    """

    scene_id: str
    moment: datetime
    place: Hashable
    numbers: Mapping[str, np.ndarray]
    scale: float
    offset: float
    other_offset: float


@dataclass(frozen=True)
class Unsampled:
    """A scene whose pixels could not be read; its ``place`` is None where it is not known."""

    moment: datetime
    place: Hashable


@dataclass(frozen=True)
class OffsetFinding:
    """What the pixels of one scene say of its item's word.

    ``contradicted``: the word is wrong beyond doubt, and ``offset`` is what the pixels say.
    ``conflict``: it may be wrong; ``offset`` is the item's.
    """

    scene_id: str
    verdict: Verdict
    offset: float


@dataclass(frozen=True)
class _Darkest:
    """The darkest pixels of one sample: stored numbers by band, none where too few are clear."""

    sample: OverviewSample
    numbers: Mapping[str, float]

    def reflectances(self, offset: float) -> dict[str, float]:
        """The darkest pixels by band, if ``offset`` is right."""
        scale = self.sample.scale
        return {band: number * scale + offset for band, number in self.numbers.items()}


def can_be_checked(profile: CollectionProfile) -> bool:
    """Whether items of the collection may be wrong about the offset."""
    return profile.offset_rule != "item" and profile.offset != 0


def judge_offsets(
    samples: Sequence[OverviewSample], unsampled: Sequence[Unsampled] = ()
) -> list[OffsetFinding]:
    """What the pixels say of each sample's offset, in the order of ``samples``.

    Beyond doubt are: pixels far below zero by the item's word; and, in at least two bands,
    darkest pixels that agree with those of at least three neighbours in time with the other
    offset only, while by the item's word they are below zero or none is below 0.1. Where one that
    is ``unsampled`` would be among the neighbours, it takes less for a conflict.
    """
    darkest = [_find_darkest(sample) for sample in samples]
    offsets = [_offset_by_itself(one) for one in darkest]
    places: dict[Hashable, list[int]] = defaultdict(list)
    for index in sorted(range(len(samples)), key=lambda index: samples[index].moment):
        places[samples[index].place].append(index)
    findings: dict[int, OffsetFinding] = {}
    for place, series in places.items():
        judged = [index for index in series if darkest[index].numbers]
        missed = [one.moment for one in unsampled if one.place in (place, None)]
        for position, index in enumerate(judged):
            before = judged[max(0, position - NEIGHBOURS_EACH_WAY) : position]
            after = judged[position + 1 : position + 1 + NEIGHBOURS_EACH_WAY]
            neighbours = [darkest[other].reflectances(offsets[other]) for other in before + after]
            lacks_some = _has_any_between(
                missed,
                [samples[other].moment for other in before],
                [samples[other].moment for other in after],
            )
            findings[index] = _judge(darkest[index], offsets[index], neighbours, lacks_some)
    return [
        findings.get(index, OffsetFinding(sample.scene_id, "consistent", sample.offset))
        for index, sample in enumerate(samples)
    ]


def settle_offsets(scenes: Iterable[Scene], findings: Iterable[OffsetFinding]) -> list[Scene]:
    """The scenes, with the offset that the pixels say where they contradict the item."""
    contradicted = {one.scene_id: one.offset for one in findings if one.verdict == "contradicted"}
    return [
        _with_offset(scene, contradicted[scene.id]) if scene.id in contradicted else scene
        for scene in scenes
    ]


def findings_in_words(findings: Sequence[OffsetFinding]) -> list[str]:
    """The warnings that the findings deserve, each one sentence with the scenes' ids."""
    contradicted = [one.scene_id for one in findings if one.verdict == "contradicted"]
    conflict = [one.scene_id for one in findings if one.verdict == "conflict"]
    sentences = []
    if contradicted:
        sentences.append(
            "The catalogue gives a wrong brightness offset for "
            f"{count_of(len(contradicted), 'scene')}, and the one that fits the pixels was used: "
            f"{_names(contradicted)}."
        )
    if conflict:
        sentences.append(
            "The brightness offset that the catalogue gives for "
            f"{count_of(len(conflict), 'scene')} may be wrong, but not beyond doubt, so it was "
            "used; if the day looks too dark or too bright, leave the scene out: "
            f"{_names(conflict)}."
        )
    return sentences


def _find_darkest(sample: OverviewSample) -> _Darkest:
    return _Darkest(
        sample,
        {
            band: float(np.percentile(numbers, DARKEST_PERCENT))
            for band, numbers in sample.numbers.items()
            if numbers.size >= FEWEST_PIXELS
        },
    )


def _offset_by_itself(darkest: _Darkest) -> float:
    """The offset that a scene's pixels allow, without looking at its neighbours."""
    told = darkest.reflectances(darkest.sample.offset)
    is_impossible = any(value < FAR_BELOW_ZERO for value in told.values())
    return darkest.sample.other_offset if is_impossible else darkest.sample.offset


def _judge(
    darkest: _Darkest,
    offset_by_itself: float,
    neighbours: Sequence[Mapping[str, float]],
    lacks_some: bool,
) -> OffsetFinding:
    sample = darkest.sample
    if offset_by_itself != sample.offset:
        return OffsetFinding(sample.scene_id, "contradicted", offset_by_itself)
    told = darkest.reflectances(sample.offset)
    other = darkest.reflectances(sample.other_offset)
    lowest = min(told.values())
    if sample.offset == 0:
        # Were the offset still in the pixels, none would be below its amount.
        is_suspicious = lowest >= -sample.other_offset - TOLERANCE / 4
    else:
        is_suspicious = lowest < SLIGHTLY_BELOW_ZERO
    if not neighbours:
        is_conflict = is_suspicious and (sample.offset != 0 or lacks_some)
        return _finding(sample, "conflict" if is_conflict else "consistent")
    reference = {band: _median_of(neighbours, band) for band in told}
    gap, other_gap = _largest_gap(told, reference), _largest_gap(other, reference)
    if not other_gap <= TOLERANCE < gap:
        # With those that are lacking, the other offset might fit.
        is_conflict = lacks_some and is_suspicious and max(TOLERANCE, other_gap) < gap
        return _finding(sample, "conflict" if is_conflict else "consistent")
    neighbours_agree = (
        len(told) >= FEWEST_BANDS
        and len(neighbours) >= FEWEST_NEIGHBOURS
        and all(_spread_of(neighbours, band) <= TOLERANCE for band in told)
    )
    if is_suspicious and neighbours_agree:
        return OffsetFinding(sample.scene_id, "contradicted", sample.other_offset)
    is_conflict = is_suspicious or neighbours_agree or lacks_some
    return _finding(sample, "conflict" if is_conflict else "consistent")


def _has_any_between(
    moments: Iterable[datetime], before: Sequence[datetime], after: Sequence[datetime]
) -> bool:
    """Whether any lies among as many neighbours ``before`` and ``after`` as are looked at."""
    first = before[0] if len(before) == NEIGHBOURS_EACH_WAY else None
    last = after[-1] if len(after) == NEIGHBOURS_EACH_WAY else None
    return any(
        (first is None or first <= moment) and (last is None or moment <= last)
        for moment in moments
    )


def _finding(sample: OverviewSample, verdict: Verdict) -> OffsetFinding:
    return OffsetFinding(sample.scene_id, verdict, sample.offset)


def _median_of(neighbours: Sequence[Mapping[str, float]], band: str) -> float:
    return float(np.median([one[band] for one in neighbours if band in one] or [np.nan]))


def _spread_of(neighbours: Sequence[Mapping[str, float]], band: str) -> float:
    """The median distance from the median, which some wrong neighbours do not disturb."""
    values = [one[band] for one in neighbours if band in one]
    return float(np.median(np.abs(np.array(values) - np.median(values))))


def _largest_gap(found: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """The largest distance of any band; NaN, which is never within bounds, where one is missing."""
    return float(np.max([abs(found[band] - reference[band]) for band in found]))


def _with_offset(scene: Scene, offset: float) -> Scene:
    """The scene, with ``offset`` for all bands of the offset that was judged, the first's."""
    judged = next(iter(scene.bands.values()))
    state = "already have it" if offset == 0 else "still have it"
    return replace(
        scene,
        bands={
            name: replace(source, offset=offset) if source.offset == judged.offset else source
            for name, source in scene.bands.items()
        },
        encoding=f"scale {judged.scale:g}, offset {offset:g} (by the pixels, which {state}, though "
        "the item says otherwise)",
    )


def _names(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMES_SHOWN} more" if len(ids) > NAMES_SHOWN else ""
    return ", ".join(ids[:NAMES_SHOWN]) + more
