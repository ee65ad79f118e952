"""Series of real imagery through qgis_process equal what plain rasterio, numpy and xarray give."""

import csv
import json

import geopandas
import numpy as np
import pandas
import pystac
import pytest
import rasterio
import xarray
from rasterio.features import geometry_mask
from shapely import Point, box

CRS = "EPSG:32633"
MASKED = (0, 3, 8, 9, 10)  # 0 is the mask band's nodata
# Away from the seam, where the tiles overlap and the days of both would be one.
SITES = {
    "meadow": ("33TWM", Point(560_012.3, 5_118_234.1)),
    "wood": ("33TWM", Point(570_000, 5_112_345.6)),
    "plain": ("33TWL", Point(565_432.1, 5_070_123.4)),
    "parcel, Žito": (
        "33TWL",
        Point(560_000, 5_068_000).buffer(800) - box(559_800, 0, 560_100, 1e7),
    ),
    "tiny": ("33TWM", Point(566_000, 5_115_000).buffer(9)),
    "far away": (None, Point(800_000, 5_100_000)),
}


@pytest.fixture(scope="module")
def zagreb(shared_data):
    """Parameters that use all days of the real imagery."""
    return {
        "COLLECTION": "sentinel-2-l2a",
        "CATALOG": shared_data / "zagreb" / "catalog.json",
        "START": "2023-08-01",
        "END": "2023-08-31",
        "MAX_CLOUD": 100,
    }


@pytest.fixture
def write_sites(tmp_path_factory):
    """Write the points, or the polygons, of ``SITES`` as a GeoPackage; its path and their names."""

    def write(kind):
        shapes = {name: shape for name, (_, shape) in SITES.items() if kind in shape.geom_type}
        path = tmp_path_factory.mktemp("sites") / "sites.gpkg"
        frame = geopandas.GeoDataFrame(
            {"name": list(shapes)}, geometry=list(shapes.values()), crs=CRS
        )
        frame.to_file(path)
        return path, set(shapes)

    return write


@pytest.fixture(scope="module")
def observed(shared_data):
    """NDVI of a site by date, NaN where it is cloudy: pixels of its tile's own files."""
    catalog = pystac.Catalog.from_file(str(shared_data / "zagreb" / "catalog.json"))
    items = sorted(catalog.get_items(recursive=True), key=lambda item: item.datetime)

    def observe(name):
        tile, shape = SITES[name]
        values = {}
        for item in items:
            if tile not in item.id:
                continue
            bands, inside = {}, None
            for band in ("red", "nir", "scl"):
                with rasterio.open(item.assets[band].get_absolute_href()) as dataset:
                    inside = pixels_of(shape, dataset)
                    bands[band] = dataset.read(1)[inside]
            clear = ~np.isin(bands["scl"], MASKED) & (bands["red"] != 0) & (bands["nir"] != 0)
            # earthsearch:boa_offset_applied is true: the offset of -0.1 must not be applied again.
            red, nir = bands["red"][clear] * 1e-4, bands["nir"][clear] * 1e-4
            index = (nir - red) / (nir + red)
            moment = item.datetime.replace(microsecond=0, tzinfo=None)
            values[moment] = (index.mean() if index.size else np.nan, index.size, inside.sum())
        return values

    return observe


def pixels_of(shape, dataset):
    inside = geometry_mask([shape], dataset.shape, dataset.transform, invert=True)
    if shape.geom_type == "Point" or not inside.any():
        inside = np.zeros(dataset.shape, bool)
        inside[dataset.index(*shape.centroid.coords[0])] = True
    return inside


def rows_by_site(path):
    found = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["site"], []).append(row)
    return found


def number(text):
    return float(text) if text else np.nan


def run_time_series(qgis_process, parameters, **outputs):
    run = qgis_process.run("timeseries", **parameters, **outputs)
    assert run.code == 0, run.errors
    return run


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Point", "Polygon"])
def test_observations_and_series(qgis_process, zagreb, write_sites, observed, tmp_path, kind):
    paths = {
        "OUTPUT": tmp_path / "series.csv",
        "OUTPUT_OBSERVATIONS": tmp_path / "observations.csv",
        "OUTPUT_SITES": tmp_path / "sites.gpkg",
        "OUTPUT_CHART": tmp_path / "chart.html",
        "OUTPUT_CHART_IMAGE": tmp_path / "chart.png",
    }
    path, names = write_sites(kind)
    run = run_time_series(qgis_process, zagreb, SITES=path, NAME_FIELD="name", **paths)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in paths.values()}
    series = rows_by_site(paths["OUTPUT"])
    observations = rows_by_site(paths["OUTPUT_OBSERVATIONS"])
    sites = geopandas.read_file(paths["OUTPUT_SITES"]).set_index("name")
    assert set(series) == set(observations) == set(sites.index) == names
    for name in names - {"far away"}:
        expected = observed(name)
        found = {
            pandas.Timestamp(row["time"]).to_pydatetime(): (
                number(row["value"]),
                int(row["clear_pixels"]),
                int(row["all_pixels"]),
            )
            for row in observations[name]
        }
        assert list(found) == sorted(expected)
        np.testing.assert_allclose(
            list(found.values()), [expected[day] for day in found], rtol=0, atol=1e-9
        )
        check_series(series[name], expected)
        check_site(sites.loc[name], expected)
    log = run.output + run.errors
    if kind == "Polygon":
        assert "Smaller than a pixel" in log
        assert "tiny" in log
    else:
        assert [row["time"] for row in series["far away"]] == [""]
        assert observations["far away"][0]["all_pixels"] == "0"
        assert sites.loc["far away", "NDVI_count"] == 0
        assert np.isnan(sites.loc["far away", "NDVI_mean"])
        assert "far away" in log
    assert "<script" in paths["OUTPUT_CHART"].read_text(encoding="utf-8")
    assert paths["OUTPUT_CHART_IMAGE"].read_bytes().startswith(b"\x89PNG")


def check_series(rows, observed):
    """The notebook's four steps, by xarray."""
    times = pandas.DatetimeIndex(list(observed))
    values = xarray.DataArray(
        [value for value, _, _ in observed.values()], dims="time", coords={"time": times}
    )
    steps = values.resample(time="5D").mean()
    filled = steps.interpolate_na("time", use_coordinate=False)
    smooth = filled.rolling(time=3, min_periods=1, center=True).mean()
    assert [pandas.Timestamp(row["time"]) for row in rows] == list(steps.time.to_index())
    for column, expected in (("value", steps), ("interpolated", filled), ("smoothed", smooth)):
        found = [number(row[column]) for row in rows]
        np.testing.assert_allclose(found, expected.values, rtol=0, atol=1e-9)


def check_site(site, observed):
    values = {day: value for day, (value, _, _) in observed.items() if np.isfinite(value)}
    assert site["NDVI_count"] == len(values)
    assert site["NDVI_mean"] == pytest.approx(np.mean(list(values.values())), abs=1e-9)
    assert site["NDVI_maximum"] == pytest.approx(max(values.values()), abs=1e-9)
    best = max(values, key=values.get)
    assert pandas.Timestamp(site["NDVI_maximum_date"]).date() == best.date()


@pytest.mark.slow
def test_times_do_not_depend_on_the_clock_of_the_machine(qgis_process, zagreb, tmp_path):
    """UTC in every table, wherever the analyst sits."""
    texts = []
    point = {**zagreb, "POINT": "560012.3,5118234.1 [EPSG:32633]"}
    for zone in ("America/New_York", "UTC"):
        path = tmp_path / f"{zone[-3:]}.csv"
        given = [f"{name}={value}" for name, value in {**point, "OUTPUT": path}.items()]
        run = qgis_process("run", "fairweather:timeseries", "--", *given, TZ=zone)
        assert run.code == 0, run.errors
        texts.append(path.read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert "2023/08/10 00:00:00" in texts[0]


@pytest.mark.slow
def test_both_zones_of_the_sample_in_one_run(qgis_process, sample_catalog, tmp_path):
    """Sites in two UTM zones, and indices of every kind, read from a GeoPackage's table."""
    sites = tmp_path / "sites.geojson"
    features = [
        {
            "type": "Feature",
            "properties": {"zone": zone},
            "geometry": {"type": "Point", "coordinates": [longitude, 56.2]},
        }
        for zone, longitude in ((33, 17.97), (34, 18.03))
    ]
    sites.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    parameters = {name: value for name, value in sample_catalog.items() if name != "AOI"}
    output = tmp_path / "series.gpkg"
    run_time_series(
        qgis_process,
        parameters,
        SITES=sites,
        NAME_FIELD="zone",
        INDEX="NDVI,ratio=max(nir,red)/red,nir",
        SMOOTH="whittaker",
        STEP=10,
        OUTPUT=output,
    )
    table = geopandas.read_file(output)
    assert set(table["site"]) == {"33", "34"}
    assert set(table["index"]) == {"NDVI", "ratio", "nir"}
    ndvi = table[table["index"] == "NDVI"]
    assert ndvi.groupby("site")["value"].count().min() >= 3
    assert ndvi["smoothed"].dropna().between(-0.2, 1).all()
    days = pandas.to_datetime(ndvi[ndvi["site"] == "33"]["time"], utc=True).diff().dropna()
    assert set(days.dt.days) == {10}


CASES = {
    "no site": ({"POINT": None}, "Give the sites"),
    "unknown index": ({"INDEX": "NDVII"}, "'NDVII' is neither a band nor an index"),
    "savgol": ({"SMOOTH": "savgol", "WINDOW": 4}, "WINDOW is 4"),
    "missing folder": ({"OUTPUT_CHART": "missing/chart.html"}, "OUTPUT_CHART: the folder"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.slow] if number else [])
        for number, case in enumerate(CASES)
    ],
)
def test_bad_input(qgis_process, tmp_path, case):
    changed, sentence = CASES[case]
    given = {"POINT": "16,46 [EPSG:4326]", "OUTPUT": "series.csv", **changed}
    parameters = {name: value for name, value in given.items() if value is not None}
    run = qgis_process.run("timeseries", folder=tmp_path, **parameters)
    assert run.code == 1
    assert sentence in run.errors
    assert "Traceback" not in run.output + run.errors
    assert list(tmp_path.iterdir()) == []
