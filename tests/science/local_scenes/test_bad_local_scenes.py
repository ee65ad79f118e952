"""Folders that are not what they should be: one sentence each, and the other scenes are found."""

import os
import random
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from fairweather.core.bridge.errors import CatalogError, FairweatherError


def remove(pattern):
    """Something that goes wrong with a folder: what fits the pattern is gone."""

    def change(folder):
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def rewrite(pattern, old, new):
    """Something that goes wrong with a folder: a file says something else."""

    def change(folder):
        for path in folder.glob(pattern):
            path.write_bytes(path.read_bytes().replace(old, new))

    return change


def level_1(folder):
    (folder / "MTD_MSIL2A.xml").rename(folder / "MTD_MSIL1C.xml")


ENTITIES = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "boom">]><a>&x;</a>'


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (remove("MTD_MSIL2A.xml"), "lacks MTD_MSIL2A.xml"),
        (level_1, "is Level 1C"),
        (remove("GRANULE/*/MTD_TL.xml"), "has 0 granules"),
        (remove("GRANULE/*/IMG_DATA"), "has none of its images"),
        (rewrite("*.xml", b"</n1:General_Info>", b""), "MTD_MSIL2A.xml is no XML"),
        (rewrite("*.xml", b"\n", b"\xff\n"), "MTD_MSIL2A.xml is not UTF-8"),
        (lambda folder: (folder / "MTD_MSIL2A.xml").write_bytes(ENTITIES), "a document type"),
        (rewrite("*.xml", b"BOA_QUANTIFICATION_VALUE", b"X"), "lack BOA_QUANTIFICATION_VALUE"),
        (rewrite("*.xml", b">10000<", b">0<"), "give 0 as BOA_QUANTIFICATION_VALUE"),
        (rewrite("*.xml", b'band_id="12"', b'band_id="13"'), "a band that Sentinel-2 has not"),
        (
            rewrite("*.xml", b"EXT_POS_LIST>45.", b"EXT_POS_LIST>x."),
            "say 'x.* where a number is due",
        ),
        (rewrite("GRANULE/*/*.xml", b'resolution="10"', b'resolution="11"'), "lack Size at 10 m"),
        (rewrite("GRANULE/*/*.xml", b"_T33TWM_", b"_"), "names no tile"),
    ],
)
def test_bad_safe_folder(write_safe, find, tmp_path, change, words):
    bad = write_safe()
    change(bad)
    with pytest.raises(CatalogError, match=words) as caught:
        find(str(tmp_path))
    message = str(caught.value)
    assert message.startswith(f"{bad} ")
    assert message.endswith(".")
    assert message.count(". ") == 0
    write_safe(bad.stem.replace("T33TWM", "T33TWL"))
    found, reporter = find(str(tmp_path))
    assert len(found.items) == 1
    assert any(str(bad) in text for text in reporter.warnings)


def no_json(folder):
    path = next(folder.glob("*_MTL.json"))
    path.rename(path.with_suffix(".txt"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (no_json, "lacks the _MTL.json"),
        (remove("*.TIF"), "has none of its images"),
        (rewrite("*_MTL.json", b"{", b""), "has a damaged _MTL.json"),
        (rewrite("*_MTL.json", b"LANDSAT_METADATA_FILE", b"L1_METADATA_FILE"), "not of Collection"),
        (rewrite("*_MTL.json", b"L2SP", b"L1TP"), "is L1TP"),
        (rewrite("*_MTL.json", b'"UTM_ZONE"', b'"X"'), "lack UTM_ZONE"),
        (rewrite("*_MTL.json", b'"7871"', b'"many"'), "say 'many' where a number is due"),
        (rewrite("*_MTL.json", b'"-0.2"', b'"NaN"'), "say 'NaN' where a number is due"),
    ],
)
def test_bad_landsat_folder(write_landsat, find, tmp_path, change, words):
    change(write_landsat())
    with pytest.raises(CatalogError, match=words):
        find(str(tmp_path), collection="landsat-c2-l2")


def test_folders_without_scenes_of_the_collection(write_safe, find, tmp_path):
    with pytest.raises(CatalogError, match=r"holds no \.SAFE folder .* give a folder that does"):
        find(str(tmp_path))
    (tmp_path / "S2A_MSIL2A_T33TWM.SAFE.zip").touch()
    with pytest.raises(CatalogError, match="unpack the archives in it"):
        find(str(tmp_path))
    write_safe()
    with pytest.raises(CatalogError, match="holds scenes of Sentinel-2, but COLLECTION is landsat"):
        find(str(tmp_path), collection="landsat-c2-l2")
    with pytest.raises(CatalogError, match="but COLLECTION is hls2-s30"):
        find(str(tmp_path), collection="hls2-s30")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, "is far too large"),
        (PermissionError(13, "Permission denied"), "is unreadable (Permission denied)"),
    ],
)
def test_the_sentence_about_metadata_that_cannot_be_read(
    write_safe, write_landsat, find, tmp_path, monkeypatch, error, words
):
    safe = write_safe()
    write_landsat()
    paths = [*safe.glob("GRANULE/*/MTD_TL.xml"), *tmp_path.glob("*/*_MTL.json")]
    really_open = Path.open

    def open_or_fail(path, *arguments, **others):
        if path in paths and error:
            raise error
        return really_open(path, *arguments, **others)

    for path in paths:
        os.truncate(path, 2**25)
    monkeypatch.setattr(Path, "open", open_or_fail)
    with pytest.raises(CatalogError) as caught:
        find(str(tmp_path))
    assert str(caught.value) == f"{safe} cannot be read: MTD_TL.xml {words}."
    with pytest.raises(CatalogError) as caught:
        find(str(tmp_path), collection="landsat-c2-l2")
    assert str(caught.value) == f"{paths[1]} {words}."


def damaged(content, chance):
    """The content with a few pieces taken out, doubled or replaced."""
    for _ in range(chance.randrange(1, 4)):
        at, length = chance.randrange(len(content)), chance.randrange(1, 60)
        piece = chance.choice([b"", content[at : at + length] * 2, b"-1", b"nan", b"{}", b"[]"])
        content = content[:at] + piece + content[at + length :]
    return content


@pytest.mark.parametrize(
    ("pattern", "collection"),
    [
        ("*.SAFE/MTD_MSIL2A.xml", "sentinel-2-l2a"),
        ("*.SAFE/GRANULE/*/MTD_TL.xml", "sentinel-2-l2a"),
        ("*/*_MTL.json", "landsat-c2-l2"),
    ],
)
def test_damaged_metadata(write_safe, write_landsat, find, tmp_path, pattern, collection):
    chance = random.Random(1)
    write_safe(side=240)
    write_landsat()
    path = next(tmp_path.glob(pattern))
    whole = path.read_bytes()
    for _ in range(60):
        path.write_bytes(damaged(whole, chance))
        with suppress(FairweatherError):
            find(str(tmp_path), collection=collection, max_cloud=100.0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize(
    ("pattern", "collection"),
    [
        ("*.SAFE/GRANULE/*/MTD_TL.xml", "sentinel-2-l2a"),
        ("*/*_MTL.json", "landsat-c2-l2"),
    ],
)
def test_metadata_that_are_no_file(write_safe, write_landsat, find, tmp_path, pattern, collection):
    write_safe()
    write_landsat()
    path = next(tmp_path.glob(pattern))
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        path.unlink()
        make(path)
        words = f"{path.name} is a folder, a device or a pipe, and not a file"
        with pytest.raises(CatalogError, match=words) as caught:
            find(str(tmp_path), collection=collection)
        assert str(caught.value).count(path.name) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_images_that_are_no_files(write_safe, find, tmp_path):
    folder = write_safe()
    pipes = [*folder.glob("GRANULE/*/IMG_DATA/R10m/*_B04_10m.jp2"), folder / "x-ql.jpg"]
    for path in pipes:
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    found, _ = find(str(tmp_path))
    [item] = found.items
    hrefs = [asset.href for asset in item.assets.values()]
    assert hrefs
    assert not set(hrefs) & set(map(str, pipes))
