"""20,000 formulas and filters, and as many other texts that a user, a file or a pipe may bring.

Headers of Parquet are texts here, too, of a byte a letter.

All are made by their language's grammar, and a part is broken then; beside them come random bytes
and bombs of ten million characters. An audit hook hears what reading them touches.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import io
import json
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from fairweather.core.bridge.credentials import (
    Headers,
    Login,
    StorageKeys,
    TokenGrant,
    credentials_from_line,
    credentials_to_line,
)
from fairweather.core.bridge.errors import FairweatherError
from fairweather.core.bridge.events import Progress, Result, event_from_line, event_to_line
from fairweather.core.bridge.indices import load_indices, read_layers, split_entries
from fairweather.core.bridge.mask_classes import read_mask_classes
from fairweather.core.bridge.profiles import PROFILES_FOLDER, load_profiles, read_profile
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SampleCatalogRequest,
    SceneSearch,
    SearchScenesRequest,
    Site,
    TimeSeriesRequest,
    read_request,
    request_to_json,
)
from fairweather.core.bridge.scene_filter import parse_filter, parse_months
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.area import read_area
from fairweather.core.science.catalog.checks import read_conditions
from fairweather.core.science.catalog.parquet_pages import TextEncodingError, rows_at_once
from fairweather.core.science.imagery.formula import parse_formula
from fairweather.core.science.reporter import RecordingReporter
from handmade_parquet import file_of, natural, page, with_footer
from soak_json_mutations import NUMBERS, TEXTS, mutate, odd_value
from soak_row import Row, Trial
from soak_time import SECONDS_IN_ALL, ReadTimes
from soak_watch import Watch

# Each brings a formula or a filter, and a text of another language.
TIMES = 20_000
FIRST = ("formula", "FILTER")
SHARE_BROKEN = 0.4
MOST_FAILURES_SHOWN = 12
# Ten million characters take 10 to 40 MB, and a parser may hold some copies of them.
MOST_MEGABYTES = 600
BOMB = 10_000_000

PARQUET = Path(__file__).resolve().parents[2] / "science/geoparquet/by_rustac.parquet"
# What a damaged file raises, by the reader's word; MemoryError is none of it.
DAMAGED = (LookupError, OSError, OverflowError, RuntimeError, TypeError, ValueError)

RING = [[10.0, 45.0], [11.0, 45.0], [11.0, 46.0], [10.0, 46.0], [10.0, 45.0]]
PROPERTIES = {
    "platform": "sentinel-2a" * 400,
    "grid:code": "MGRS-33TWM",
    "s2:nodata_pixel_percentage": 12.5,
    "huge": 10**400,
    "odd": float("nan"),
    "list": [1],
    "yes": True,
    "none": None,
}


def _formula(source: random.Random, depth: int = 0) -> str:
    kind = source.randrange(8 if depth < 6 else 2)
    if kind == 0:
        return source.choice(("nir", "red", "swir16", "where", "lambda", "None", "__class__", "x"))
    if kind == 1:
        return source.choice(
            ("0", "1", "2.5", ".5", "1e3", "1e400", "0x1f", "1_0", "1j", "9" * 400)
        )
    left, right = _formula(source, depth + 1), _formula(source, depth + 1)
    if kind < 5:
        return f"{left} {source.choice('+-*/^<>=,|&@%')} {right}"
    if kind == 5:
        return f"({left})"
    if kind == 6:
        return f"-{left}"
    name = source.choice(("min", "max", "abs", "sqrt", "log", "exp", "where", "eval", "open"))
    return f"{name}({', '.join(_formula(source, depth + 1) for _ in range(source.randrange(4)))})"


def _filter(source: random.Random) -> str:
    def value() -> str:
        return source.choice(
            ("50", "'a b'", '"x"', "'it''s'", "1e999", "٣", "true", "a,b", "()", "-", "'", "nan")
        )

    parts = []
    for _ in range(source.randrange(1, 5)):
        name = source.choice((*PROPERTIES, "unknown", "and", "in", "'quoted'"))
        operator = source.choice(("=", "!=", "<", "<=", ">", ">=", "in", "like", "LIKE", "=="))
        text = value()
        if operator == "in":
            text = f"({', '.join(value() for _ in range(source.randrange(4)))})"
        elif operator.lower() == "like":
            text = "'" + "".join(source.choice("%_a2s.*[\\") for _ in range(60)) + "'"
        parts.append(f"{name} {operator} {text}")
    return source.choice((" and ", " AND ", " or ", " ")).join(parts)


def _months(source: random.Random) -> str:
    numbers = ("1", "12", "5-9", "11-2", "0", "13", "007", "1–3", "", "-", "5-", "1.5", "٣")
    return source.choice((",", " , ", ";")).join(source.choices(numbers, k=source.randrange(6)))


def _bands(source: random.Random) -> str:
    entries = ["red", "NDVI", "nir", "x=nir/red", "y=(nir,red)", "=", "a==b", "é=red", "EVI", "evi"]
    entries += [f"z{source.randrange(3)}={_formula(source)}", *load_indices()]
    return ",".join(source.choices(entries, k=source.randrange(6)))


def _classes(source: random.Random) -> str:
    words = ("3", "8", "none", "cloud", "shadow", "-1", "99", "9" * 30, "Cloud", "", "٣")
    return ",".join(source.choices(words, k=source.randrange(6)))


def _requests() -> list[dict[str, Any]]:
    area = Area("EPSG:4326", {"type": "Polygon", "coordinates": [RING]})
    search = SceneSearch("sentinel-2-l2a", area, "2024-01-01", "2024-12-31", months=(5,))
    site = Site(1, "one", {"type": "Point", "coordinates": [10.5, 45.5]})
    found = (
        SearchScenesRequest(search, "items.json", ""),
        CompositeRequest(search, ("red",), "a.tif"),
        SampleCatalogRequest("folder"),
        TimeSeriesRequest(search, (site,), "EPSG:4326", ("NDVI",), SeriesRecipe()),
    )
    return [json.loads(request_to_json(request)) for request in found]


def _credentials() -> list[dict[str, Any]]:
    found = (
        Login("a", "b"),
        Headers({"X-Key": "a"}),
        TokenGrant("https://a/token", "a"),
        StorageKeys("a", "b"),
    )
    return [json.loads(credentials_to_line(one)) for one in found]


def _events() -> list[dict[str, Any]]:
    return [json.loads(event_to_line(one)) for one in (Progress(5.0, "x"), Result({"a": 1}))]


def _profile_files() -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in PROFILES_FOLDER.glob("*.json")]


def _json_of(honest: list[dict[str, Any]]) -> Callable[[random.Random], str]:
    def make(source: random.Random) -> str:
        def retype(content: Any, own: random.Random) -> None:
            key = own.choice(list(content))
            content[key] = own.choice((*NUMBERS, *TEXTS, odd_value(own)))

        return json.dumps(mutate(source.choice(honest), source, (retype,)))

    return make


def _parquet() -> tuple[bytes, bytes]:
    """Pages and footer of a file that another program has written."""
    content = PARQUET.read_bytes()
    end = len(content) - 8
    start = end - int.from_bytes(content[end : end + 4], "little")
    return content[4:start], content[start:end]


def _other_numbers(header: bytes, source: random.Random) -> str:
    """A header with some of its bytes replaced by numbers of any length."""
    changed = bytearray(header)
    for _ in range(source.randrange(4)):
        place = source.randrange(len(changed))
        number = source.choice((0, 1, 127, 2**14, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1))
        changed[place : place + 1] = natural(number)
    return changed.decode("latin-1")


def _page_header(source: random.Random) -> str:
    return _other_numbers(page(b"", more={8: {1: 3, 4: 0}, 20: [b"a", b"b"]}), source)


@dataclasses.dataclass(frozen=True)
class Language:
    """How texts of it are made, and who reads them."""

    make: Callable[[random.Random], str]
    read: Callable[[str, Path], object]


def _read_formula(text: str, _: Path) -> None:
    formula = parse_formula(text)
    values = np.array([[-1.0, 0.0, np.nan], [np.inf, 1e308, 5e-324]])
    with np.errstate(all="ignore"):
        formula.evaluate(dict.fromkeys(formula.bands, values))


def _read_filter(text: str, _: Path) -> None:
    for comparison in parse_filter(text):
        comparison.matches(PROPERTIES)
        str(comparison)


def _read_request(text: str, folder: Path) -> None:
    file = folder / "request.json"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    request = read_request(file)
    request_to_json(request)
    if not isinstance(request, SampleCatalogRequest):
        area = read_area(request.search.area, RecordingReporter())
        read_conditions(request.search, "sentinel-2-l2a", area.search_geometry)


def _read_profile(text: str, folder: Path) -> None:
    file = folder / "profile.json"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    read_profile(file)


def _read_bands(text: str, _: Path) -> None:
    read_layers(split_entries(text), load_profiles()["sentinel-2-l2a"])


def _read_footer(text: str, _: Path) -> None:
    _read_parquet(with_footer(text.encode("latin-1", "replace"), _parquet()[0]))


def _read_page_header(text: str, _: Path) -> None:
    _read_parquet(file_of(text.encode("latin-1", "replace") + b"\3\0\0\0abc" * 3))


def _read_parquet(content: bytes) -> None:
    with contextlib.suppress(TextEncodingError, *DAMAGED):
        assert 0 <= rows_at_once(io.BytesIO(content), 100, 2**27) <= 100


LANGUAGES = {
    "formula": Language(_formula, _read_formula),
    "FILTER": Language(_filter, _read_filter),
    "MONTHS": Language(_months, lambda text, _: parse_months(text)),
    "BANDS": Language(_bands, _read_bands),
    "MASK_CLASSES": Language(
        _classes, lambda text, _: read_mask_classes(text, load_profiles()["sentinel-2-l2a"])
    ),
    "request": Language(_json_of(_requests()), _read_request),
    "event": Language(_json_of(_events()), lambda text, _: event_from_line(text)),
    "profile": Language(_json_of(_profile_files()), _read_profile),
    "credentials": Language(_json_of(_credentials()), lambda text, _: credentials_from_line(text)),
    "Parquet footer": Language(lambda source: _other_numbers(_parquet()[1], source), _read_footer),
    "Parquet page": Language(_page_header, _read_page_header),
}


def _broken(text: str, source: random.Random) -> str:
    """Some characters taken out, put in or repeated."""
    letters = list(text)
    for _ in range(source.randrange(1, 6)):
        place = source.randrange(len(letters) + 1)
        kind = source.randrange(4)
        if kind == 0:
            del letters[place : place + source.randrange(1, 5)]
        elif kind == 1:
            letters[place:place] = chr(source.choice((0, 9, 10, 34, 39, 40, 41, 92, 955, 0xD800)))
        elif kind == 2:
            letters[place:place] = letters[place : place + 5] * source.choice((2, 50))
        else:
            letters[place:place] = source.choice(TEXTS)[:200]
    return "".join(letters)


def _bombs() -> Iterator[tuple[str, str]]:
    units = ("(", ")", "-", "1", "a", ",", " ", "'", '"', "[", "{", "\\", "\0", "\n", "%", "\u202e")
    for unit in units:
        yield f"{unit!r} for ever", unit * BOMB
    longer = ("a,", "a=1 and ", "5-", '{"a":', "red+", "1,", "min(", "a in (1,", "- ", "x=(red),")
    for unit in longer:
        yield f"{unit!r} for ever", unit * (BOMB // len(unit))
    yield "a long number", "1" * BOMB + ".0"
    yield "a text without an end", "a = '" + "x" * BOMB
    yield "a long text", "a = '" + "x" * BOMB + "'"
    yield "a long number in JSON", '{"fairweather": 1' + "0" * BOMB + "}"
    yield "a long infinity in JSON", '{"fairweather": ' + "9" * BOMB + ".5}"
    yield "a long text in JSON", '{"fairweather": 1, "job": "' + "x" * BOMB + '"}'
    yield "many fields", "{" + ",".join(f'"{n}":1' for n in range(BOMB // 12)) + "}"
    yield "an index without an end", "red," + "NDVI" * (BOMB // 4)
    yield "wildcards", "platform like '" + "%a" * 30 + "%b'"
    yield "single wildcards", "platform like '" + "%a_" * 30 + "b'"


def run(trial: Trial) -> dict[str, object]:
    """Read so many texts, then the bombs."""
    seed = trial.random.randrange(2**32)
    reading = _Reading(trial.folder)
    texts: Counter[str] = Counter()
    for number in range(trial.times):
        for kind, name, text in _texts(number, random.Random(f"{seed} {number}")):
            texts[kind] += 1
            reading.read(name, text, f"{kind} as {name}, {number} of seed {seed}")
    before = _megabytes()
    for what, text in _bombs():
        for name in LANGUAGES:
            texts["bombs"] += 1
            reading.read(name, text, f"{name}: {what}")
    if (grown := _megabytes() - before) > MOST_MEGABYTES:
        reading.failures.append(f"bombs took {grown:.0f} MB")
    assert sum(texts[name] for name in FIRST) == trial.times
    failed = reading.failures
    assert not failed, f"{len(failed)} of {texts.total()}: {failed[:MOST_FAILURES_SHOWN]}"
    return {
        "texts": dict(texts),
        **reading.times.figures(),
        "bombs' MB": round(grown),
        "ends": dict(reading.ends),
    }


def _texts(number: int, source: random.Random) -> Iterator[tuple[str, str, str]]:
    """What kind of text it is, the language that it is read as, and the text."""
    others = [name for name in LANGUAGES if name not in FIRST]
    for name in (FIRST[number % len(FIRST)], others[number % len(others)]):
        text = LANGUAGES[name].make(source)
        yield name, name, _broken(text, source) if source.random() < SHARE_BROKEN else text
    noise = source.randbytes(source.randrange(80)).decode("latin-1")
    yield "random bytes", source.choice(list(LANGUAGES)), noise


class _Reading:
    """Reads one text after the other, and keeps what came of it."""

    def __init__(self, folder: Path) -> None:
        self.times = ReadTimes()
        self.ends: Counter[str] = Counter()
        self.failures: list[str] = []
        self._folder = folder
        self._watch = Watch([folder])

    def read(self, name: str, text: str, words: str) -> None:
        """Read ``text`` as the language ``name``; ``words`` say which text it is."""
        faulthandler.dump_traceback_later(3 * SECONDS_IN_ALL, exit=True)
        self.times.begin()
        try:
            with self._watch.watching() as seen:
                LANGUAGES[name].read(text, self._folder)
            self.ends["read"] += 1
        except FairweatherError as error:
            self.ends[type(error).__name__] += 1
            if len(str(error)) > 20_000:
                self.failures.append(f"{words}: its message has {len(str(error)):,} characters")
        except Exception as error:
            if len(self.failures) < MOST_FAILURES_SHOWN:
                traceback.print_exc(limit=-6)
            found = f"{type(error).__name__}: {error!s:.200}: {text[:120]!r}"
            self.failures.append(f"{words}: {found}")
        faults = [self.times.too_long(), *(f"touched {what}" for what in seen)]
        faulthandler.cancel_dump_traceback_later()
        self.failures += [f"{words}: {fault}" for fault in faults if fault]


def _megabytes() -> float:
    """The most that this process has had in memory, 0 where that is not told."""
    with contextlib.suppress(ImportError):
        import resource  # noqa: PLC0415

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    return 0.0


ROW = Row(
    name="mutated_texts",
    promise="Any formula, FILTER, request, profile or event ends in what it says or in an error of "
    "ours, within 2 s of the processor and 20 s with its waits, touches nothing and "
    "does not fill the memory.",
    times=TIMES,
    run=run,
)
