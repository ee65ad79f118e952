"""The composite's report and its picture: self-contained, escaped, and right in its numbers."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from fairweather.core.bridge.errors import OutputError
from fairweather.core.science.composite.preview import RAMP, make_preview
from fairweather.core.science.composite.report import (
    ClearDays,
    CompositeReport,
    ReportBand,
    ReportDay,
    ReportScene,
    UnusedScenes,
    duration_in_words,
    in_percent,
    write_composite_report,
)
from rasterio.io import MemoryFile

HOSTILE = "\"'><script>alert(1)</script><img src=https://evil.example/x>{{ 7*7 }}&amp;"
VOID = {"meta", "img", "br"}


def write_raster(path, bands, dtype="float32", nodata=np.nan, scale=None):
    pixels = np.stack(list(bands.values())).astype(dtype)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=len(bands),
            dtype=dtype,
            height=pixels.shape[1],
            width=pixels.shape[2],
            crs="EPSG:32633",
            transform=rasterio.Affine(10, 0, 600000, 0, -10, 6000000),
            nodata=nodata,
        ) as dataset:
            dataset.write(pixels)
            dataset.descriptions = tuple(bands)
            if scale:
                dataset.scales = (scale,) * len(bands)
        rasterio.shutil.copy(memory.name, path, driver="COG", blocksize=256)
    return path


def picture(png):
    with MemoryFile(png) as memory, memory.open() as dataset:
        assert dataset.driver == "PNG"
        return dataset.read()


@pytest.fixture
def raster(tmp_path):
    steps = np.linspace(0.02, 0.3, 900 * 600).reshape(600, 900)
    bands = {"red": steps, "green": steps[::-1].copy(), "blue": steps * 0.5}
    for values in bands.values():
        values[:100] = np.nan
    return write_raster(tmp_path / "composite.tif", bands)


def make_scene(name="S2A_1", **changes):
    moment = datetime(2024, 6, 11, 10, 0, 31, tzinfo=UTC)
    scene = ReportScene(name, moment, "sentinel-2a", "33VXC", 12.34, "scale 0.0001, offset -0.1")
    return replace(scene, **changes)


@pytest.fixture
def report():
    days = (
        ReportDay(date(2024, 6, 11), (make_scene(), make_scene("S2A_2", cloud_cover=None)), 81.25),
        ReportDay(date(2024, 7, 1), (make_scene("S2B_3", encoding="scale 1, offset 0"),), 40.0),
    )
    return CompositeReport(
        title="Composite of June",
        file_name="composite.tif",
        bands=(ReportBand("red", "Red (B04)"), ReportBand("NDVI", "Vegetation index")),
        method="median",
        area="A polygon of 18.6 km².",
        grid="900 × 600 pixels of 10 m in EPSG:32633.",
        collection="Sentinel-2 L2A",
        catalog="https://stac.example/v1",
        days=days,
        unused=(UnusedScenes("MAX_CLOUD: not below 30 % cloud", 1234, ("A_1", "A_2")),),
        masked=("cloud shadow", "cloud, high probability"),
        clear_percent=99.97,
        pixels_by_clear_days={0: 1, 1: 10, 2: 39, 4: 50},
        warnings=("Three scenes were skipped.",),
        request_json='{"job": "composite"}',
        versions={"fairweather": "0.1.0"},
        attribution="Contains modified Copernicus Sentinel data 2024",
        license="proprietary",
        seconds=125.4,
    )


class Page(HTMLParser):
    """What a browser would find: tags in order, their attributes, and the visible text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.words = [], [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def write(tmp_path, report, raster):
    target = tmp_path / "report ünï.html"
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    write_composite_report(target, report, raster, scratch)
    return target.read_text(encoding="utf-8")


def test_it_says_what_an_analyst_asks(tmp_path, report, raster):
    page = Page(write(tmp_path, report, raster))
    assert page.open == []
    for words in (
        "Composite of June",
        "The median of the clear pixels of 2 days from 2024-06-11 to 2024-07-01",
        "made from 3 scenes",
        "> 99.9 % of the area has a value",
        "Three scenes were skipped.",
        "scale 0.0001, offset -0.1: 2 scenes scale 1, offset 0: 1 scene",
        "1,234 MAX_CLOUD: not below 30 % cloud which A_1, A_2",
        "cloud shadow; cloud, high probability",
        "10:00:31 S2A_1 sentinel-2a 33VXC 12.3 %",
        "81.2 % clear",
        "0 to 4 clear days",
        "2 min 5 s",
        '{"job": "composite"}',
        "fairweather 0.1.0",
        "Contains modified Copernicus Sentinel data 2024",
    ):
        assert words in page.text, words
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_the_page_fetches_nothing_and_runs_nothing(tmp_path, report, raster):
    text = write(tmp_path, report, raster)
    page = Page(text)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form", "a"} & set(page.tags)
    addresses = [value for _, name, value in page.attributes if name in ("src", "href", "srcset")]
    assert len(addresses) == 1
    assert addresses[0].startswith("data:image/png;base64,")
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    policy = next(value for _, name, value in page.attributes if value and "default-src" in value)
    assert "default-src 'none'" in policy


def hostile(report):
    scene = make_scene(HOSTILE, platform=HOSTILE, tile=HOSTILE, encoding=HOSTILE)
    texts = ("title", "file_name", "method", "area", "grid", "collection", "catalog")
    texts += ("request_json", "attribution", "license")
    return CompositeReport(
        **dict.fromkeys(texts, HOSTILE),
        bands=(ReportBand(HOSTILE, HOSTILE),),
        days=(ReportDay(date(2024, 6, 11), (scene,), 81.25),),
        unused=(UnusedScenes(HOSTILE, 1, (HOSTILE,)),),
        masked=(HOSTILE,),
        clear_percent=50.0,
        pixels_by_clear_days=report.pixels_by_clear_days,
        warnings=(HOSTILE,),
        versions={HOSTILE: HOSTILE},
        seconds=1.0,
    )  # fmt: skip


def test_every_string_is_escaped(tmp_path, report, raster):
    friendly = Page(write(tmp_path, report, raster))
    text = write(tmp_path, hostile(report), raster)
    page = Page(text)
    assert "<script" not in text
    assert page.tags.count("img") == 1
    assert not set(page.tags) - set(friendly.tags)
    assert page.text.count(HOSTILE) >= 20
    assert "49" not in re.sub(r"data:image[^\"]*", "", page.text)
    band_name = make_preview(
        write_raster(tmp_path / "odd.tif", {HOSTILE: np.ones((8, 8))}), 10
    ).bands[0]
    assert band_name == HOSTILE
    assert "<script" not in write(tmp_path, report, tmp_path / "odd.tif")


def test_a_broken_character_does_not_stop_it(tmp_path, report, raster):
    broken = replace(report, title="half a character \ud800")
    assert "half a character ?" in write(tmp_path, broken, raster)


def test_nothing_to_tell_still_makes_a_page(tmp_path, report, raster):
    empty = replace(
        report, days=(), unused=(), masked=(), warnings=(), pixels_by_clear_days={}, clear_percent=0
    )
    page = Page(write(tmp_path, empty, raster))
    assert "No day was used." in page.text
    assert "Every scene that was found was used." in page.text
    assert "nothing: no class was masked" in page.text
    assert "Before you use it" not in page.text


def test_a_long_list_of_scenes_is_folded(tmp_path, report, raster):
    def folded(count):
        scenes = tuple(make_scene(f"S2_{number}") for number in range(count))
        changed = replace(report, days=(ReportDay(date(2024, 6, 11), scenes, 10.0),))
        text = write(tmp_path, changed, raster)
        return "<details open>" not in text

    assert not folded(60)
    assert folded(61)


def test_a_missing_folder_is_one_sentence(tmp_path, report, raster):
    with pytest.raises(OutputError, match="does not exist"):
        write_composite_report(tmp_path / "no" / "report.html", report, raster, tmp_path)


@pytest.mark.parametrize(
    "counts", [{3: 5}, {0: 1, 1: 10, 2: 39, 4: 50}, {0: 50, 7: 50}, {0: 49, 7: 51}, {1: 0, 2: 3}]
)
def test_clear_days_against_numpy(counts):
    pixels = np.repeat(list(counts), list(counts.values()))
    days = ClearDays(counts)
    assert days.median == np.quantile(pixels, 0.5, method="inverted_cdf")
    assert (days.fewest, days.most, days.pixels) == (pixels.min(), pixels.max(), len(pixels))
    shares = {number: percent for number, percent, _ in days.bars}
    assert list(shares) == list(range(pixels.min(), pixels.max() + 1))
    for number, percent in shares.items():
        assert percent == pytest.approx(100 * (pixels == number).mean())
    assert max(width for _, _, width in days.bars) == 100


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0 %"), (0.01, "< 0.1 %"), (12.34, "12.3 %"), (99.99, "> 99.9 %"), (100.0, "100 %"),
     (99.94, "99.9 %"), (50.0, "50 %")],
)  # fmt: skip
def test_percent(value, words):
    assert in_percent(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (4.21, "4.2 s"), (59.6, "1 min 0 s"), (125.4, "2 min 5 s"),
     (7260, "2 h 1 min")],
)  # fmt: skip
def test_duration(seconds, words):
    assert duration_in_words(seconds) == words


def test_natural_colour_by_name_with_one_stretch_from_2_to_98_percent(tmp_path):
    random = np.random.default_rng(1)
    bands = {name: random.random((50, 70)) for name in ("NDVI", "blue", "green", "red")}
    bands["red"][0, 0] = np.nan
    preview = make_preview(write_raster(tmp_path / "c.tif", bands), 500)
    assert preview.bands == ("red", "green", "blue")
    shown = np.stack([bands[name] for name in preview.bands]).astype("float32")
    seen = ~np.isnan(shown).any(axis=0)
    lowest, highest = np.percentile(shown[:, seen].astype("float64"), [2, 98])
    assert (preview.lowest, preview.highest) == pytest.approx((lowest, highest))
    made = picture(preview.png)
    assert made.shape == (4, 50, 70)
    assert np.array_equal(made[3], np.where(seen, 255, 0))
    expected = np.clip((shown - lowest) / (highest - lowest), 0, 1) * 255
    assert np.abs(made[:3][:, seen] - expected[:, seen]).max() <= 0.51


def test_one_band_in_the_ramps_colours(tmp_path):
    index = np.linspace(-0.2, 0.9, 10_000).reshape(100, 100)
    index[:10] = np.nan
    preview = make_preview(write_raster(tmp_path / "i.tif", {"NDVI": index}), 500)
    made = picture(preview.png)
    assert preview.bands == ("NDVI",)
    assert tuple(made[:3, 10, 0]) == RAMP[0]
    assert tuple(made[:3, -1, -1]) == RAMP[-1]
    assert (made[3] == 0).sum() == 1000


def test_a_large_raster_is_read_small_and_keeps_its_shape(tmp_path, raster):
    made = picture(make_preview(raster, 300).png)
    assert made.shape == (4, 200, 300)
    assert np.all(made[3, :33] == 0)
    assert np.all(made[3, 34:] == 255)


def test_int16_is_shown_in_the_units_of_its_scale(tmp_path):
    values = np.arange(2500).reshape(50, 50)
    values[0] = -32768
    path = write_raster(tmp_path / "s.tif", {"red": values}, "int16", nodata=-32768, scale=1e-4)
    preview = make_preview(path, 25)
    assert 0 < preview.lowest < 0.03
    assert 0.23 < preview.highest < 0.25


@pytest.mark.parametrize("value", [np.nan, 0.25])
def test_an_empty_or_even_raster_has_a_picture(tmp_path, value):
    preview = make_preview(
        write_raster(tmp_path / "e.tif", {"red": np.full((20, 30), value)}), 1000
    )
    made = picture(preview.png)
    assert preview.lowest < preview.highest
    assert np.all(made[3] == (0 if np.isnan(value) else 255))
