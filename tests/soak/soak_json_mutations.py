"""JSON values that no honest document holds, and ways to put them into an honest one."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

# Whoever opens one of these was led astray; a watch looks for this word.
CANARY = "canary-of-the-soak"

HREFS = (
    f"file:///tmp/{CANARY}/a.tif",
    f"FILE:///tmp/{CANARY}/a.tif",
    f"file:/tmp/{CANARY}/a.tif",
    f"%66ile:///tmp/{CANARY}/a.tif",
    f" file:///tmp/{CANARY}/a.tif",
    f"\tfile:///tmp/{CANARY}/a.tif",
    f"fi\nle:///tmp/{CANARY}/a.tif",
    f"/tmp/{CANARY}/a.tif",
    f"//tmp/{CANARY}/a.tif",
    f"\\\\{CANARY}\\share\\a.tif",
    f"C:\\{CANARY}\\a.tif",
    f"../../../../../../tmp/{CANARY}/a.tif",
    f"..%2f..%2f..%2ftmp%2f{CANARY}/a.tif",
    f"/vsicurl/http://{CANARY}.invalid/a.tif",
    f"/VSIcurl/http://{CANARY}.invalid/a.tif",
    f"/vsizip//vsicurl/http://{CANARY}.invalid/a.zip/a.tif",
    f"/vsitar//tmp/{CANARY}.tar/a.tif",
    f"vrt:///tmp/{CANARY}/a.tif?bands=1",
    f"vrt://http://{CANARY}.invalid/a.tif",
    f"zip:///tmp/{CANARY}.zip!a.tif",
    f"zip+https://{CANARY}.invalid/a.zip!a.tif",
    f"GTIFF_DIR:1:/tmp/{CANARY}/a.tif",
    f"NETCDF:/tmp/{CANARY}/a.nc:red",
    f"WMS:http://{CANARY}.invalid/?SERVICE=WMS",
    f"<VRTDataset><SourceFilename>/tmp/{CANARY}/a.tif</SourceFilename></VRTDataset>",
    f"javascript:fetch('http://{CANARY}.invalid')",
    f"data:image/tiff;base64,{CANARY}",
    f"gopher://{CANARY}.invalid/a.tif",
    f"ftp://{CANARY}.invalid/a.tif",
    f"http://{CANARY}.invalid/a.tif",
    f"https://{CANARY}.invalid:99999/a.tif",
    f"http://[{CANARY}",
    f"http://user:secret@{CANARY}.invalid/a.tif",
    f"s3://{CANARY}/a.tif",
    f"S3://{CANARY}",
    "s3://",
    f"gs://{CANARY}/../../a.tif",
    "http://",
    "http:///a.tif",
    "//[",
    "?",
    "#",
    "",
    ".",
    "\0",
    f"/tmp/{CANARY}\0.tif",
    "\ud800.tif",
    "a" * 5000,
)
# What PROJ would open if it were asked.
PLACES_OF_CRS = (
    f"+proj=utm +zone=33 +nadgrids=/tmp/{CANARY}/grid.gsb +type=crs",
    f"+init=/tmp/{CANARY}/init:1",
    f"+proj=longlat +geoidgrids=/tmp/{CANARY}/geoid.gtx +vunits=m +type=crs",
    f"http://{CANARY}.invalid/crs/32633",
    f"file:///tmp/{CANARY}/crs.wkt",
    f"/tmp/{CANARY}/crs.wkt",
    f"@/tmp/{CANARY}/crs.wkt",
    'PROJCS["x",GEOGCS["x",DATUM["x",SPHEROID["x",6378137,298.257,AUTHORITY["EPSG","7030"]]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",15],'
    'PARAMETER["scale_factor",0.9996],PARAMETER["false_easting",500000],'
    'PARAMETER["false_northing",0],UNIT["metre",1],EXTENSION["PROJ4",'
    f'"+proj=utm +zone=33 +ellps=WGS84 +nadgrids=/tmp/{CANARY}/grid.gsb +units=m +no_defs"]]',
    'BOUNDCRS[SOURCECRS[GEOGCRS["x",DATUM["x",ELLIPSOID["x",6378137,298.257]],CS[ellipsoidal,2],'
    'AXIS["latitude",north],AXIS["longitude",east],ANGLEUNIT["degree",0.0174532925199433]]],'
    'TARGETCRS[GEOGCRS["WGS 84",DATUM["World Geodetic System 1984",ELLIPSOID["WGS 84",6378137,'
    '298.257223563]],CS[ellipsoidal,2],AXIS["latitude",north],AXIS["longitude",east],'
    'ANGLEUNIT["degree",0.0174532925199433],ID["EPSG",4326]]],ABRIDGEDTRANSFORMATION["x",'
    'METHOD["NTv2",ID["EPSG",9615]],PARAMETERFILE["Latitude and longitude difference file",'
    f'"/tmp/{CANARY}/grid.gsb"]]]',
)
CRSS = (
    *("EPSG:4326", "EPSG:4978", "EPSG:4979", "EPSG:5773", "EPSG:3031", "EPSG:32733", "EPSG:0"),
    *("EPSG:-1", "EPSG:99999999999999999999", "IAU_2015:30100", "ESRI:54009", "OGC:CRS84"),
    *("epsg:32633", "WGS 84", "EPSG:32633+5773", "urn:ogc:def:crs:EPSG::32633", ":", "EPSG:"),
)
TIMES = (
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"),
    *("2023-02-30T00:00:00Z", "2023-08-10", "20230810T101010Z", "2023-W32-4", "now", "..", ""),
    *("2023-08-10T10:00:00.123456789Z", "2023-08-10t10:00:00z", "-2023-08-10T10:00:00Z"),
    *("2023-08-10T24:00:00Z", "2023-08-10T10:00:60Z", "2023-08-10T10:00:00+99:99", "٢٠٢٣-08-10"),
)
NUMBERS = (
    *(0, -0.0, 1, -1, 5e-324, 1e-300, 1e308, -1e308, float("inf"), float("-inf"), float("nan")),
    *(2**31, 2**63, -(2**63), 2**64, 10**400, -(10**4000), 1e15, 180.0000001, 359.9, 1e6, True),
)
TEXTS = (
    *("", " ", "\0", "nan", "inf", "-inf", "NaN", "1e999", "null", "None", "\ud800", "\udfff x"),
    *("\u202e3202", "\x1b[2J\x1b[31m", "a\r\nb", "=1+1", "<script>", "'; DROP TABLE x; --", "𝟙"),
    *("%s%n{0.__class__}", "${jndi:ldap://x}", "Ω" * 300, "x" * 20_000, "٣", "٠.٥", "O", "U10"),
    *("complex128", "datetime64", "uint16", "float16", "int128", "S99999999999"),
)


def nested(depth: int) -> Any:
    """Lists in objects in lists, so deep."""
    value: Any = 0
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


def odd_value(source: random.Random) -> Any:  # noqa: PLR0911
    """One that is hardly ever what is expected."""
    kind = source.randrange(13)
    if kind < 3:
        return source.choice(NUMBERS)
    if kind < 5:
        return source.choice(TEXTS)
    if kind == 5:
        return nested(source.choice((1, 3, 30, 59, 61, 200, 500)))
    if kind == 6:
        return source.choice(HREFS)
    if kind == 7:
        return source.choice((*PLACES_OF_CRS, *CRSS))
    if kind == 8:
        return source.choice(TIMES)
    if kind == 9:
        return [odd_value(source) for _ in range(source.randrange(4))]
    if kind == 10:
        return {source.choice(TEXTS): odd_value(source) for _ in range(source.randrange(4))}
    return source.choice((None, False, [], {}, [[]], [None], {"href": None}, [{}], [[], {}]))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each place in ``value`` that can be given another value: its holder, and the key there."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], (dict, list)):
                waiting.append(holder[key])
    return found


def mutate(value: Any, source: random.Random, own: Sequence[Callable[..., None]] = ()) -> Any:
    """A copy of ``value`` with one to four things changed.

    ``own`` are further changes, each made by ``change(value, source)`` in place.
    """
    changed = copy.deepcopy(value)
    for _ in range(source.choice((1, 1, 1, 2, 2, 3, 4))):
        if own and source.random() < 0.5:
            try:
                source.choice(own)(changed, source)
            except (KeyError, TypeError, IndexError, AttributeError):
                continue  # an earlier change took away what this one changes
        else:
            _change_one(changed, source)
    return changed


def _change_one(value: Any, source: random.Random) -> None:
    found = places(value)
    if not found:
        return
    holder, key = source.choice(found)
    kind = source.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[source.choice(TEXTS)] = holder.pop(key)
    elif kind == 2:
        other, other_key = source.choice(found)
        holder[key] = _copied(other[other_key])
    elif kind == 3 and isinstance(holder[key], list):
        holder[key] = holder[key] * source.choice((2, 100))
    else:
        holder[key] = odd_value(source)


def _copied(value: Any) -> Any:
    """A copy; None of what is too large or too deep."""
    if len(places([value])) >= 2000:
        return None
    try:
        return copy.deepcopy(value)
    except RecursionError:
        return None
