"""Folders as the agencies deliver them, with the true names and the metadata that are read."""

import json

import pyproj
import pytest

SAFE = "S2B_MSIL2A_20230815T100031_N0509_R122_T33TWM_20230815T130000"
BANDS_BY_FOLDER = {
    10: ("B02", "B03", "B04", "B08"),
    20: ("B02", "B03", "B04", "B05", "B06", "B07", "B11", "B12", "B8A", "SCL"),
    60: ("B01", "B02", "B03", "B04", "B09", "B11", "SCL"),
}
# Cut down from a real MTD_MSIL2A.xml of processing baseline 05.09.
PRODUCT = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>2023-08-15T10:00:31.024Z</PRODUCT_START_TIME>
      <PRODUCT_URI>{name}.SAFE</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
      <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
      <GENERATION_TIME>2023-08-15T13:00:00.000000Z</GENERATION_TIME>
      <Datatake datatakeIdentifier="GS2B_20230815T100031_033636_N05.09">
        <SPACECRAFT_NAME>Sentinel-2B</SPACECRAFT_NAME>
      </Datatake>
    </Product_Info>
    <Product_Image_Characteristics>
      <QUANTIFICATION_VALUES_LIST>
        <BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
        <AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>
      </QUANTIFICATION_VALUES_LIST>
      {offsets}
    </Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Product_Footprint><Product_Footprint><Global_Footprint>
      <EXT_POS_LIST>{footprint} </EXT_POS_LIST>
    </Global_Footprint></Product_Footprint></Product_Footprint>
  </n1:Geometric_Info>
  <n1:Quality_Indicators_Info>
    <Cloud_Coverage_Assessment>12.25</Cloud_Coverage_Assessment>
  </n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>
"""
OFFSETS = """<BOA_ADD_OFFSET_VALUES_LIST>
        {}
      </BOA_ADD_OFFSET_VALUES_LIST>""".format(
    "\n        ".join(
        f'<BOA_ADD_OFFSET band_id="{n}">{-1000 if n != 8 else -900}</BOA_ADD_OFFSET>'
        for n in range(13)
    )
)
TILE_ID = "S2B_OPER_MSI_L2A_TL_2BPS_20230815T130000_A033636_T33TWM_N05.09"
LEFT, TOP = 540000, 5040000
SIDE = 109800  # metres, of a tile
TILE = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
  <n1:General_Info>
    <TILE_ID metadataLevel="Brief">{tile_id}</TILE_ID>
    <SENSING_TIME metadataLevel="Standard">2023-08-{day:02}T10:08:01.123456Z</SENSING_TIME>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone 33N</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>EPSG:32633</HORIZONTAL_CS_CODE>
      {sizes}
    </Tile_Geocoding>
  </n1:Geometric_Info>
</n1:Level-2A_Tile_ID>
"""
LANDSAT = "LC08_L2SP_190028_20230812_20230819_02_T1"


def sizes(side):
    """The pixel grids in the tile's metadata."""
    return "\n".join(
        f'<Size resolution="{r}"><NROWS>{side // r}</NROWS><NCOLS>{side // r}</NCOLS></Size>'
        f'<Geoposition resolution="{r}"><ULX>{LEFT}</ULX><ULY>{TOP}</ULY>'
        f"<XDIM>{r}</XDIM><YDIM>-{r}</YDIM></Geoposition>"
        for r in (10, 20, 60)
    )


def footprint(side):
    """The tile's corners as latitudes and longitudes, the first again at the end."""
    to_degrees = pyproj.Transformer.from_crs(32633, 4326)
    corners = [(0, 0), (side, 0), (side, -side), (0, -side), (0, 0)]
    places = [to_degrees.transform(LEFT + x, TOP + y) for x, y in corners]
    return " ".join(f"{latitude:.6f} {longitude:.6f}" for latitude, longitude in places)


@pytest.fixture
def write_safe(tmp_path):
    """A function that writes a .SAFE folder of empty images and returns its path."""

    def write(name=SAFE, parent="", has_offsets=True, baseline="05.09", side=SIDE, day=15):
        folder = tmp_path / parent / f"{name}.SAFE"
        granule = folder / "GRANULE" / "L2A_T33TWM_A033636_20230815T100027"
        for metres, bands in BANDS_BY_FOLDER.items():
            images = granule / "IMG_DATA" / f"R{metres}m"
            images.mkdir(parents=True)
            for band in bands:
                (images / f"T33TWM_20230815T100031_{band}_{metres}m.jp2").touch()
        text = PRODUCT.format(
            name=name,
            baseline=baseline,
            footprint=footprint(side),
            offsets=OFFSETS if has_offsets else "",
        )
        (folder / "MTD_MSIL2A.xml").write_text(text, encoding="utf-8")
        (granule / "MTD_TL.xml").write_text(
            TILE.format(tile_id=TILE_ID, sizes=sizes(side), day=day), encoding="utf-8"
        )
        (folder / f"{name}-ql.jpg").touch()
        return folder

    return write


def landsat_metadata(name, spacecraft, bands, day):
    """Cut down from a real ``*_MTL.json`` of Collection 2: all values are texts."""
    files = {f"FILE_NAME_BAND_{band}": f"{name}_SR_B{band}.TIF" for band in bands}
    to_degrees = pyproj.Transformer.from_crs(32633, 4326)
    west, south, east, north = 442200, 4899600, 675000, 5135700  # the corner pixels' centres
    corners = {"UL": (west, north), "UR": (east, north), "LL": (west, south), "LR": (east, south)}
    corners = {key: to_degrees.transform(*place) for key, place in corners.items()}
    return {
        "PRODUCT_CONTENTS": {
            "LANDSAT_PRODUCT_ID": name,
            "PROCESSING_LEVEL": "L2SP",
            "COLLECTION_NUMBER": "02",
            "COLLECTION_CATEGORY": "T1",
            **files,
            "FILE_NAME_QUALITY_L1_PIXEL": f"{name}_QA_PIXEL.TIF",
        },
        "IMAGE_ATTRIBUTES": {
            "SPACECRAFT_ID": spacecraft,
            "SENSOR_ID": "OLI_TIRS" if spacecraft == "LANDSAT_8" else "TM",
            "WRS_PATH": name[10:13],
            "WRS_ROW": name[13:16].lstrip("0"),
            "DATE_ACQUIRED": f"2023-08-{day:02}",
            "SCENE_CENTER_TIME": "09:40:55.9564780Z",
            "CLOUD_COVER": "7.50",
        },
        "PROJECTION_ATTRIBUTES": {
            "MAP_PROJECTION": "UTM",
            "UTM_ZONE": "33",
            "GRID_CELL_SIZE_REFLECTIVE": "30.00",
            "REFLECTIVE_LINES": "7871",
            "REFLECTIVE_SAMPLES": "7761",
            "CORNER_UL_PROJECTION_X_PRODUCT": "442200.000",
            "CORNER_UL_PROJECTION_Y_PRODUCT": "5135700.000",
            **{f"CORNER_{key}_LAT_PRODUCT": f"{lat:.5f}" for key, (lat, _) in corners.items()},
            **{f"CORNER_{key}_LON_PRODUCT": f"{lon:.5f}" for key, (_, lon) in corners.items()},
        },
        "LEVEL2_PROCESSING_RECORD": {"DATE_PRODUCT_GENERATED": "2023-08-19T01:02:03Z"},
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {
            **{f"REFLECTANCE_MULT_BAND_{band}": "2.75e-05" for band in bands},
            **{f"REFLECTANCE_ADD_BAND_{band}": "-0.2" for band in bands},
        },
    }


@pytest.fixture
def write_landsat(tmp_path):
    """A function that writes a Landsat bundle of empty images and returns its folder."""

    def write(name=LANDSAT, parent=LANDSAT, spacecraft="LANDSAT_8", day=12, change=lambda _: None):
        folder = tmp_path / parent
        folder.mkdir(parents=True, exist_ok=True)
        bands = (1, 2, 3, 4, 5, 6, 7) if spacecraft == "LANDSAT_8" else (1, 2, 3, 4, 5, 7)
        content = landsat_metadata(name, spacecraft, bands, day)
        for file in content["PRODUCT_CONTENTS"].values():
            if file.endswith(".TIF"):
                (folder / file).touch()
        change(content)
        text = json.dumps({"LANDSAT_METADATA_FILE": content}, indent=2)
        (folder / f"{name}_MTL.json").write_text(text, encoding="utf-8")
        return folder

    return write
