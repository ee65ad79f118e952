"""Files that hold no data but name where it is: nothing that they name is opened by QGIS."""

import gzip
import os
import tarfile
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

pytest.importorskip("qgis", reason="runs in QGIS's own Python")

DATES = {"START": "2024-01-01", "END": "2024-12-31", "COLLECTION": "sentinel-2-c1-l2a"}
EXTENT = "15.9,16.0,45.7,45.8 [EPSG:4326]"
REFUSED = "holds no data but names other files or addresses to open"
OGR_VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>{0}</SrcDataSource>'
    "</OGRVRTLayer></OGRVRTDataSource>"
)
RASTER_VRT = (
    '<VRTDataset rasterXSize="2" rasterYSize="2"><VRTRasterBand dataType="Byte" band="1">'
    "<SimpleSource><SourceFilename>{0}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
)
CAPABILITIES = (
    '<wfs:WFS_Capabilities version="1.1.0" xmlns:wfs="http://www.opengis.net/wfs" '
    'xmlns:ows="http://www.opengis.net/ows" xmlns:xlink="http://www.w3.org/1999/xlink">'
    '<ows:OperationsMetadata><ows:Operation name="GetFeature"><ows:DCP><ows:HTTP>'
    '<ows:Get xlink:href="{1}?"/></ows:HTTP></ows:DCP></ows:Operation></ows:OperationsMetadata>'
    "<wfs:FeatureTypeList><wfs:FeatureType><wfs:Name>x</wfs:Name></wfs:FeatureType>"
    "</wfs:FeatureTypeList></wfs:WFS_Capabilities>"
)
STREAMED = (
    '{{"type": "gdal_streamed_alg", "command_line": "gdal vector convert {0} --of stream x"}}'
)


@contextmanager
def canary():
    """An address, and the requests that it hears."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/x.geojson", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def check(provider):
    """Whether an algorithm takes its parameters, and what it says if not."""
    from qgis.core import QgsApplication, QgsProcessingContext, QgsProject

    def check_parameters(algorithm="composite", **parameters):
        made = QgsApplication.processingRegistry().createAlgorithmById(f"fairweather:{algorithm}")
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        output = {"OUTPUT": "TEMPORARY_OUTPUT"}
        return made.checkParameterValues({**DATES, **output, **parameters}, context)

    return check_parameters


def plain(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def late(path, text):
    return plain(path, " " * 900 + text)


def zipped(path, text):
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        archive.writestr("area.vrt", text)
    return str(path.with_suffix(".zip"))


def zipped_member(path, text):
    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "hello")
        archive.writestr("area.geojson", text)
    return f"/vsizip/{path.with_suffix('.zip')}/area.geojson"


def gzipped(path, text):
    path = path.with_name(path.name + ".gz")
    path.write_bytes(gzip.compress(text.encode()))
    return str(path)


def tarred(path, text):
    plain(path, text)
    with tarfile.open(path.with_suffix(".tgz"), "w:gz") as archive:
        archive.add(path, path.name)
    return f"/vsitar/{path.with_suffix('.tgz')}/{path.name}"


def with_layer_name(path, text):
    return plain(path, text) + "|layername=x|subset=a = 1"


def with_provider(path, text):
    return "ogr://" + plain(path, text)


@pytest.mark.parametrize(
    ("template", "name", "put"),
    [
        *((OGR_VRT, f"area.{ending}", plain) for ending in ("geojson", "json", "csv", "gpkg")),
        (OGR_VRT.replace("<OGR", "<!-- a --> <OGR"), "area.kml", late),
        ("<OGRWFSDataSource><URL>{1}</URL></OGRWFSDataSource>", "area.json", plain),
        ("<ogrwfsdatasource><URL>{1}</URL></ogrwfsdatasource>", "area.xml", plain),
        (CAPABILITIES, "area.gml", plain),
        (STREAMED, "area.geojson", plain),
        (RASTER_VRT, "area.tif", plain),
        *(
            (OGR_VRT, "area.geojson", put)
            for put in (zipped, zipped_member, gzipped, tarred, with_layer_name, with_provider)
        ),
    ],
)
def test_what_a_file_names_is_not_opened(check, tmp_path, template, name, put):
    from qgis.core import QgsProcessingFeatureSourceDefinition, QgsProperty

    with canary() as (address, heard):
        path = put(tmp_path / name, template.format(f"/vsicurl/{address}", address))
        wrapped = QgsProcessingFeatureSourceDefinition(path, selectedFeaturesOnly=True)
        for parameters in (
            {"AOI": path},
            {"AOI": wrapped},
            {"AOI": QgsProperty.fromValue(path)},
            {"EXTENT": EXTENT, "SCENES": path},
            {"EXTENT": EXTENT, "ALIGN": path},
            {"EXTENT": EXTENT, "CRS": path},
            {"EXTENT": path},
            {"algorithm": "timeseries", "SITES": path},
            {"algorithm": "searchscenes", "EXTENT": EXTENT, "SCENES": path},
        ):
            accepted, message = check(**parameters)
            parameter = list(parameters)[-1]
            assert not accepted
            assert message.startswith(f"{parameter}: {tmp_path}")
            assert REFUSED in message
            assert message.count(". ") == 0
        assert heard == []


def test_the_reproduction_is_heard_without_the_check(check, tmp_path, monkeypatch):
    from fairweather.algorithms import base

    monkeypatch.setattr(base, "check_names_no_other", lambda *_: None)
    with canary() as (address, heard):
        path = plain(tmp_path / "area.geojson", OGR_VRT.format(f"/vsicurl/{address}", address))
        check(EXTENT=EXTENT, SCENES=path)
        assert heard


def test_a_run_that_is_not_checked_before_opens_nothing(run, fake_worker, tmp_path):
    from qgis.core import QgsProcessingException

    with canary() as (address, heard):
        path = plain(tmp_path / "s.geojson", OGR_VRT.format(f"/vsicurl/{address}", address))
        with pytest.raises(QgsProcessingException, match=REFUSED):
            run("searchscenes", EXTENT=EXTENT, SCENES=path, OUTPUT="TEMPORARY_OUTPUT", **DATES)
        assert heard == []
    assert fake_worker.requests == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(check, tmp_path):
    os.mkfifo(tmp_path / "area.geojson")
    for parameters in ({"AOI": ""}, {"EXTENT": EXTENT, "SCENES": ""}):
        *_, name = parameters
        accepted, message = check(**{**parameters, name: str(tmp_path / "area.geojson")})
        assert not accepted
        assert message == f"{name}: {tmp_path}/area.geojson is a device or a pipe; give a file."


@pytest.mark.parametrize("kind", ["deflate64", "encrypted", "cut"])
def test_an_archive_that_cannot_be_looked_into(check, tmp_path, kind):
    path = tmp_path / "area.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.geojson", "x" * 1000)
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\1\2")
    for start, method, flags in ((0, 8, 6), (central, 10, 8)):
        if kind == "deflate64":
            content[start + method] = 9
        elif kind == "encrypted":
            content[start + flags] |= 1
        else:
            content[40:50] = bytes(10)
    path.write_bytes(content)
    accepted, message = check(AOI=str(path))
    assert not accepted
    assert message == (
        f"AOI: the archive {path} cannot be looked into; unpack it, and give the file in it."
    )


# What analysts have: format, ending.
FORMATS = [
    *(("GeoJSON", "geojson"), ("GeoJSON", "json"), ("GeoJSONSeq", "geojsonl"), ("KML", "kml")),
    *(("GML", "gml"), ("ESRI Shapefile", "shp"), ("CSV", "csv"), ("FlatGeobuf", "fgb")),
    *(("GPKG", "gpkg"), ("SQLite", "sqlite"), ("MapInfo File", "tab"), ("Parquet", "parquet")),
]


@pytest.fixture
def honest(polygons, square, tmp_path):
    """Write an area in a format."""
    from osgeo import gdal

    def write(driver, name):
        if gdal.GetDriverByName(driver) is None:
            pytest.skip(f"this GDAL writes no {driver}")
        path = tmp_path / name
        options = ["-lco", "GEOMETRY=AS_WKT"] if driver == "CSV" else []
        source = polygons(square, name="source.json")
        gdal.VectorTranslate(str(path), source, format=driver, options=options)
        return path

    return write


@pytest.mark.parametrize(("driver", "ending"), FORMATS)
def test_data_of_every_format_is_taken(check, honest, driver, ending):
    path = str(honest(driver, f"area.{ending}"))
    assert check(AOI=path) == (True, "")
    assert check(AOI=f"{path}|layerid=0") == (True, "")


def test_archives_of_data_are_taken(check, honest, tmp_path):
    shapefile = honest("ESRI Shapefile", "area.shp")
    geojson = honest("GeoJSON", "area.geojson")
    with zipfile.ZipFile(tmp_path / "one.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(geojson, "folder/area.geojson")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for path in tmp_path.glob("area.*"):
            if path != geojson:
                archive.write(path, path.name)
        archive.writestr("area.vrt", OGR_VRT.format("area.shp"))
    assert check(AOI=str(tmp_path / "one.zip")) == (True, "")
    _, message = check(AOI=f"/vsizip/{tmp_path / 'many.zip'}/{shapefile.name}")
    # Not every QGIS opens a file inside an archive.
    assert message == "" or "cannot be opened as a vector layer" in message
    assert check(AOI=gzipped(geojson, geojson.read_text())) == (True, "")


def test_an_own_file_that_says_what_it_is_and_a_layer_are_taken(check, honest, tmp_path):
    from qgis.core import QgsProject, QgsVectorLayer

    data = honest("GeoJSON", "area.geojson")
    vrt = OGR_VRT.format(data).replace('name="x"', 'name="area"').replace("{1}", "")
    vrt = vrt.replace("</SrcDataSource>", "</SrcDataSource><SrcLayer>source</SrcLayer>")
    path = plain(tmp_path / "area.vrt", vrt)
    assert check(AOI=path) == (True, "")
    assert check(AOI=f"{path}|layername=area") == (True, "")
    other = QgsVectorLayer(plain(tmp_path / "other.xml", vrt), "mine", "ogr")
    assert other.isValid()
    QgsProject.instance().addMapLayer(other, False)
    assert check(AOI=other) == (True, "")
    assert check(AOI=other.id()) == (True, "")
    assert check(AOI=other.source())[0] is False
