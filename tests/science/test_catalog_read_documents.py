"""No output takes the place of a document that the search has read, found scenes or not."""

import dataclasses
import json
import shutil

import local_jobs
import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.bridge.request import SceneSearch, SearchScenesRequest
from fairweather.core.science import scenes_to_read
from fairweather.core.science.catalog.job import run_search
from fairweather.core.science.catalog.local_scenes.folder import LocalScenes
from fairweather.core.science.catalog.local_scenes.sentinel2 import METADATA
from fairweather.core.science.catalog.output_checks import checked_items
from fairweather.core.science.reporter import RecordingReporter
from small_job import SmallJob

COLLECTION = "sentinel-2-l2a"
PERIOD = ("2023-08-01", "2023-08-31")


def document(kind, name, **links):
    linked = [{"rel": rel, "href": href} for rel, hrefs in links.items() for href in hrefs]
    return {"type": kind, "id": name, "stac_version": "1.0.0", "links": linked}


@pytest.fixture
def catalog(tmp_path, make_item):
    """A static catalogue of two collections, of which one is wanted; ``old`` is dropped."""
    folder = tmp_path / "catalog"
    contents = {
        "catalog.json": document("Catalog", "all", child=["a/collection.json", "b.json"]),
        "a/collection.json": document(
            "Collection", COLLECTION, item=["kept.json", "old.json", "broken.json"]
        ),
        "a/kept.json": make_item("kept"),
        "a/old.json": make_item("old", "2001-01-01T00:00:00Z"),
        "a/broken.json": "?",
        "b.json": document("Collection", "others"),
        "not mine.json": {},
    }
    (folder / "a").mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def search_of(folder, area_of):
    area = area_of((15.1, 45.1, 15.9, 45.9))
    return SceneSearch(COLLECTION, area, *PERIOD, catalog=str(folder / "catalog.json"))


READ = ["a/collection.json", "a/kept.json", "a/old.json", "a/broken.json", "b.json"]


@pytest.mark.parametrize("output", ["items", "footprints"])
@pytest.mark.parametrize("name", READ)
def test_a_document_of_a_static_catalogue(catalog, area_of, tmp_path, name, output):
    before = local_jobs.contents(tmp_path)
    request = SearchScenesRequest(search_of(catalog, area_of), "", "")
    request = dataclasses.replace(request, **{output: str(catalog / "a" / ".." / name)})
    with pytest.raises(InvalidRequestError, match=r"is a document of the catalogue, which would"):
        run_search(request, RecordingReporter(), tmp_path)
    assert local_jobs.contents(tmp_path) == before


def test_a_file_beside_them_is_replaced(catalog, area_of, tmp_path):
    output = catalog / "not mine.json"
    request = SearchScenesRequest(search_of(catalog, area_of), str(output), "")
    run_search(request, RecordingReporter(), tmp_path)
    assert [item["id"] for item in json.loads(output.read_text())["features"]] == ["kept"]


@pytest.mark.parametrize("name", ["composite", "timeseries"])
def test_before_a_pixel_is_read(tmp_path, monkeypatch, name):
    monkeypatch.setattr(scenes_to_read, "check_offsets", lambda *_: pytest.fail("pixels were read"))
    (tmp_path / "served").mkdir()
    job = SmallJob(tmp_path, local_jobs.Served(tmp_path / "served"))
    request = local_jobs.requests_by_name(job, tmp_path)[name]
    root, child = tmp_path / "root.json", tmp_path / "child.json"
    shutil.copy(request.search.catalog, tmp_path / "items.json")
    root.write_text(json.dumps(document("Catalog", "all", child=["child.json"])))
    child.write_text(json.dumps(document("Catalog", "child", child=["items.json"])))
    output = {"composite": "report", "timeseries": "chart"}[name]
    search = dataclasses.replace(request.search, catalog=str(root), scenes="")
    scratch = tmp_path / "job-1"
    scratch.mkdir()
    for lost in (child, tmp_path / "items.json"):
        asked = dataclasses.replace(request, search=search, **{output: str(lost)})
        before = lost.read_bytes()
        failure = local_jobs.run(asked, scratch)
        assert failure.kind == "InvalidRequestError", failure.text
        assert "is a document of the catalogue" in failure.text
        assert lost.read_bytes() == before


def test_a_scene_on_disk(tmp_path):
    """What tells of it is read, even where the scene is not good enough to be found."""
    product = tmp_path / "scenes" / "S2B_X.SAFE"
    tile = product / "GRANULE" / "L2A" / "MTD_TL.xml"
    tile.parent.mkdir(parents=True)
    for file in (product / METADATA, tile):
        file.write_text("<a/>")
    source = LocalScenes(product.parent, find_profile(COLLECTION))
    with pytest.raises(Exception, match="lack"):
        list(source.batches(None))
    assert set(source.documents()) == {str(product / METADATA), str(tile)}


def test_the_file_of_scenes(write_items, make_item, find, area_of, tmp_path):
    path = write_items([make_item("one")])
    found, _ = find("", scenes=path)
    request = SearchScenesRequest(search_of(tmp_path, area_of), path, "")
    with pytest.raises(InvalidRequestError, match="a document of the catalogue"):
        next(checked_items(found, request))


def test_documents_of_the_web_are_no_files(serve_stac, make_item, find):
    found, _ = find(serve_stac([make_item("one")]).address)
    assert found.documents == ()
