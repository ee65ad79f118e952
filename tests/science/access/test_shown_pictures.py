"""Pictures of scenes, which QGIS itself loads for map tips: none at a private address is named."""

import json
from urllib.parse import urlsplit

import private_places as places
import pytest
from fairweather.core.bridge.request import SearchScenesRequest
from fairweather.core.science.catalog.job import run_search
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.web.private_addresses import PrivateAddresses, may_be_shown
from guarded_server import Reply

HONEST = (
    *("https://example.com/a.jpg", "http://example.com:8080/a b.jpg?x=1#y", "HTTPS://Example.COM"),
    *("https://8.8.8.8/a.jpg", "https://[2606:4700::1111]:443/a.jpg", "https://a_b.example/č.png"),
)
# What one program takes for this host, and another for that one.
AMBIGUOUS = (
    *("http://example.com\\@192.168.1.1/a.jpg", "http:///192.168.1.1/a.jpg", "http:/192.168.1.1/a"),
    *("http://user@example.com/a.jpg", "http://192.168.1.1\\.example.com/", "http://a b/c.jpg"),
    *("http://\t192.168.1.1/a.jpg", "http://１９２.168.1.1/a.jpg", "http://%31%32%37.0.0.1/"),
    *("http://example.com:99999/", "http://[::1/a.jpg", "http://[]/", "https://"),
)


@pytest.fixture
def stranger(names):
    return PrivateAddresses("stac.example")


@pytest.mark.parametrize("address", HONEST)
def test_pictures_in_the_internet_are_shown(stranger, address):
    assert may_be_shown(address, stranger)


@pytest.mark.parametrize("form", ["http://{}/a.jpg", "HTTPS://{}:8443", "https://{}?x"])
@pytest.mark.parametrize("host", [*places.LITERALS, "localhost", "LOCALHOST.", "a.localhost"])
def test_pictures_at_private_addresses_are_not(stranger, names, form, host):
    assert not may_be_shown(form.format(host), stranger)
    assert may_be_shown(form.format(host), PrivateAddresses())
    assert may_be_shown(form.format(host), PrivateAddresses("192.168.7.7"))
    assert host not in names.looked_up


@pytest.mark.parametrize("address", AMBIGUOUS)
def test_addresses_that_are_read_in_two_ways_are_not(stranger, address):
    assert not may_be_shown(address, stranger)


def test_footprints_name_none_of_them(serve, names, tmp_path):
    hrefs = [
        *("https://example.com/kept.jpg", "pictures/kept.jpg", "s3://bucket/kept.jpg"),
        *(form.format(host=host, port=80) for form in places.FORMS for host in places.LITERALS),
        *AMBIGUOUS,
    ]
    ring = [[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]
    items = [
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": f"i{number}",
            "collection": "sentinel-2-c1-l2a",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": [10, 45, 11, 46],
            "properties": {"datetime": "2024-05-01T10:00:00Z"},
            "assets": {
                "red": {"href": "https://example.com/red.tif"},
                "thumbnail": {"href": href, "roles": ["thumbnail"]},
            },
            "links": [],
        }
        for number, href in enumerate(hrefs)
    ]
    server = serve()
    server.answer = lambda _: Reply.of_json({"type": "FeatureCollection", "features": items})
    names.public_port = int(server.host.partition(":")[2])
    path = tmp_path / "footprints.json"
    asked = places.search(max_cloud=100.0)
    run_search(SearchScenesRequest(asked, "", str(path)), RecordingReporter(), tmp_path / "job")
    found = [one["properties"] for one in json.loads(path.read_text("utf-8"))["features"]]
    assert len(found) == len(hrefs)
    shown = {one["thumbnail"] for one in found} - {None}
    kept = {"https://example.com/kept.jpg", "http://stac.example/pictures/kept.jpg"}
    assert shown >= {*kept, "s3://bucket/kept.jpg"}
    asked_for = {urlsplit(one).hostname for one in shown if one.lower().startswith("http")}
    assert asked_for == {"example.com", "stac.example"}
    assert len(shown) < 10
