"""Composites and series where longitudes end and where UTM does."""

import numpy as np
import pytest
import shapely
from fairweather.core.bridge.errors import InvalidRequestError

UTM60S, UTM1S = "EPSG:32760", "EPSG:32701"
# Taveuni in Fiji: a slanted piece across 180 degrees, and the same with the hole of a lake.
ACROSS = shapely.Polygon([(179.97, -16.86), (180.03, -16.87), (180.02, -16.83), (179.98, -16.835)])
LAKE = shapely.Polygon([(179.995, -16.85), (180.004, -16.852), (180.0, -16.845)])
RING = ACROSS.difference(LAKE)


def split(geometry):
    """As RFC 7946 has it: cut at 180 degrees, both halves within -180 to 180."""
    west = shapely.intersection(geometry, shapely.box(0, -90, 180, 90))
    east = shapely.intersection(geometry, shapely.box(180, -90, 360, 90))
    east = shapely.transform(east, lambda xy: xy - [360, 0])
    return shapely.MultiPolygon([*shapely.get_parts(west), *shapely.get_parts(east)])


@pytest.fixture
def fiji(globe, tile):
    """Both zones' tiles over the same place on three days, and a scene that is elsewhere."""
    for day in range(3):
        globe.scene(tile.around(UTM1S, -180, -16.85, shape=(70, 100)), day)
        globe.scene(tile.around(UTM60S, 180, -16.85, shape=(70, 100)), day, minutes=1)
    return globe


@pytest.mark.parametrize(
    ("drawn", "crs"),
    [
        ("beyond", "EPSG:4326"),
        ("west", "EPSG:4326"),
        ("split", "EPSG:4326"),
        ("split", "EPSG:4258"),
        ("split", "EPSG:3857"),
        ("beyond", UTM60S),
        ("beyond", "EPSG:3832"),
    ],
)
def test_an_area_across_the_antimeridian(fiji, move, same, drawn, crs):
    area = {
        "beyond": RING,
        "west": shapely.transform(RING, lambda xy: xy - [360, 0]),
        "split": split(RING),
    }[drawn]
    found, transform, grid_crs = fiji.composite(move(area, "EPSG:4326", crs), crs)
    assert grid_crs == UTM1S
    assert found.size < 70 * 100
    # Vertex by vertex: a cut edge has one more, and is a little straighter on the globe.
    polygon = shapely.union_all(shapely.get_parts(move(area, "EPSG:4326", UTM1S)))
    same(found, fiji.expected(found.shape, transform, UTM1S, polygon))


def test_an_extent_across_the_antimeridian(fiji, same):
    found, transform, crs = fiji.composite(
        shapely.box(179.98, -16.86, 180.02, -16.84), is_extent=True
    )
    same(found, fiji.expected(found.shape, transform, crs))
    assert found.shape[1] == pytest.approx(0.04 * 111_320 * np.cos(np.radians(16.85)) / 100, abs=3)


@pytest.mark.parametrize("drawn", ["beyond", "split", "west", UTM1S])
def test_a_composite_in_degrees_across_the_antimeridian_is_in_one_piece(fiji, move, same, drawn):
    area = {
        "beyond": ACROSS,
        "west": shapely.transform(ACROSS, lambda xy: xy - [360, 0]),
        "split": split(ACROSS),
    }.get(drawn, move(ACROSS, "EPSG:4326", UTM1S))
    crs = drawn if drawn.startswith("EPSG") else "EPSG:4326"
    found, transform, grid_crs = fiji.composite(area, crs, output_crs="EPSG:4326", resolution=0.001)
    assert grid_crs == "EPSG:4326"
    assert found.shape[1] <= 61
    around = shapely.transform(ACROSS, lambda xy: xy - [360, 0]) if drawn == "west" else ACROSS
    same(found, fiji.expected(found.shape, transform, "EPSG:4326", around))


def test_a_crs_that_ends_at_the_antimeridian_is_told(fiji):
    with pytest.raises(InvalidRequestError, match="crosses the antimeridian, where the CRS"):
        fiji.composite(ACROSS, output_crs="EPSG:3857", resolution=100.0)


@pytest.mark.parametrize("published", ["jump", "split", "beyond"])
def test_sites_across_the_antimeridian(fiji, move, published):
    for scene in fiji.scenes:
        footprint = shapely.transform(
            scene.tile.footprint(), lambda xy: np.column_stack([xy[:, 0] % 360, xy[:, 1]])
        )
        if published != "jump":
            shape = split(footprint) if published == "split" else footprint
            scene.item["geometry"] = shapely.geometry.mapping(shape)
    east, west = shapely.Point(-179.99, -16.85), shapely.Point(179.99, -16.85)
    sites = [
        east,
        west,
        shapely.Point(180.01, -16.85),
        RING,
        split(RING),
        shapely.Point(20, -16.85),
    ]
    found = fiji.observations(sites)
    for number, (longitude, latitude) in {1: (-179.99, -16.85), 2: (179.99, -16.85)}.items():
        values = fiji.days(np.array([longitude]), np.array([latitude]), "EPSG:4326")[:, 0]
        read = [float(row["value"] or "nan") for row in found[number]]
        np.testing.assert_allclose(read, values, atol=1e-9)
    assert [r["value"] for r in found[3]] == [r["value"] for r in found[1]]
    for number, drawn in ((4, RING), (5, split(RING))):
        polygon = shapely.union_all(shapely.get_parts(move(drawn, "EPSG:4326", UTM1S)))
        assert len(found[number]) == 3
        for row, expected in zip(found[number], of_polygon(fiji, polygon), strict=True):
            assert float(row["value"]) == pytest.approx(np.nanmean(expected), abs=1e-9)
            assert int(row["all_pixels"]) == expected.size
            assert int(row["clear_pixels"]) == np.isfinite(expected).sum()
    assert [(row["value"], row["item_ids"]) for row in found[6]] == [("", "")]


def of_polygon(globe, polygon):
    """By day the values of the first scene's pixels whose centre is inside."""
    tile = globe.scenes[0].tile
    rows, columns = np.indices(tile.shape)
    x, y = tile.transform * (columns + 0.5, rows + 0.5)
    inside = shapely.contains_xy(polygon, x, y)
    return globe.days(x[inside], y[inside], tile.crs)


def test_a_day_of_a_site_across_the_antimeridian(globe, tile):
    # Before and after midnight in Greenwich, whose longitude is the mean of both halves'.
    around = tile.around(UTM1S, -180, -16.85)
    for minutes in (113, 115):
        globe.scene(around, minutes=minutes)
    rows = globe.observations([split(RING)])[1]
    assert [row["item_ids"] for row in rows] == ["made-0 made-1"]


POLAR = [
    ("EPSG:32661", 88, 90),
    ("EPSG:3413", 88, 90),
    ("EPSG:3031", -88, -90),
    ("EPSG:32761", -88, -90),
]


@pytest.mark.parametrize(("crs", "edge", "pole"), POLAR)
def test_an_area_with_a_pole_in_it(globe, tile, same, move, crs, edge, pole):
    size = 6000.0
    around = tile.around(crs, 0, pole, size=size, shape=(60, 60))
    footprint = shapely.box(-180, min(edge, pole), 180, max(edge, pole))
    for day in range(3):
        globe.scene(around, day, footprint=footprint)
    cap = shapely.box(-180, min(edge + np.sign(pole), pole), 180, max(edge + np.sign(pole), pole))
    found, transform, grid_crs = globe.composite(cap)
    # A circle around the pole, as far out as the scene's own projection has the parallel.
    parallel = shapely.length(
        move(shapely.LineString([(0, pole), (0, pole - np.sign(pole))]), "EPSG:4326", crs)
    )
    columns, rows = np.meshgrid(np.arange(found.shape[1]) + 0.5, np.arange(found.shape[0]) + 0.5)
    x, y = transform * (columns, rows)
    expected = globe.expected(found.shape, transform, grid_crs)
    centre = move(shapely.Point(0, pole), "EPSG:4326", crs)
    radius = np.hypot(x - centre.x, y - centre.y)
    np.testing.assert_allclose(found.shape, 2 * parallel / size, atol=2)
    near, far = radius < 0.998 * parallel, radius > 1.001 * parallel
    same(np.where(near, found, np.nan), np.where(near, expected, np.nan))
    assert np.isnan(found[far]).all()


@pytest.mark.parametrize(("crs", "edge", "pole"), POLAR)
@pytest.mark.parametrize("is_extent", [True, False])
def test_a_polar_map_is_searched_for_all_around_the_pole(
    globe, tile, same, crs, edge, pole, is_extent
):
    around = tile.around(crs, 0, pole, size=6000.0, shape=(40, 40))
    for day in range(2):
        globe.scene(around, day)  # its footprint goes round the pole
    elsewhere = tile.around("EPSG:32633", 15, 45, size=1000.0)
    globe.scene(elsewhere, 0)
    area = around.box(inset=3.2)
    found, transform, grid_crs = globe.composite(area, crs, is_extent=is_extent)
    globe.scenes.pop()
    clip = None if is_extent else area
    same(found, globe.expected(found.shape, transform, grid_crs, clip))


@pytest.mark.parametrize(("zone", "longitude", "latitude"), [
    ("EPSG:32633", 15.5, 84.0), ("EPSG:32725", -33, -80.0), ("EPSG:32701", -179.8, -80.2),
])  # fmt: skip
def test_utm_beyond_its_latitudes(globe, tile, same, move, zone, longitude, latitude):
    around = tile.around(zone, longitude, latitude, shape=(50, 60))
    for day in range(3):
        globe.scene(around, day)
    area = shapely.box(longitude - 0.1, latitude - 0.015, longitude + 0.1, latitude + 0.015)
    found, transform, crs = globe.composite(area)
    same(found, globe.expected(found.shape, transform, crs, move(area, "EPSG:4326", zone)))
    rows = globe.observations([area, shapely.Point(longitude, latitude)])
    assert len(rows[1]) == len(rows[2]) == 3
    expected = globe.days(np.array([longitude]), np.array([latitude]), "EPSG:4326")[:, 0]
    read = [float(row["value"] or "nan") for row in rows[2]]
    np.testing.assert_allclose(read, expected, atol=1e-9)


def test_scenes_of_utm_in_a_polar_map(globe, tile, same):
    for day, longitude in ((0, 14.9), (0, 15.2), (1, 15.0)):
        zone = "EPSG:32633" if longitude > 14.95 else "EPSG:32632"
        globe.scene(tile.around(zone, longitude, 83.9), day)
    area = tile.around("EPSG:3413", 15, 83.9, shape=(30, 30)).box()
    found, transform, crs = globe.composite(
        area, "EPSG:3413", is_extent=True, output_crs="EPSG:3413", resolution=100.0
    )
    same(found, globe.expected(found.shape, transform, crs))
