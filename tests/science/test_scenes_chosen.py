"""SCENES: of a file of items those that were chosen by id; footprints whose items are hostile."""

import json
import re

import pytest
from fairweather.core.bridge.errors import CatalogError, FairweatherError, NoScenesError

DAY = "2023-08-10T10:00:00Z"


def ids_of(found):
    return [item.id for item in found.items]


@pytest.fixture
def chosen(find, write_items):
    """Search the file of these items for some ids."""

    def choose(items, *ids, **others):
        return find("", scenes=str(write_items(items)), scene_ids=ids, **others)

    return choose


def test_the_ids_choose(chosen, make_item):
    items = [make_item(name) for name in ("a", "b", "c", "b", "d")]
    found, reporter = chosen(items, "d", "b")
    assert sorted(ids_of(found)) == ["b", "d"]
    assert reporter.warnings == []


def test_what_was_not_chosen_may_be_anything(chosen, make_item):
    wrong = {**make_item("x"), "collection": "another"}
    others = [1, None, "a", {}, {"id": ["a"]}, {"id": "y"}, {"id": {"a": 1}}, wrong]
    found, reporter = chosen([*others, make_item("a")], "a")
    assert ids_of(found) == ["a"]
    assert reporter.warnings == []


def test_the_ids_choose_of_a_long_file(chosen, make_item):
    filling = [make_item(str(number), properties={"x": "x" * 10_000}) for number in range(1000)]
    found, _ = chosen([*filling, make_item("a")], "a", "17")
    assert sorted(ids_of(found)) == ["17", "a"]


def test_chosen_scenes_that_are_gone_are_told(chosen, make_item):
    found, reporter = chosen([make_item("a"), make_item("d")], "a", "c", "b")
    assert ids_of(found) == ["a"]
    [warning] = reporter.warnings
    assert re.search(r"^2 of the 3 chosen scenes left out, .* the first is b\.$", warning)


@pytest.mark.parametrize(
    ("ids", "count"), [(("b",), "1 chosen scene;"), (("b", "c"), "2 chosen scenes;")]
)
@pytest.mark.parametrize("names", ["", "a"])
def test_none_of_the_ids(chosen, make_item, names, ids, count):
    with pytest.raises(NoScenesError, match=f"holds none of the {count} choose them again"):
        chosen([make_item(name) for name in names], *ids)


def test_a_chosen_item_that_is_not_whole_is_there(chosen, make_item):
    found, reporter = chosen([make_item("a"), {"type": "Feature", "id": "b"}], "a", "b")
    assert ids_of(found) == ["a"]
    [warning] = reporter.warnings
    assert "1 entry of" in warning


def test_assets_beside_the_file_are_found(chosen, make_item, tmp_path):
    items = [make_item(name, assets={"red": {"href": f"./{name}.tif"}}) for name in "ab"]
    found, _ = chosen(items, "b")
    [item] = found.items
    assert item.assets["red"].href == str(tmp_path / "b.tif")


@pytest.fixture
def footprints(find, tmp_path):
    """Search footprints that carry these texts, as QGIS hands them on."""

    def search(*texts):
        features = [
            {"type": "Feature", "id": f"footprint {number}", "properties": {"item": text}}
            for number, text in enumerate(texts, start=1)
        ]
        path = tmp_path / "scenes.geojson"
        content = {"type": "FeatureCollection", "features": features}
        path.write_text(json.dumps(content), encoding="utf-8")
        return find("", scenes=str(path))

    return search


@pytest.mark.parametrize(
    "text",
    [
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a": ' + "9" * 5000 + "}",
        '{"id": "b"}]}, {"type": "Catalog", "links": [{"rel": "item", "href": "b.json"}]}',
        "{no json}",
        "{}}",
        "",
    ],
)
def test_a_text_that_is_no_item(footprints, make_item, text):
    found, reporter = footprints(json.dumps(make_item("a")), text)
    assert ids_of(found) == ["a"]
    [warning] = reporter.warnings
    assert "1 entry of" in warning
    assert "footprint 2 (its field 'item' holds no item that can be read)" in warning
    with pytest.raises(FairweatherError, match=r"footprint 1 \(its field 'item' holds no item"):
        footprints(text)


def test_a_text_of_more_values_than_any_item(footprints, make_item):
    bomb = '{"a": [' + "[]," * 3_000_000 + "[]]}"
    with pytest.raises(CatalogError, match="holds more than 2,000,000 values"):
        footprints(json.dumps(make_item("a")), bomb)
