"""Make docs/collections.md from the collections' profiles.

``python scripts/make_collections_doc.py`` after every change of a profile; a test compares.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "collections.md"

INTRODUCTION = """\
# Collections

Made by `scripts/make_collections_doc.py` from `core/bridge/profiles/`; do not edit.

COLLECTION chooses one of these. Whatever numbers a collection publishes, Fairweather turns them \
into reflectance: pixel × scale + offset.

| COLLECTION | title | pixels | from | access |
|---|---|---|---|---|
"""

OWN_PROFILE = """\

## A collection of your own

Choose the COLLECTION `custom` and give its profile, a JSON file, as PROFILE. What is wrong with \
it is told in one sentence before anything is searched. A whole profile:

```json
{example}
```

| field | meaning |
|---|---|
"""

EXAMPLE = """\
{
  "id": "my-collection",
  "title": "My collection",
  "catalog": "https://example.org/stac/v1",
  "collection": "the-id-in-the-catalogue",
  "nodata": 0,
  "scale": 0.0001,
  "offset": 0,
  "bands": {
    "red": {"asset": "B04", "title": "Red", "resolution": 10},
    "nir": {"asset": "B08", "title": "Near infrared", "resolution": 10}
  },
  "mask": {
    "asset": "QA",
    "resolution": 20,
    "nodata": 1,
    "kind": "bits",
    "classes": {"0": "no data", "1": "cloud", "2": "cloud shadow", "3": "snow"},
    "words": {"cloud": [1], "shadow": [2]},
    "masked": [1, 2]
  },
  "attribution": "Who made the data, {years}",
  "license": "The data's licence"
}"""

FIELDS = {
    "id, title": "Names, for messages and for layers.",
    "catalog": "A STAC API's address, or the address or path of a static catalogue. It may be "
    "left out where CATALOG or SCENES is given.",
    "collection": "The collection's id in that catalogue.",
    "bands": "Each band by the name that BANDS and formulas take: its asset, a title and its "
    "pixel size in metres. Indices know {index_bands}.",
    "nodata, scale, offset": "Of the bands, where an item does not give its own.",
    "offset_rule": "When an item's word on its offset is not the last one (left out: `item`). "
    "{rules}",
    "mask": "The asset with the clouds. With the kind `classes` each pixel is one class number, "
    "with `bits` each bit has its meaning, and a pixel has no value where all the bits of "
    "`nodata` are set. `masked` are the numbers that are masked unless MASK_CLASSES says "
    "otherwise; `words` are names for numbers, which MASK_CLASSES takes too.",
    "thumbnail": "The asset with a small picture (left out: none).",
    "first_date": "The day of the first scene, such as `2015-06-27` (may be left out).",
    "holes": "Dates between which scenes are known to be missing: a list of objects with `start`, "
    "`end` and `note` (may be left out).",
    "access": "How files are read (left out: `open`). {access} [access.md](access.md) says how.",
    "signing": "With `planetary-computer`: an object with `address`, which holds `{{account}}` and "
    "`{{container}}`, and `host`, what the hosts of signed files end in, such as "
    "`.blob.core.windows.net`.",
    "storage": "With `own-keys`: an object with `buckets`, whose `s3://` addresses are read with "
    "keys; `endpoint`, which may hold `{{region}}` (left out: Amazon's); `region` (left out: the "
    "keys' own, else us-east-1); `requester_pays` (left out: false).",
    "key_hosts": "With `own-keys`: a list of the hosts whose files want the keys in AUTH.",
    "attribution, license": "What the data's licence asks to be said; `{{years}}` stands for the "
    "years of the scenes used.",
}


def main() -> None:
    """Make the document."""
    DOCUMENT.write_text(make_document(), encoding="utf-8", newline="\n")


def make_document() -> str:
    """All profiles as a page for people."""
    load_package()
    bridge = "fairweather.core.bridge"
    profiles = list(importlib.import_module(f"{bridge}.profiles").load_profiles().values())
    checks = importlib.import_module(f"{bridge}.profile_checks")
    indices = importlib.import_module(f"{bridge}.indices").load_indices().values()
    parts = [INTRODUCTION]
    parts += [_line(profile) for profile in profiles]
    parts += [_section(profile, checks) for profile in profiles]
    parts.append(OWN_PROFILE.format(example=EXAMPLE))
    index_bands = sorted({band for index in indices for band in index.bands})
    values = {
        "index_bands": ", ".join(f"`{band}`" for band in index_bands),
        "rules": _choices(checks.OFFSET_RULES),
        "access": _choices(checks.ACCESS),
    }
    parts += [f"| {name} | {text.format(**values)} |\n" for name, text in FIELDS.items()]
    return "".join(parts)


def load_package() -> None:
    """The plugin's package, which has no fixed folder name."""
    spec = importlib.util.spec_from_file_location("launch", ROOT / "core" / "launch.py")
    if spec is None or spec.loader is None:
        raise ImportError("core/launch.py is not there")
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    launch.load_package()


def _line(profile: Any) -> str:
    first = profile.first_date or "–"
    return (
        f"| [`{profile.id}`](#{profile.id}) | {profile.title} | {profile.resolution:g} m | {first} "
        f"| {profile.access} |\n"
    )


def _section(profile: Any, checks: Any) -> str:
    where = f"`{profile.collection}`"
    if profile.catalog:
        where += f" in {profile.catalog}"
    facts = [
        f"{profile.title}.",
        f"Collection {where}.",
        checks.ACCESS[profile.access],
        f"Bands: scale {profile.scale:g}, offset {profile.offset:g}, nodata {profile.nodata:g}.",
        f"Offset: {_lower(checks.OFFSET_RULES[profile.offset_rule])}",
        *(f"Known hole, {hole.start} to {hole.end}: {hole.note}" for hole in profile.holes),
        f"Thumbnail: `{profile.thumbnail}`." if profile.thumbnail else "No thumbnail.",
        f"Attribution: {profile.attribution}. Licence: {profile.license}.",
    ]
    return "".join(
        [
            f"\n## {profile.id}\n\n",
            *(f"- {fact}\n" for fact in facts),
            "\n| band | asset | what it is | pixels |\n|---|---|---|---|\n",
            *(
                f"| {name} | {band.asset} | {band.title} | {band.resolution:g} m |\n"
                for name, band in profile.bands.items()
            ),
            *_mask(profile.mask),
        ]
    )


def _mask(mask: Any) -> Iterable[str]:
    kind = "bits" if mask.kind == "bits" else "classes"
    words: dict[int, list[str]] = {}
    for word, numbers in mask.words.items():
        for number in numbers:
            words.setdefault(number, []).append(f"`{word}`")
    yield f"\nMask: {kind} of the asset `{mask.asset}`, {mask.resolution:g} m, nodata "
    yield f"{mask.nodata:g}.\n\n| number | meaning | word | masked |\n|---|---|---|---|\n"
    for number, title in mask.classes.items():
        masked = "yes" if number in mask.masked else ""
        yield f"| {number} | {title} | {', '.join(words.get(number, []))} | {masked} |\n"


def _choices(explained: dict[str, str]) -> str:
    return " ".join(f"`{name}`: {_lower(text)}" for name, text in explained.items())


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


if __name__ == "__main__":
    main()
