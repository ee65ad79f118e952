"""The composite's report: one HTML page that says what was made, from what, and how."""

from __future__ import annotations

import base64
import math
import pkgutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined

from ..whole_file import whole_file
from .preview import RAMP, make_preview

PREVIEW_SIDE = 1000  # pixels
LONG_LIST = 60  # scenes; a longer list is folded until asked for


@dataclass(frozen=True)
class ReportBand:
    """A band of the composite: its name in the file, and a title for people."""

    name: str
    title: str


@dataclass(frozen=True)
class ReportScene:
    """A scene that was used.

    ``tile`` is its place in the collection's grid and ``platform`` the satellite, empty where the
    item does not say; ``cloud_cover`` is in percent. ``encoding`` says in words what was done with
    scale and offset.
    """

    id: str
    moment: datetime
    platform: str
    tile: str
    cloud_cover: float | None
    encoding: str


@dataclass(frozen=True)
class ReportDay:
    """A solar day and its scenes.

    ``clear_percent`` is the clear share of the area's pixels, None where no pixel was read.
    """

    day: date
    scenes: tuple[ReportScene, ...]
    clear_percent: float | None


@dataclass(frozen=True)
class UnusedScenes:
    """Scenes that were not used, and why; ``ids`` may be empty where only the number is known."""

    reason: str
    count: int
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportLoss:
    """A file that could not be read in ``blocks`` blocks, from which its day is left out."""

    day: date
    scene: str
    band: str
    blocks: int
    reason: str
    file: str


@dataclass(frozen=True)
class CompositeReport:
    """All that the page says, apart from the picture.

    ``area`` and ``grid`` are sentences; so are ``warnings``. ``masked`` are the titles of the mask
    classes that were taken for clouds, empty where nothing was masked. ``clear_percent`` is the
    share of the area's pixels with at least one clear day, and ``pixels_by_clear_days`` how many
    of them have how many. ``seconds`` is how long the run took. ``estimate`` is a sentence on what
    a run would take, of a dry run, which read no pixel; else empty. ``lost`` are the files that
    could not be read.
    """

    title: str
    file_name: str
    bands: tuple[ReportBand, ...]
    method: str
    area: str
    grid: str
    collection: str
    catalog: str
    days: tuple[ReportDay, ...]
    unused: tuple[UnusedScenes, ...]
    masked: tuple[str, ...]
    clear_percent: float
    pixels_by_clear_days: Mapping[int, int]
    warnings: tuple[str, ...]
    request_json: str
    versions: Mapping[str, str]
    attribution: str
    license: str
    seconds: float
    estimate: str = ""
    lost: tuple[ReportLoss, ...] = ()

    @property
    def scenes(self) -> list[ReportScene]:
        """All scenes used, in order."""
        return [scene for day in self.days for scene in day.scenes]

    @property
    def scenes_by_encoding(self) -> list[tuple[str, int]]:
        """Each way of scale and offset, with its number of scenes, the most common first."""
        return Counter(scene.encoding for scene in self.scenes).most_common()

    @property
    def clear_days(self) -> ClearDays:
        """How many clear days the area's pixels have."""
        return ClearDays(self.pixels_by_clear_days)


class ClearDays:
    """The distribution of clear days over the area's pixels."""

    def __init__(self, pixels_by_clear_days: Mapping[int, int]) -> None:
        self._pixels = {days: count for days, count in pixels_by_clear_days.items() if count > 0}
        self.pixels = sum(self._pixels.values())

    @property
    def median(self) -> int:
        """At least half of the pixels have this many clear days, or fewer."""
        seen = 0
        for days in sorted(self._pixels):
            seen += self._pixels[days]
            if 2 * seen >= self.pixels:
                return days
        return 0

    @property
    def fewest(self) -> int:
        """Of any pixel."""
        return min(self._pixels, default=0)

    @property
    def most(self) -> int:
        """Of any pixel."""
        return max(self._pixels, default=0)

    @property
    def bars(self) -> list[tuple[int, float, float]]:
        """For each number of days: percent of the pixels, and that relative to the largest."""
        largest = max(self._pixels.values(), default=1)
        numbers = range(self.fewest, self.most + 1)
        counts = [(days, self._pixels.get(days, 0)) for days in numbers]
        return [
            (days, 100 * count / max(1, self.pixels), 100 * count / largest)
            for days, count in counts
        ]


def write_composite_report(
    target: Path, report: CompositeReport, raster: Path | None, scratch: Path
) -> None:
    """Write ``report`` as one page with a picture of ``raster``, if any, whole or not at all.

    The page fetches nothing: the picture is inside, and there is no script.

    Raises:
        OutputError: the page cannot be written.
    """
    page = render_composite_report(report, raster)
    with whole_file(target, scratch) as part:
        # A catalogue's text may hold halves of characters, which UTF-8 cannot.
        part.write_text(page, encoding="utf-8", errors="replace")


def _template_text(name: str) -> str:
    # From the package's loader: the folder may be another version's meanwhile.
    return (pkgutil.get_data(__name__, f"templates/{name}") or b"").decode("utf-8")


def render_composite_report(report: CompositeReport, raster: Path | None) -> str:
    """The page as HTML; every text in ``report`` is escaped."""
    preview = make_preview(raster, PREVIEW_SIDE) if raster else None
    environment = Environment(
        loader=FunctionLoader(_template_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=in_percent, duration=duration_in_words)
    return environment.get_template("composite_report.html").render(
        report=report,
        preview=preview,
        picture=base64.b64encode(preview.png).decode("ascii") if preview else "",
        ramp=", ".join(f"rgb{colour}" for colour in RAMP),
        long_list=LONG_LIST,
    )


def in_percent(value: float) -> str:
    """``value`` with one decimal; never 100 or 0 where it is not quite."""
    if 99.95 <= value < 100:
        return "> 99.9 %"
    if 0 < value < 0.05:
        return "< 0.1 %"
    return f"{value:.1f} %" if value % 1 else f"{value:.0f} %"


def duration_in_words(seconds: float) -> str:
    """A duration as a person would say it: ``2 min 5 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(math.floor(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
