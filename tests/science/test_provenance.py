"""Tags say how a file was made; QGIS shows them as HTML, which what a stranger wrote is none of."""

import datetime
import json
from dataclasses import replace
from types import SimpleNamespace

from fairweather.core.bridge.profiles import load_profiles
from fairweather.core.bridge.request import Area, CompositeRequest, SceneSearch, request_from_json
from fairweather.core.science.imagery.losses import Loss, LostFile, losses_as_json
from fairweather.core.science.provenance import provenance_tags

DAY = datetime.date(2024, 5, 1)
ID = "S2A <img src=/a>; b"


def test_tags_hold_what_they_are_given_and_no_html():
    search = SceneSearch(
        "sentinel-2-c1-l2a", Area("EPSG:4326", {}), "2024-01-01", "2024-12-31", filter="a <b"
    )
    request = CompositeRequest(search, ("is_dark=nir<red",), "c.tif")
    profile = replace(
        load_profiles()["sentinel-2-c1-l2a"],
        attribution="<img src=/a> {years}",
        license="<a href=/b>free</a>",
    )
    scenes = [SimpleNamespace(id=ID, moment=datetime.datetime(2024, 5, 1))]
    tags = provenance_tags(request, profile, scenes)
    assert "<" not in "".join(tags.values())
    assert request_from_json(tags["FAIRWEATHER_REQUEST"]) == request
    assert json.loads(tags["FAIRWEATHER_ITEMS"]) == [ID]
    assert tags["ATTRIBUTION"] == tags["TIFFTAG_COPYRIGHT"] == "‹img src=/a> 2024"
    assert tags["LICENSE"] == "‹a href=/b>free‹/a>"


def test_losses_hold_what_they_are_given_and_no_html():
    text = losses_as_json([LostFile(Loss(DAY, ID, "red", "https://a.example/b", "<b>gone"), 3)])
    assert "<" not in text
    assert json.loads(text) == [{"item": ID, "asset": "red", "blocks": 3, "reason": "<b>gone"}]
