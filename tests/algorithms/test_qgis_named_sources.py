"""Files that name others for their data or overviews: nothing that they name is opened by QGIS."""

import gzip
import os
import tarfile
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

pytest.importorskip("qgis", reason="runs in QGIS's own Python")

DATES = {"START": "2024-01-01", "END": "2024-12-31", "COLLECTION": "sentinel-2-c1-l2a"}
EXTENT = "15.9,16.0,45.7,45.8 [EPSG:4326]"
REFUSED = "names other files or addresses to open, for its data or overviews"
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


def tarred_as_of_old(path, text):
    """In the first form of tar, which has no mark of its own."""
    info = tarfile.TarInfo(path.name)
    info.size = len(text)
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[257:265] = bytes(8)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    content = bytes(header) + text.encode() + bytes(-len(text) % 512 + 1024)
    path.with_suffix(".tar").write_bytes(content)
    with tarfile.open(path.with_suffix(".tar")) as archive:
        assert archive.getnames() == [path.name]
    return str(path.with_suffix(".tar"))


def tarred_as_of_old_and_zipped(path, text):
    content = Path(tarred_as_of_old(path, text)).read_bytes()
    path.with_suffix(".tgz").write_bytes(gzip.compress(content))
    return str(path.with_suffix(".tgz"))


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
            for put in (
                *(zipped, zipped_member, gzipped, tarred, with_layer_name, with_provider),
                *(tarred_as_of_old, tarred_as_of_old_and_zipped),
            )
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


@pytest.fixture
def raster(tmp_path):
    """A GeoTIFF of 60 x 60 pixels, to whose overviews an address or a file is named."""
    from osgeo import gdal, osr

    def make(overviews=""):
        path = tmp_path / "grid.tif"
        made = gdal.GetDriverByName("GTiff").Create(str(path), 60, 60, 1)
        made.SetGeoTransform((500000, 10, 0, 5100000, 0, -10))
        crs = osr.SpatialReference()
        crs.ImportFromEPSG(32633)
        made.SetProjection(crs.ExportToWkt())
        if overviews:
            made.SetMetadataItem("OVERVIEW_FILE", overviews, "OVERVIEWS")
        return path

    return make


PAM = '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="{0}">{1}</MDI></Metadata></PAMDataset>'


def overviews_in_its_tags(raster, address):
    return raster(f"/vsicurl/{address}")


def overviews_beside_it(raster, address, key="OVERVIEW_FILE"):
    path = raster()
    Path(f"{path}.aux.xml").write_text(PAM.format(key, f"/vsicurl/{address}"))
    return path


def overviews_beside_it_escaped(raster, address):
    return overviews_beside_it(raster, address, key="overview&#95;file")


def overviews_that_are_a_vrt(raster, address):
    path = raster()
    Path(f"{path}.ovr").write_text(RASTER_VRT.format(f"/vsicurl/{address}"))
    return path


@pytest.mark.parametrize(
    "name_overviews",
    [
        *(overviews_in_its_tags, overviews_beside_it),
        *(overviews_beside_it_escaped, overviews_that_are_a_vrt),
    ],
)
def test_overviews_elsewhere_are_not_opened(check, raster, monkeypatch, name_overviews):
    from fairweather.algorithms import base

    with canary() as (address, heard):
        path = name_overviews(raster, address)
        accepted, message = check(EXTENT=EXTENT, ALIGN=str(path))
        assert not accepted
        assert message.startswith(f"ALIGN: {path} {REFUSED}")
        assert heard == []
        monkeypatch.setattr(base, "check_names_no_other", lambda *_: None)
        check(EXTENT=EXTENT, ALIGN=str(path))
        assert heard


@pytest.mark.parametrize("rrd", ["NO", "YES"])
def test_a_raster_with_overviews_of_its_own_is_taken(check, raster, rrd):
    from osgeo import gdal

    path = raster()
    gdal.SetConfigOption("USE_RRD", rrd)
    try:
        gdal.Open(str(path)).BuildOverviews("NEAREST", [2])
        gdal.Info(str(path), stats=True)  # kept in .aux.xml
    finally:
        gdal.SetConfigOption("USE_RRD", None)
    beside = {file.name for file in path.parent.glob("grid*")} - {path.name}
    assert beside == {"grid.tif.aux.xml", {"NO": "grid.tif.ovr", "YES": "grid.aux"}[rrd]}
    assert check(EXTENT=EXTENT, ALIGN=str(path)) == (True, "")


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
