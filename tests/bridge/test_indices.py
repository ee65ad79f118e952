"""The catalogue of indices, and what BANDS and INDEX take."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.formula import parse_formula
from fairweather.core.bridge.indices import (
    INDICES_FILE,
    OFTEN_USED,
    check_layers,
    load_indices,
    read_layers,
    split_entries,
)
from fairweather.core.bridge.profiles import find_profile

SENTINEL_2 = find_profile("sentinel-2-c1-l2a")
SAMPLE = find_profile("fairweather-sample")


def message_of(entries, profile=SENTINEL_2, **options):
    with pytest.raises(InvalidRequestError) as caught:
        check_layers(entries, profile, **options)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_every_formula_parses_over_the_bands_of_sentinel_2():
    indices = load_indices()
    assert len(indices) > 200
    for index in indices.values():
        parsed = parse_formula(index.formula)
        assert set(parsed.bands) == set(index.bands)
        assert set(index.bands) <= set(SENTINEL_2.bands)
        assert re.fullmatch("[A-Za-z][A-Za-z0-9]*", index.name)
        assert index.name not in SENTINEL_2.bands


def test_the_notice_and_the_source_are_kept():
    content = json.loads(INDICES_FILE.read_text(encoding="utf-8"))
    assert "Awesome Spectral Indices" in content["source"]
    notice = "\n".join(content["license"])
    assert "MIT License" in notice
    assert "David Montero Loaiza" in notice
    assert "The above copyright notice and this permission notice shall be included" in notice


def test_each_index_says_where_it_comes_from_and_what_for():
    content = json.loads(INDICES_FILE.read_text(encoding="utf-8"))["indices"]
    domains = {"vegetation", "water", "burn", "snow", "soil", "urban"}
    assert {entry["domain"] for entry in content.values()} == domains
    assert all(entry["reference"].startswith("http") for entry in content.values())
    assert all(entry["title"] for entry in content.values())
    # The constants' values are in the formula.
    for entry in content.values():
        assert all(str(value) in entry["formula"] for value in entry["constants"].values())


def test_the_list_is_light():
    assert INDICES_FILE.stat().st_size < 200_000
    load_indices.cache_clear()
    fastest = []
    for _ in range(5):
        load_indices.cache_clear()
        start = time.process_time()  # whatever else the machine does
        load_indices()
        fastest.append(time.process_time() - start)
    assert min(fastest) < 0.02


def test_the_page_is_made_from_the_list(plugin_root):
    script = plugin_root / "scripts" / "make_indices.py"
    code = (
        "import importlib.util, json, sys\n"
        "spec = importlib.util.spec_from_file_location('make_indices', sys.argv[1])\n"
        "script = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(script)\n"
        "catalogue = json.loads(script.CATALOGUE.read_text(encoding='utf-8'))\n"
        "sys.stdout.buffer.write(script.make_document(catalogue).encode())\n"
    )
    page = subprocess.run(
        [sys.executable, "-c", code, str(script)],
        check=True, capture_output=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    ).stdout.decode()  # fmt: skip
    assert Path(plugin_root, "docs", "indices.md").read_text(encoding="utf-8") == page
    assert all(f"| {name} |" in page for name in load_indices())


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("red,green,blue", ("red", "green", "blue")),
        (" NDVI , EVI,", ("NDVI", "EVI")),
        ("a=max(red,nir),NDVI", ("a=max(red,nir)", "NDVI")),
        ("a=where(red<(0.2),max(red,nir),1) , b = red",
         ("a=where(red<(0.2),max(red,nir),1)", "b = red")),
        ("a=(red,nir", ("a=(red,nir",)),
        ("a=red),nir", ("a=red)", "nir")),
        ("", ()),
        (" , ,", ()),
    ],
)  # fmt: skip
def test_a_comma_inside_parentheses_does_not_separate(text, entries):
    assert split_entries(text) == entries


def test_entries_become_layers_in_their_order():
    layers = read_layers(("nir", "NDVI", "ratio = nir/red"), SENTINEL_2)
    assert [layer.name for layer in layers] == ["nir", "NDVI", "ratio"]
    assert [layer.formula for layer in layers] == ["", "(nir - red) / (nir + red)", "nir/red"]
    assert [layer.bands for layer in layers] == [("nir",), ("nir", "red"), ("nir", "red")]
    assert layers[0].title == "Near infrared (B08)"


@pytest.mark.parametrize(
    "entry",
    ["low=red<0.2", "same=red==nir", "other=red!=nir", "SAVI=1.25*(nir-red)/(nir+red+0.25)",
     "a_1=min(red,nir)<=0.1"],
)  # fmt: skip
def test_a_formula_may_compare_and_take_an_indexs_name(entry):
    (layer,) = read_layers((entry,), SENTINEL_2)
    assert layer.name == entry.partition("=")[0]
    assert layer.formula == entry.partition("=")[2]


def test_an_unknown_name_is_told_the_bands_and_the_nearest_names():
    message = message_of(("ndvi",))
    assert "BANDS: 'ndvi' is neither a band nor an index of sentinel-2-c1-l2a" in message
    assert "did you mean NDVI" in message
    assert ", ".join(SENTINEL_2.bands) in message
    assert "docs/indices.md" in message
    assert len(message) < 500
    assert "did you mean swir16" in message_of(("swir",)) or "swir22" in message_of(("swir",))
    assert "did you mean" not in message_of(("qqqqqqq",))
    assert message_of(("ndvi",), parameter="INDEX").startswith("INDEX: ")


def test_the_nearest_names_are_those_that_the_collection_offers():
    message = message_of(("NDRE",), SAMPLE)
    offered = re.search(r"did you mean (.*)\?", message)
    for name in offered[1].split(" or ") if offered else ():
        assert name in SAMPLE.bands or set(load_indices()[name].bands) <= set(SAMPLE.bands)


def test_an_index_whose_band_is_lacking_says_which():
    message = message_of(("NDREI",), SAMPLE)
    assert "NDREI needs " in message
    assert "rededge1" in message
    assert "fairweather-sample does not have" in message


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ((), "BANDS is empty"),
        (("red", "red"), "names 'red' twice"),
        (("NDVI", "NDVI=nir"), "names 'NDVI' twice"),
        (("red=nir",), "'red' cannot name a formula"),
        (("=nir",), "'' cannot name a formula"),
        (("a b=nir",), "'a b' cannot name a formula"),
        (("è=nir",), "cannot name a formula"),
        (("x" * 41 + "=nir",), "cannot name a formula"),
        (("nir/red",), "a formula needs one before it, such as ratio=nir/red"),
        (("(nir-red)/(nir+red)",), "a formula needs one before it"),
        (("red<=nir",), "a formula needs one before it"),
        (("a=1+2",), "the formula of a names no band"),
        (("a=",), "cannot be read"),
        (("a=nir+rde",), "names 'rde', which is no band of sentinel-2-c1-l2a (did you mean red"),
        (("a=NDVI+1",), "write the index out: (nir - red) / (nir + red)"),
        (("a=nir**2",), "write ^ for a power"),
        (("a=__import__('os')",), "something else than numbers"),
        (("a=b=nir",), "something else than numbers"),
        (("<script>",), "is no name"),
    ],
)
def test_what_makes_no_sense_is_refused(entries, words):
    assert words in message_of(entries)


def test_the_often_used_ones_are_known():
    assert set(OFTEN_USED) <= set(load_indices())
