"""A CRS that a stranger names is a code or a WKT, and leads PROJ to no file."""

import contextlib
import time

import pytest
from fairweather.core.science.plain_crs import names_files, plain_crs
from pyproj import CRS
from pyproj.database import query_crs_info
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


@pytest.mark.parametrize("version", ["WKT1_GDAL", "WKT2_2019"])
def test_no_crs_of_an_authority_names_a_file(version):
    """Every twentieth of those that PROJ knows."""
    authorities = ("EPSG", "ESRI", "OGC")
    known = [info for authority in authorities for info in query_crs_info(authority)][::20]
    assert len(known) > 400
    for info in known:
        crs = CRS.from_authority(info.auth_name, info.code)
        with contextlib.suppress(CRSError):  # not all have both forms
            assert not names_files(crs.to_wkt(version) or ""), crs.name


def projected(method, extension=""):
    """A projected CRS as WKT 1."""
    return (
        'PROJCS["x",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
        'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],'
        f'PROJECTION["{method}"],UNIT["metre",1]{extension}]'
    )


def with_proj(text):
    return projected("Mercator_1SP", f',EXTENSION["PROJ4","{text}"]')


def derived(method):
    """A CRS derived from a projected one by a method, as WKT 2."""
    degree = 'ANGLEUNIT["degree",0.0174532925199433]'
    return (
        'DERIVEDPROJCRS["d",BASEPROJCRS["b",BASEGEOGCRS["WGS 84",DATUM["WGS 84",'
        'ELLIPSOID["WGS 84",6378137,298.257223563]]],CONVERSION["c",METHOD["Transverse Mercator"],'
        f'PARAMETER["Longitude of natural origin",15,{degree}]]],'
        f'DERIVINGCONVERSION["x",METHOD["{method}"]],'
        'CS[Cartesian,2],AXIS["e",east],AXIS["n",north],LENGTHUNIT["metre",1]]'
    )


def with_heights(geoid):
    """Heights above a geoid, as WKT 2."""
    return (
        f'COMPOUNDCRS["c",{CRS("EPSG:32633").to_wkt()},VERTCRS["v",VDATUM["d"],CS[vertical,1],'
        f'AXIS["up",up],LENGTHUNIT["metre",1],GEOIDMODEL["{geoid}"]]]'
    )


# PROJ opens canary for each of them, or for a form of it in another release.
LEADS = (
    *(projected(f"PROJ {word}") for word in ("tinshift file=canary", "deformation grids=canary")),
    projected("PROJ pipeline step proj=tinshift file=canary"),
    projected("PROJ-based operation method: +proj=tinshift +file=canary"),
    projected("proj\ttinshift file=canary"),
    derived("PROJ defmodel model=canary"),
    with_heights("PROJ canary"),
    with_heights(" proj canary"),
    with_proj("+proj=merc +a=6378137 +b=6378137 +nadgrids=@null,canary +wktext +no_defs"),
    with_proj("+proj=merc +nadgrids=canary"),
    with_proj("+proj=merc +geoidgrids=canary +type=crs"),
    with_proj("+proj=pipeline +step +proj=defmodel +model=canary"),
    with_proj("proj=tinshift\tfile = canary"),
    with_proj("+init=canary:1"),
    with_proj("init=canary:1"),
)


@pytest.mark.parametrize("wkt", LEADS)
def test_a_wkt_that_leads_proj_to_a_file_is_refused(wkt):
    assert names_files(wkt)
    with pytest.raises(CRSError, match="does without files"):
        plain_crs(wkt)


def test_a_proj_string_that_names_no_file_is_taken():
    mercator = (
        "+proj=merc +a=6378137 +b=6378137 +lat_ts=0 +lon_0=0 +x_0=0 +y_0=0 +k=1 +units=m "
        "+nadgrids=@null +wktext +no_defs"
    )
    satellite = "+proj=geos +h=35785831 +lon_0=-75 +sweep=x +ellps=GRS80 +units=m +no_defs"
    for text in (mercator, satellite):
        assert not names_files(with_proj(text))


def test_a_long_wkt_is_looked_through_in_no_time():
    began = time.process_time()
    names_files("=" * 20_000 + "a" * 2_000_000 + " " * 2_000_000 + "=")
    assert time.process_time() - began < 1
