"""What a composite means, on scenes made up for it; the oracle is in conftest.py."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import shapely
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.encoding import CommonEncoding
from fairweather.core.science.imagery.formula import parse_formula
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from shapely.geometry import Polygon

UTM33, UTM34 = "EPSG:32633", "EPSG:32634"
CLEAR, CLOUD = 4, 9


def noise(seed, shape=(24, 30), low=1, high=4000, dtype=np.uint16):
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def classes(seed, shape=(24, 30)):
    return np.random.default_rng(seed).choice([0, 3, 4, 5, 8, 9, 10, 11], shape)


def ndvi(nir, red):
    total = nir + red
    return np.divide(nir - red, total, out=np.full(total.shape, np.nan), where=total != 0)


@pytest.mark.parametrize("days", [1, 2, 3, 4, 7])
def test_median_of_clear_days(scenes, engine, oracle_of, grid, same, median_of, days):
    made = [
        scenes.scene(day, {"red": noise(day, low=0), "nir": noise(day + 50, low=0)}, classes(day))
        for day in range(1, days + 1)
    ]
    found = engine.compose(
        made, grid().box(inset=0.1), ("red", "nir", "NDVI"), is_extent=True, count_band=True
    )
    oracle = oracle_of(found)
    red, nir = oracle.cube(made, "red"), oracle.cube(made, "nir")
    same(found.bands["red"], median_of(red))
    same(found.bands["nir"], median_of(nir))
    same(found.bands["NDVI"], median_of(ndvi(nir, red)))
    count = (~np.isnan(red) & ~np.isnan(nir)).sum(axis=0)
    np.testing.assert_array_equal(found.bands["clear_days"], count)
    assert found.statistics.covered_pixels == np.count_nonzero(count)
    assert found.statistics.area_pixels == count.size
    assert sum(found.statistics.clear_pixels.values()) == count.sum()


@pytest.mark.parametrize(
    "crs",
    [UTM33, "EPSG:4326", *(pytest.param(c, marks=pytest.mark.slow) for c in (UTM34, "EPSG:3035"))],
)
def test_two_zones_by_the_centre_of_every_pixel(
    scenes, engine, oracle_of, grid, same, median_of, crs
):
    west = grid(left=699_960.0, top=5_000_040.0, shape=(160, 160))
    # The same place, seen from the next zone.
    left, top = Transformer.from_crs(UTM33, UTM34, always_xy=True).transform(700_400, 5_000_100)
    east = grid(left=round(left, -1), top=round(top, -1), shape=(160, 160), crs=UTM34)
    made = [
        scenes.scene(
            day, {"red": noise(day * 10 + n, (160, 160))}, classes(day + n, (160, 160)), where,
            name=f"{day}-{n}",
        )
        for day in (1, 2, 3)
        for n, where in enumerate((west, east))
    ]  # fmt: skip
    resolution = {"EPSG:4326": 1.3e-4}.get(crs, 10.0)
    found = engine.compose(
        made, west.box(inset=-5), crs=crs, resolution=resolution, edge=100, shuffled=True
    )
    assert str(found.plan.geobox.crs) == crs
    oracle = oracle_of(found)
    expected = median_of(oracle.cube(made, "red"))
    polygon = shapely.transform(
        west.box(inset=-5),
        Transformer.from_crs(UTM33, crs, always_xy=True).transform,
        interleaved=False,
    )
    same(found.bands["red"], oracle.clip(expected, polygon))
    assert np.isfinite(found.bands["red"]).mean() > 0.5


def test_half_a_pixel_off_takes_the_higher_row_and_column(scenes, engine, grid):
    pixels = noise(1)
    one = scenes.scene(1, {"red": pixels}, grid=grid())
    aligned = grid(left=500_005.0, top=4_999_995.0)
    other = scenes.scene(2, {"red": noise(2)}, grid=aligned)
    again = scenes.scene(3, {"red": noise(3)}, grid=aligned)
    found = engine.compose(
        [one, other, again], aligned.box(right=20, bottom=20), masked=None, is_extent=True
    )
    assert found.profile["transform"].c == 500_005
    cube = np.stack([pixels[1:21, 1:21], noise(2)[:20, :20], noise(3)[:20, :20]])
    np.testing.assert_allclose(found.bands["red"], np.median(cube, axis=0) * 1e-4, atol=1e-7)


def test_a_day_takes_the_first_scene_with_a_value_and_masks_afterwards(scenes, engine, grid):
    #                     both   first is cloudy  first has none  none   first has no class
    first = scenes.scene(1, {"red": [[100, 100, 0, 0, 100]]}, [[CLEAR, CLOUD, 0, 0, 0]], hour=9)
    second = scenes.scene(
        1, {"red": [[200, 200, 200, 0, 200]]}, [[CLEAR, CLEAR, CLEAR, CLEAR, CLOUD]], hour=10
    )
    for order in ([first, second], [second, first]):
        found = engine.compose(order, grid(shape=(1, 5)).box(), is_extent=True, count_band=True)
        np.testing.assert_allclose(
            found.bands["red"][0], [0.01, np.nan, 0.02, np.nan, np.nan], atol=1e-7
        )
        np.testing.assert_array_equal(found.bands["clear_days"][0], [1, 0, 1, 0, 0])


def test_the_mask_is_fused_by_its_own_nodata(scenes, engine, grid):
    # The first scene's class hides the second's cloud where the first has no data.
    first = scenes.scene(1, {"red": [[0, 0]]}, [[CLEAR, CLOUD]], hour=9)
    second = scenes.scene(1, {"red": [[200, 200]]}, [[CLOUD, CLEAR]], hour=10)
    found = engine.compose([first, second], grid(shape=(1, 2)).box(), is_extent=True)
    np.testing.assert_allclose(found.bands["red"][0], [0.02, np.nan], atol=1e-7)


def test_of_scenes_at_one_time_the_lower_id_is_first(scenes, engine, grid):
    b = scenes.scene(1, {"red": [[200]]}, name="B")
    a = scenes.scene(1, {"red": [[100]]}, name="A")
    found = engine.compose([b, a], grid(shape=(1, 1)).box(), masked=None, is_extent=True)
    np.testing.assert_allclose(found.bands["red"], [[0.01]], atol=1e-7)


def test_a_solar_day_goes_past_midnight_in_utc(scenes, engine, grid):
    far_east = grid(crs="EPSG:32656")  # 153° east: ten hours
    evening = scenes.scene(1, {"red": [[100]]}, grid=far_east, hour=23)
    morning = scenes.scene(2, {"red": [[300]]}, grid=far_east, hour=1)
    box = dataclasses.replace(far_east, shape=(1, 1)).box()
    found = engine.compose(
        [morning, evening], box, area_crs="EPSG:32656", masked=None, is_extent=True
    )
    assert [len(day.scenes) for day in found.plan.days] == [2]
    np.testing.assert_allclose(found.bands["red"], [[0.01]], atol=1e-7)


def test_differing_offsets_between_days(scenes, engine, grid):
    # 1000 - 1000 is a value, and so is what lies below zero.
    before = scenes.scene(1, {"red": [[500, 0, 10, 1]]}, offset=0.0)
    after = scenes.scene(2, {"red": [[1000, 1000, 0, 500]]}, offset=-0.1)
    last = scenes.scene(3, {"red": [[900, 1000, 0, 400]]}, offset=-0.1)
    found = engine.compose(
        [before, after, last], grid(shape=(1, 4)).box(), masked=None, is_extent=True,
        count_band=True,
    )  # fmt: skip
    np.testing.assert_allclose(found.bands["red"], [[0.0, 0.0, 0.001, -0.05]], atol=1e-7)
    np.testing.assert_array_equal(found.bands["clear_days"], [[3, 2, 1, 3]])


def test_differing_offsets_within_a_day(scenes, engine, grid):
    before = scenes.scene(1, {"red": [[500, 0, 0, 0]]}, offset=0.0, hour=9)
    after = scenes.scene(1, {"red": [[7, 1500, 1000, 900]]}, offset=-0.1, hour=10)
    found = engine.compose([before, after], grid(shape=(1, 4)).box(), masked=None, is_extent=True)
    np.testing.assert_allclose(found.bands["red"], [[0.05, 0.05, 0.0, -0.01]], atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.uint32, np.int16, np.uint8])
def test_differing_offsets_of_any_dtype(scenes, engine, grid, dtype):
    values = [[10.5, 100.25, 250.75]] if dtype == np.float32 else [[10, 100, 250]]
    one = scenes.scene(1, {"red": np.array(values, dtype)}, offset=0.0)
    other = scenes.scene(2, {"red": np.array(values, dtype)}, offset=-0.01)
    found = engine.compose([one, other], grid(shape=(1, 3)).box(), masked=None, is_extent=True)
    expected = np.array(values) * 1e-4 - 0.005
    np.testing.assert_allclose(found.bands["red"], expected, atol=1e-8)


def test_differing_scales(scenes, engine, grid):
    sentinel = scenes.scene(1, {"red": [[1234, 0]]}, scale=1e-4)
    landsat = scenes.scene(2, {"red": [[10_000, 9000]]}, scale=2.75e-5, offset=-0.2)
    third = scenes.scene(3, {"red": [[20_000, 0]]}, scale=2.75e-5, offset=-0.2)
    found = engine.compose(
        [sentinel, landsat, third], grid(shape=(1, 2)).box(), masked=None, is_extent=True
    )
    np.testing.assert_allclose(found.bands["red"], [[0.1234, 9000 * 2.75e-5 - 0.2]], atol=1e-7)


@pytest.mark.parametrize("nodata", [float("nan"), None, -9999.0])
def test_float_sources(scenes, engine, grid, nodata):
    nan = np.nan
    options = {"nodata": nodata, "scale": 1.0, "offset": 0.0}
    one = scenes.scene(1, {"red": np.array([[0.1, nan, nan, -0.5]], np.float32)}, **options)
    two = scenes.scene(2, {"red": np.array([[0.3, 0.2, nan, -9999.0]], np.float32)}, **options)
    found = engine.compose([one, two], grid(shape=(1, 4)).box(), masked=None, is_extent=True)
    last = -0.5 if nodata == -9999 else (-9999 - 0.5) / 2
    np.testing.assert_allclose(found.bands["red"], [[0.2, 0.2, nan, last]], rtol=1e-6)


def test_mixed_dtypes(scenes, engine, grid):
    made = [
        scenes.scene(1, {"red": np.array([[255, 1]], np.uint8)}),
        scenes.scene(2, {"red": np.array([[65_535, 65_535]], np.uint16)}),
        scenes.scene(3, {"red": np.array([[-300, -32_768]], np.int16)}),
        scenes.scene(4, {"red": np.array([[65_000, 0]], np.uint16)}),
    ]
    for order in (made, made[::-1]):
        found = engine.compose(order, grid(shape=(1, 2)).box(), masked=None, is_extent=True)
        np.testing.assert_allclose(found.bands["red"], [[(255 + 65_000) / 2e4, 1e-4]], rtol=1e-6)


def test_every_pixel_is_a_value_without_nodata(scenes, engine, grid):
    made = [scenes.scene(day, {"red": [[0, day]]}, nodata=None) for day in (1, 2, 3)]
    found = engine.compose(made, grid(shape=(1, 2)).box(), masked=None, is_extent=True)
    np.testing.assert_allclose(found.bands["red"], [[0, 2e-4]], atol=1e-9)


@pytest.mark.parametrize(
    ("masked", "expected"),
    [
        (None, [0.01, 0.01, 0.01, 0.01]),
        ((9,), [0.01, np.nan, 0.01, 0.01]),
        ((4, 11), [np.nan, 0.01, np.nan, 0.01]),
        # "no data" as a class to mask: here the mask's own nodata.
        ((0, 9), [0.01, np.nan, 0.01, np.nan]),
    ],
)
def test_masked_classes(scenes, engine, grid, masked, expected):
    made = [scenes.scene(1, {"red": [[100, 100, 100, 100]]}, [[CLEAR, CLOUD, 11, 0]])]
    found = engine.compose(made, grid(shape=(1, 4)).box(), masked=masked, is_extent=True)
    np.testing.assert_allclose(found.bands["red"][0], expected, atol=1e-7)


@pytest.mark.parametrize("edge", [8, 16, 64])
def test_a_mask_that_is_smaller_than_the_band(scenes, engine, oracle_of, grid, same, edge):
    # Where there is no class nothing is masked, whatever the blocks.
    mask = scenes.source(np.full((10, 12), CLOUD, np.uint8), grid(), scale=1.0)
    made = [scenes.scene(1, {"red": noise(1)}, mask)]
    found = engine.compose(made, grid().box(inset=0.2), is_extent=True, edge=edge)
    same(found.bands["red"], oracle_of(found).cube(made, "red")[0])
    assert np.isnan(found.bands["red"]).sum() == 120


@pytest.mark.parametrize("edge", [8, 64])
def test_a_band_that_reaches_further_than_another(scenes, engine, oracle_of, grid, same, edge):
    right = scenes.source(noise(2, (24, 12)), grid(left=500_180.0))
    made = [scenes.scene(1, {"red": noise(1, (24, 12)), "nir": right})]
    bands = ("red", "nir", "NDVI")
    found = engine.compose(
        made, grid().box(inset=0.2), bands, masked=None, is_extent=True, edge=edge, count_band=True
    )
    oracle = oracle_of(found)
    for band in ("red", "nir"):
        same(found.bands[band], oracle.cube(made, band, masked=None)[0])
    assert np.isnan(found.bands["NDVI"]).all()
    assert not found.bands["clear_days"].any()


def test_bands_of_two_resolutions_on_the_finer_grid(scenes, engine, oracle_of, grid, same):
    coarse = grid(size=20.0, shape=(12, 15))
    made = [
        scenes.scene(
            day,
            {"red": noise(day), "swir16": scenes.source(noise(day + 9, (12, 15)), coarse)},
            scenes.source(classes(day, (12, 15)).astype(np.uint8), coarse, scale=1.0),
        )
        for day in (1, 2, 3)
    ]
    found = engine.compose(made, grid().box(inset=0.2), ("swir16", "red"), is_extent=True)
    assert found.profile["transform"].a == 10
    oracle = oracle_of(found)
    for band in ("red", "swir16"):
        cube = oracle.cube(made, band)
        expected = np.full(cube.shape[1:], np.nan)
        some = ~np.isnan(cube).all(axis=0)
        expected[some] = np.nanmedian(cube[:, some], axis=0)
        same(found.bands[band], expected)
    made = [dataclasses.replace(scene, bands={"swir16": scene.bands["swir16"]}) for scene in made]
    only_coarse = engine.compose(made, grid().box(inset=0.2), ("swir16",), is_extent=True)
    assert only_coarse.profile["transform"].a == 20


def test_an_index_is_computed_by_day_and_then_reduced(scenes, engine, grid):
    days = [(1000, 500), (3000, 100), (2000, 1900)]
    made = [
        scenes.scene(day, {"nir": [[nir]], "red": [[red]]})
        for day, (nir, red) in enumerate(days, start=1)
    ]
    found = engine.compose(made, grid(shape=(1, 1)).box(), ("NDVI",), masked=None, is_extent=True)
    assert found.bands["NDVI"][0, 0] == pytest.approx(500 / 1500)


def test_a_zero_denominator_is_no_data_and_nothing_is_clipped(scenes, engine, grid):
    # With the offset: 1100 is 0.01, 900 is -0.01: a sum of exactly zero in the integers.
    one = scenes.scene(1, {"nir": [[1100, 1300]], "red": [[900, 900]]}, offset=-0.1)
    two = scenes.scene(2, {"nir": [[900, 1300]], "red": [[1100, 900]]}, offset=-0.1)
    found = engine.compose(
        [one, two], grid(shape=(1, 2)).box(), ("NDVI",), masked=None, is_extent=True,
        count_band=True,
    )  # fmt: skip
    np.testing.assert_allclose(found.bands["NDVI"], [[np.nan, (300 + 100) / (300 - 100)]])
    np.testing.assert_array_equal(found.bands["clear_days"], [[2, 2]])


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), min_size=1, max_size=6))
@settings(max_examples=100)
def test_indices_are_exact_in_the_integers(pairs):
    # The formula on exact reflectances against rational arithmetic, for the default offset.
    encoding = CommonEncoding(1e-4, -0.1, "stored")
    nir, red = (np.array(column, np.uint16) for column in zip(*pairs, strict=True))
    found = parse_formula("(nir - red) / (nir + red)").evaluate(
        {"nir": encoding.exact_reflectance(nir), "red": encoding.exact_reflectance(red)}
    )
    for value, (a, b) in zip(found, pairs, strict=True):
        if a + b == 2000:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(float(Fraction(a - b, a + b - 2000)), rel=1e-9)


def test_no_clear_day_gives_no_data_and_a_count_of_zero(scenes, engine, grid):
    made = [scenes.scene(day, {"red": noise(day)}, np.full((24, 30), CLOUD)) for day in (1, 2)]
    for dtype, nodata in (("float32", np.nan), ("int16", -32_768)):
        found = engine.compose(made, grid().box(), is_extent=True, count_band=True, dtype=dtype)
        np.testing.assert_array_equal(found.bands["red"], np.full((24, 30), nodata))
        np.testing.assert_array_equal(found.bands["clear_days"], np.zeros((24, 30)))
    assert found.statistics.clear_percent == 0


def test_days_without_a_clear_pixel_inside_are_not_read(scenes, engine, grid):
    cloudy = np.full((24, 30), CLOUD)
    cloudy[0, 0] = CLEAR  # outside the area
    missing = dataclasses.replace(scenes.source(noise(1), grid()), href="/no/such/file.tif")
    made = [
        scenes.scene(1, {"red": missing}, cloudy),
        scenes.scene(2, {"red": noise(2)}, np.full((24, 30), CLEAR)),
    ]
    triangle = Polygon([(500_100, 4_999_800), (500_290, 4_999_800), (500_290, 4_999_950)])
    found = engine.compose(made, triangle)
    assert np.isfinite(found.bands["red"]).any()
    with pytest.raises(ReadError, match=r"file\.tif"):
        engine.compose(made, grid().box(), on_error="fail")


def test_what_lies_outside_the_polygon_is_never_opened(scenes, engine, grid):
    far = grid(left=500_200.0, shape=(24, 10))
    gone = {
        "href": "/no/such/file.tif",
    }
    missing = dataclasses.replace(scenes.source(noise(1, (24, 10)), far), **gone)
    missing_mask = dataclasses.replace(
        scenes.source(np.full((24, 10), CLEAR, np.uint8), far), **gone
    )
    near = scenes.scene(1, {"red": noise(2)}, np.full((24, 30), CLEAR))
    # Within the raster, outside the polygon: an L.
    corner = Polygon(
        [(500_000, 5_000_000), (500_080, 5_000_000), (500_080, 4_999_840), (500_300, 4_999_840),
         (500_300, 4_999_760), (500_000, 4_999_760)]
    )  # fmt: skip
    upper = dataclasses.replace(far, shape=(8, 10))
    upper_missing = dataclasses.replace(scenes.source(noise(1, (8, 10)), upper), **gone)
    made = [near, scenes.scene(2, {"red": upper_missing}, dataclasses.replace(
        scenes.source(np.full((8, 10), CLEAR, np.uint8), upper), **gone))]  # fmt: skip
    found = engine.compose(made, corner, edge=8)
    assert np.isfinite(found.bands["red"]).any()
    made[1] = scenes.scene(2, {"red": missing}, missing_mask)
    with pytest.raises(ReadError):
        engine.compose(made, corner, edge=8, on_error="fail")


def test_a_band_without_a_value_leaves_the_other_bands_day(
    scenes, engine, grid, oracle_of, same, median_of
):
    shape = (24, 30)
    made = []
    for day in (1, 2, 3):
        red, nir = noise(day, shape), noise(10 + day, shape)
        red[:, 5 * day : 5 * day + 9] = 0
        made.append(scenes.scene(day, {"red": red, "nir": nir}, np.full(shape, CLEAR)))
    found = engine.compose(made, grid().box(), ("red", "nir"))
    oracle = oracle_of(found)
    for band in ("red", "nir"):
        same(found.bands[band], median_of(oracle.cube(made, band)))
    assert set(found.statistics.pixels_by_clear_days) == {1, 2, 3}
