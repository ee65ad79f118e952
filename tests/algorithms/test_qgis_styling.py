"""How results arrive in the project: name, bands, stretch, colours."""

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

EXTENT = "16,16.1,45.9,46 [EPSG:4326]"


@pytest.fixture
def load(provider, fake_worker):
    """Run an algorithm as the dialog does, and the layer that arrives in the project."""
    import processing
    from qgis.core import QgsProcessingOutputLayerDefinition, QgsProject

    def run(name, destination_name=None, **parameters):
        project = QgsProject.instance()
        output = QgsProcessingOutputLayerDefinition("TEMPORARY_OUTPUT", project)
        if destination_name:
            output.destinationName = destination_name
        given = {"EXTENT": EXTENT, "START": "2024-01-01", "END": "2024-12-31", **parameters}
        processing.runAndLoadResults(f"fairweather:{name}", {**given, "OUTPUT": output})
        (layer,) = project.mapLayers().values()
        return layer

    return run


def test_natural_colour(load):
    from qgis.core import QgsMultiBandColorRenderer

    layer = load("composite", BANDS="blue,nir,green,red")
    renderer = layer.renderer()
    assert isinstance(renderer, QgsMultiBandColorRenderer)
    assert (renderer.redBand(), renderer.greenBand(), renderer.blueBand()) == (4, 3, 1)


def test_the_three_bands_share_one_stretch(load):
    renderer = load("composite").renderer()
    enhancements = [
        renderer.redContrastEnhancement(),
        renderer.greenContrastEnhancement(),
        renderer.blueContrastEnhancement(),
    ]
    limits = {(item.minimumValue(), item.maximumValue()) for item in enhancements}
    # The bands run from 0.010 to 0.057, 0.020 to 0.067 and 0.030 to 0.077.
    ((lowest, highest),) = limits
    assert 0.009 <= lowest <= 0.013
    assert 0.074 <= highest <= 0.078


def test_other_bands_are_shown_in_their_order(load):
    renderer = load("composite", BANDS="nir,red,green").renderer()
    assert (renderer.redBand(), renderer.greenBand(), renderer.blueBand()) == (1, 2, 3)


@pytest.mark.parametrize("bands", ["NDVI", "NDVI,red", "ratio=nir/red"])
def test_an_index_gets_a_colour_ramp(load, bands):
    from qgis.core import QgsSingleBandPseudoColorRenderer

    renderer = load("composite", BANDS=bands, COUNT_BAND=True).renderer()
    assert isinstance(renderer, QgsSingleBandPseudoColorRenderer)
    assert renderer.band() == 1
    items = renderer.shader().rasterShaderFunction().colorRampItemList()
    colors = [item.color for item in items]
    brightness = [0.2126 * c.redF() + 0.7152 * c.greenF() + 0.0722 * c.blueF() for c in colors]
    values = [item.value for item in items]
    assert values == sorted(values)
    assert len(items) == 6
    assert brightness == sorted(brightness)  # told apart without colours, too


def test_a_lone_band_is_grey(load):
    from qgis.core import QgsSingleBandGrayRenderer

    assert isinstance(load("composite", BANDS="nir").renderer(), QgsSingleBandGrayRenderer)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({}, "Sentinel-2 Level 2A median 2024 (red, green, blue)"),
        (
            {"START": "2023-05-01", "END": "2024-09-30", "MONTHS": "5-7", "BANDS": "NDVI"},
            "Sentinel-2 Level 2A median 2023-05-01 to 2024-09-30, months 5, 6, 7 (NDVI)",
        ),
        ({"START": "2022-01-01"}, "Sentinel-2 Level 2A median 2022–2024 (red, green, blue)"),
        ({"BANDS": "ratio=nir/red"}, "Sentinel-2 Level 2A median 2024 (ratio)"),
    ],
)
def test_the_name_says_what_it_is(load, parameters, name):
    assert load("composite", **parameters).name() == name


def test_a_name_of_the_users_is_kept(load):
    assert load("composite", destination_name="Mine").name() == "Mine"


def test_chosen_scenes_are_named_so(load, tmp_path, item):
    import json

    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [item("a")]}))
    layer = load("composite", SCENES=str(path))
    assert layer.name() == "Sentinel-2 Level 2A median of chosen scenes (red, green, blue)"


def test_footprints_are_coloured_by_cloud_cover(load):
    from qgis.core import QgsGraduatedSymbolRenderer

    layer = load("searchscenes")
    renderer = layer.renderer()
    assert layer.name() == "Sentinel-2 Level 2A scenes 2024"
    assert isinstance(renderer, QgsGraduatedSymbolRenderer)
    assert "cloud_cover" in renderer.classAttribute()
    assert layer.displayExpression() == '"item_id"'
    for cover in (-1, 0, 4.9, 5, 50, 99.9, 100):
        assert renderer.symbolForValue(cover) is not None
    colors = [entry.symbol().color() for entry in renderer.ranges()]
    assert all(0 < color.alpha() < 255 for color in colors)
    brightness = [color.lightnessF() for color in colors[1:]]
    assert brightness == sorted(brightness)


def test_the_map_tip_shows_the_thumbnail_and_escapes_names(load):
    from qgis.core import QgsExpression, QgsExpressionContext, QgsExpressionContextUtils

    layer = load("searchscenes")
    context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    feature = next(layer.getFeatures())
    feature["item_id"] = "<script>x</script>"
    context.setFeature(feature)
    tip = QgsExpression.replaceExpressionText(layer.mapTipTemplate(), context)
    assert "<script>" not in tip
    assert "&lt;script&gt;" in tip
    assert '<img width="300" src="https://example.org/thumbnail.jpg">' in tip
    assert "5 % cloud" in tip
    feature["thumbnail"] = "file:///etc/passwd"
    feature["cloud_cover"] = None
    context.setFeature(feature)
    tip = QgsExpression.replaceExpressionText(layer.mapTipTemplate(), context)
    assert "<img" not in tip
    assert "cloud cover not known" in tip


def test_stylers_live_as_long_as_they_are_needed(load, provider):
    """QGIS keeps no reference to them, and deletes them with the run."""
    import gc

    from qgis.core import QgsProject
    from qgis.PyQt import sip

    for _ in range(3):
        load("composite")
        QgsProject.instance().clear()
    gc.collect()
    assert len(provider._stylers) <= 2
    load("composite")
    assert [sip.isdeleted(styler) for styler in provider._stylers].count(False) <= 1
