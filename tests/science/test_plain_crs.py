"""A CRS that a stranger names is a code or a WKT, and leads PROJ to no file."""

import pytest
from fairweather.core.science.plain_crs import names_files, plain_crs
from pyproj import CRS
from pyproj.exceptions import CRSError
from soak_json_mutations import PLACES_OF_CRS


@pytest.mark.parametrize("text", [*PLACES_OF_CRS, "", "utm", "+proj=utm", None, 32633, {}, "A" * 9])
def test_what_leads_elsewhere_is_refused(text):
    with pytest.raises(CRSError):
        plain_crs(text)


@pytest.mark.parametrize("code", ["EPSG:32633", "EPSG:3857", "EPSG:4326", "ESRI:54009"])
def test_codes_and_wkt_are_taken(code):
    crs = CRS(code)
    assert plain_crs(code) == crs
    for version in ("WKT1_GDAL", "WKT2_2019"):
        wkt = crs.to_wkt(version)
        assert not names_files(wkt)
        assert plain_crs(wkt).proj == CRS(wkt)


def test_a_wkt_or_a_text_of_proj_that_names_files_is_known():
    assert sum(map(names_files, PLACES_OF_CRS)) >= 4
