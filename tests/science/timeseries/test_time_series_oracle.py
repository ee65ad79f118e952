"""The whole job on real imagery against the notebook's own steps in xarray and odc-stac."""

import csv
import json

import numpy as np
import odc.stac
import pandas as pd
import pyproj
import pystac
import pytest
import rasterio
import shapely
import xarray as xr
from fairweather.core.bridge.request import Area, SceneSearch, Site, TimeSeriesRequest
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.timeseries.job import run_time_series
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask

UTM33 = "EPSG:32633"
MASKED = (3, 8, 9, 10)
DEFAULTS = SeriesRecipe()
# In the northern tile only, away from the rows that both tiles have.
POINTS = {1: (550_003.0, 5_120_011.0), 2: (561_130.0, 5_133_333.0), 3: (580_511.0, 5_110_700.0)}


@pytest.fixture(scope="module")
def northern_tile(shared_data):
    """Reflectance of the cloud-free pixels of tile 33TWM on its own grid, as the notebook does."""
    folder = shared_data / "zagreb" / "sentinel-2-l2a"
    items = [pystac.Item.from_file(path) for path in sorted(folder.glob("*33TWM*/*.json"))]
    with rasterio.open(folder / items[0].id / "B04.tif") as dataset:
        grid = GeoBox.from_rio(dataset)
    data = odc.stac.load(items, bands=["red", "nir", "scl"], geobox=grid, groupby="solar_day")
    data = data.where(data != 0)
    clear = ~data.scl.isin(MASKED)
    red = (data.red.astype("float64") * 0.0001).where(clear)
    nir = (data.nir.astype("float64") * 0.0001).where(clear)
    return grid, xr.Dataset({"red": red, "NDVI": (nir - red) / (nir + red)})


@pytest.fixture
def run(shared_data, tmp_path):
    """Run the job on Zagreb; the rows of its three tables and what the log says."""

    def run(sites, indices=("NDVI",), crs=UTM33, recipe=DEFAULTS, catalog=None, **asked):
        shapes = [shapely.geometry.shape(site.geometry) for site in sites]
        hull = shapely.union_all(shapes).buffer(1 if crs == UTM33 else 1e-5).envelope
        search = SceneSearch(
            "sentinel-2-l2a",
            Area(crs, json.loads(json.dumps(shapely.geometry.mapping(hull)))),
            "2023-08-01",
            "2023-08-31",
            catalog=str(catalog or shared_data / "zagreb" / "catalog.json"),
            max_cloud=100.0,
        )
        tables = {name: tmp_path / f"{name}.csv" for name in TABLES}
        request = TimeSeriesRequest(
            search,
            tuple(sites),
            crs,
            tuple(indices),
            recipe,
            **{name: str(path) for name, path in tables.items()},
            **asked,
        )
        reporter = RecordingReporter()
        values = run_time_series(request, reporter, tmp_path)
        rows = {name: list(csv.DictReader(path.open())) for name, path in tables.items()}
        return rows, values, reporter

    return run


TABLES = ("series", "observations", "site_summary")


def point_site(number, place, name=""):
    return Site(number, name or f"site {number}", {"type": "Point", "coordinates": list(place)})


def polygon_site(number, polygon, name=""):
    return Site(number, name or f"site {number}", shapely.geometry.mapping(polygon))


def column(rows, site, name, index="NDVI"):
    found = [r[name] for r in rows if r["site_id"] == str(site) and r["index"] == index]
    return np.array([float(text) if text else np.nan for text in found])


def test_points_equal_the_notebooks_series(run, northern_tile):
    _, data = northern_tile
    rows, values, _ = run([point_site(number, place) for number, place in POINTS.items()])
    assert values["SITE_COUNT"] == 3
    for number, (x, y) in POINTS.items():
        daily = data.NDVI.interp(x=x, y=y, method="nearest")
        np.testing.assert_allclose(
            column(rows["observations"], number, "value"), daily.values, atol=1e-9
        )
        midnight = daily.assign_coords(time=pd.DatetimeIndex(daily.time))
        regular = midnight.resample(time="5D").mean()
        filled = regular.interpolate_na("time", use_coordinate=False)
        smooth = filled.rolling(time=3, min_periods=1, center=True).mean()
        for name, expected in (("value", regular), ("interpolated", filled), ("smoothed", smooth)):
            np.testing.assert_allclose(
                column(rows["series"], number, name), expected.values, atol=1e-9
            )
    observed = values["OBSERVATION_COUNT"]
    assert observed == sum(
        int(np.isfinite(data.NDVI.interp(x=x, y=y, method="nearest")).sum())
        for x, y in POINTS.values()
    )


@pytest.mark.parametrize("statistic", ["mean", "median", "min", "max", "std", "p10", "p90"])
def test_polygons_equal_plain_numpy(run, northern_tile, statistic):
    grid, data = northern_tile
    shell = shapely.Point(560_000, 5_120_000).buffer(2_000)
    ring = shell.difference(shapely.Point(560_300, 5_120_200).buffer(900))
    apart = shapely.MultiPolygon([ring, shapely.box(570_013, 5_112_007, 571_517, 5_113_111)])
    rows, _, _ = run(
        [polygon_site(1, apart), polygon_site(2, shell)], ("NDVI", "red"), statistic=statistic
    )
    reduce = {
        "mean": np.mean,
        "median": np.median,
        "min": np.min,
        "max": np.max,
        "std": np.std,
        "p10": lambda values: np.quantile(values, 0.1),
        "p90": lambda values: np.quantile(values, 0.9),
    }[statistic]
    for number, polygon in ((1, apart), (2, shell)):
        inside = geometry_mask([polygon], grid.shape, grid.transform, invert=True)
        for index in ("NDVI", "red"):
            expected, counts = [], []
            for day in data[index].values:
                values = day[inside]
                values = values[np.isfinite(values)]
                counts.append(len(values))
                expected.append(reduce(values) if len(values) else np.nan)
            found = [r for r in rows["observations"] if r["site_id"] == str(number)]
            np.testing.assert_allclose(column(found, number, "value", index), expected, atol=1e-9)
            assert [int(r["clear_pixels"]) for r in found if r["index"] == index] == counts
            assert {int(r["all_pixels"]) for r in found} == {int(inside.sum())}


@pytest.mark.parametrize("crs", [UTM33, "EPSG:4326"])
def test_polygons_equal_rasterstats_centre_rule(run, northern_tile, crs):
    rasterstats = pytest.importorskip(
        "rasterstats", reason="rasterstats, of requirements-dev.in, is not installed"
    )
    grid, data = northern_tile
    generator = np.random.default_rng(4)
    parcels = [
        shapely.affinity.rotate(shapely.box(x, y, x + width, y + height), turn, origin="centroid")
        for x, y, width, height, turn in zip(
            generator.uniform(548_000, 583_000, 12),
            generator.uniform(5_108_000, 5_133_000, 12),
            generator.uniform(300, 2_500, 12),
            generator.uniform(300, 2_500, 12),
            generator.uniform(0, 90, 12),
            strict=True,
        )
    ]
    to_sites = pyproj.Transformer.from_crs(UTM33, crs, always_xy=True)
    drawn = [shapely.transform(p, to_sites.transform, interleaved=False) for p in parcels]
    rows, _, _ = run(
        [polygon_site(number, polygon) for number, polygon in enumerate(drawn)], crs=crs
    )
    found = [(r["site_id"], r["value"], r["clear_pixels"]) for r in rows["observations"]]
    # Turned from degrees back into the raster's CRS vertex by vertex, as a GIS does it.
    back = pyproj.Transformer.from_crs(crs, UTM33, always_xy=True)
    zones = [shapely.transform(p, back.transform, interleaved=False) for p in drawn]
    days = [
        rasterstats.zonal_stats(
            zones, np.where(np.isfinite(day), day, -9999.0), affine=grid.transform, nodata=-9999.0,
            stats=["mean", "count"], all_touched=False,
        )
        for day in data.NDVI.values
    ]  # fmt: skip
    for number in range(len(parcels)):
        values = [day[number]["mean"] for day in days]
        expected = [np.nan if value is None else value for value in values]
        own = [row for row in found if row[0] == str(number)]
        np.testing.assert_allclose(
            [float(value or "nan") for _, value, _ in own], expected, rtol=0, atol=1e-9
        )
        assert [int(clear) for *_, clear in own] == [day[number]["count"] for day in days]


def test_min_clear_drops_days_that_are_mostly_cloud(run, northern_tile):
    grid, data = northern_tile
    polygon = shapely.Point(560_000, 5_120_000).buffer(4_000)
    inside = geometry_mask([polygon], grid.shape, grid.transform, invert=True)
    share = [100 * np.isfinite(day[inside]).mean() for day in data.NDVI.values]
    assert min(share) < 80 < max(share)
    rows, _, _ = run([polygon_site(1, polygon)], min_clear=80.0)
    has_value = np.isfinite(column(rows["observations"], 1, "value"))
    assert has_value.tolist() == [percent >= 80 for percent in share]


def test_sites_in_degrees_are_the_same_places(run):
    to_degrees = pyproj.Transformer.from_crs(UTM33, "EPSG:4326", always_xy=True)
    expected, _, _ = run([point_site(number, place) for number, place in POINTS.items()])
    degrees = {number: to_degrees.transform(*place) for number, place in POINTS.items()}
    found, _, _ = run(
        [point_site(number, place) for number, place in degrees.items()], crs="EPSG:4326"
    )
    assert found == expected


def test_a_site_smaller_than_a_pixel_takes_the_pixel_it_lies_in(run):
    x, y = POINTS[1]
    tiny = shapely.Point(x, y).buffer(3)
    rows, _, reporter = run([point_site(1, (x, y)), polygon_site(2, tiny, "garden")])
    assert column(rows["series"], 1, "smoothed").tolist() == pytest.approx(
        column(rows["series"], 2, "smoothed").tolist(), nan_ok=True
    )
    assert any("Smaller than a pixel" in text and "garden" in text for text in reporter.messages)


def test_a_point_on_a_pixel_edge_takes_the_higher_row_and_column(run, northern_tile):
    grid, data = northern_tile
    row, column_number = 150, 120
    corner = grid.transform * (column_number, row)
    rows, _, _ = run([point_site(1, corner)])
    np.testing.assert_allclose(
        column(rows["observations"], 1, "value"), data.NDVI.values[:, row, column_number], atol=1e-9
    )


def test_a_site_outside_every_scene_stays_in_the_tables_and_is_named(run):
    rows, values, reporter = run(
        [point_site(1, POINTS[1]), point_site(2, (900_000, 5_120_000), "far away")]
    )
    assert values["SITE_COUNT"] == 2
    for name in ("series", "observations"):
        [row] = [r for r in rows[name] if r["site_id"] == "2"]
        assert row["site"] == "far away"
        assert row["time"] == row["value"] == ""
    [summary] = [r for r in rows["site_summary"] if r["site_id"] == "2"]
    assert summary["count"] == "0"
    assert any("far away" in text for text in reporter.warnings)


def test_the_same_day_from_two_tiles_is_one_observation(run):
    rows, _, _ = run([point_site(1, (560_000.0, 5_094_500.0))])
    days = [r["time"][:10] for r in rows["observations"]]
    assert len(days) == len(set(days)) == 5
    assert any(" " in r["item_ids"] for r in rows["observations"])


def test_the_summary_is_that_of_the_observations(run):
    rows, _, _ = run([point_site(number, place) for number, place in POINTS.items()])
    for summary in rows["site_summary"]:
        number = summary["site_id"]
        own = [r for r in rows["observations"] if r["site_id"] == number and r["value"]]
        values = [float(r["value"]) for r in own]
        assert int(summary["count"]) == len(values)
        assert float(summary["mean"]) == pytest.approx(np.mean(values))
        assert float(summary["maximum"]) == max(values)
        assert summary["maximum_date"] == own[int(np.argmax(values))]["time"][:10]


def test_duplicate_names_are_told_apart_by_their_ids(run):
    rows, _, _ = run([point_site(1, POINTS[1], "field"), point_site(2, POINTS[2], "field")])
    assert {(r["site_id"], r["site"]) for r in rows["series"]} == {("1", "field"), ("2", "field")}
    assert not np.array_equal(
        column(rows["observations"], 1, "value"), column(rows["observations"], 2, "value")
    )


def test_all_cloudy_days_have_rows_without_a_value_and_a_warning(run):
    rows, values, reporter = run(
        [point_site(1, POINTS[1]), polygon_site(2, shapely.Point(POINTS[2]).buffer(500))],
        mask_classes=tuple(range(12)),
    )
    assert values["OBSERVATION_COUNT"] == 0
    observed = [r for r in rows["observations"] if r["site_id"] == "2"]
    assert len(observed) == 5
    assert {(r["value"], r["clear_pixels"]) for r in observed} == {("", "0")}
    assert all(int(r["all_pixels"]) > 1 for r in observed)
    assert np.isnan(column(rows["series"], 1, "smoothed")).all()
    assert {(s["count"], s["mean"], s["maximum_date"]) for s in rows["site_summary"]} == {
        ("0", "", "")
    }
    assert any("No site was clear on any day" in text for text in reporter.warnings)


def test_heights_are_left_out(run):
    x, y = POINTS[1]
    flat = shapely.Point(x, y).buffer(700, quad_segs=4)
    high = shapely.force_3d(flat, 123.4)
    rows, _, _ = run(
        [
            polygon_site(1, flat),
            polygon_site(2, high),
            point_site(3, (x, y)),
            point_site(4, (x, y, 321.0)),
        ]
    )
    for low, with_height in ((1, 2), (3, 4)):
        np.testing.assert_array_equal(
            column(rows["observations"], low, "value"),
            column(rows["observations"], with_height, "value"),
        )


def test_one_day_is_a_series_of_one_step(run, shared_data, tmp_path):
    (only,) = sorted((shared_data / "zagreb/sentinel-2-l2a").glob("*33TWM*20230820*/*.json"))[:1]
    rows, _, _ = run([point_site(1, POINTS[1])], catalog=only)
    (observed,) = rows["observations"]
    (step,) = rows["series"]
    assert step["time"] == f"{observed['time'][:10]}T00:00:00Z"
    assert step["value"] == step["interpolated"] == step["smoothed"] == observed["value"] != ""
