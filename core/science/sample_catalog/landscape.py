"""The invented land: what covers the ground where, and how it reflects on each day of the year.

Everything is a function of coordinates in one local projection, so that two tiles in different
UTM zones show one and the same land. The reflectance of a pixel without clouds is the curve of
its land cover on that day, times a brightness that never changes: that is the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .noise import FloatArray, Noise, random_of_cell

# The open Baltic Sea, on the border of UTM zones 33 and 34: nobody takes it for a real place.
CENTRE_LONGITUDE = 18.0
CENTRE_LATITUDE = 56.2
LOCAL_CRS = f"+proj=tmerc +lat_0={CENTRE_LATITUDE} +lon_0={CENTRE_LONGITUDE} +ellps=WGS84 +units=m"

# Few steps of brightness let the files compress well.
BRIGHTNESS_STEPS = 50

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")

WATER, CITY, WINTER_CROPS, SUMMER_CROPS, MEADOW, FOREST = range(1, 7)


@dataclass(frozen=True)
class LandCover:
    """A kind of land cover: its reflectance bare and green, and how green it is in the year.

    ``bare`` and ``green`` have one reflectance per band of ``BANDS``. ``season`` are pairs of day
    of the year and greenness (0 to 1), with straight lines between.
    """

    number: int
    name: str
    bare: tuple[float, ...]
    green: tuple[float, ...]
    season: tuple[tuple[int, float], ...]


LAND_COVERS = (
    LandCover(
        WATER,
        "water",
        bare=(0.040, 0.038, 0.024, 0.014, 0.008, 0.006),
        green=(0.042, 0.058, 0.032, 0.022, 0.010, 0.007),
        season=((1, 0.0), (100, 0.2), (200, 1.0), (300, 0.1), (366, 0.0)),
    ),
    LandCover(
        CITY,
        "city",
        bare=(0.105, 0.120, 0.132, 0.175, 0.190, 0.175),
        green=(0.085, 0.108, 0.105, 0.240, 0.190, 0.155),
        season=((1, 0.0), (100, 0.1), (150, 1.0), (260, 0.8), (310, 0.1), (366, 0.0)),
    ),
    LandCover(
        WINTER_CROPS,
        "winter crops",
        bare=(0.075, 0.105, 0.135, 0.235, 0.310, 0.250),
        green=(0.028, 0.062, 0.030, 0.440, 0.190, 0.085),
        season=(
            (1, 0.3), (80, 0.35), (130, 0.95), (165, 0.9), (200, 0.1),
            (265, 0.0), (310, 0.3), (366, 0.3),
        ),
    ),
    LandCover(
        SUMMER_CROPS,
        "summer crops",
        bare=(0.065, 0.088, 0.112, 0.180, 0.260, 0.215),
        green=(0.026, 0.058, 0.028, 0.430, 0.175, 0.075),
        season=((1, 0.05), (130, 0.0), (190, 0.95), (240, 0.9), (280, 0.05), (366, 0.05)),
    ),
    LandCover(
        MEADOW,
        "meadow",
        bare=(0.055, 0.080, 0.088, 0.215, 0.235, 0.150),
        green=(0.034, 0.080, 0.036, 0.460, 0.205, 0.095),
        season=(
            (1, 0.1), (90, 0.25), (140, 1.0), (165, 0.95), (172, 0.45), (205, 0.9),
            (270, 0.6), (320, 0.15), (366, 0.1),
        ),
    ),
    LandCover(
        FOREST,
        "forest",
        bare=(0.040, 0.058, 0.058, 0.195, 0.150, 0.085),
        green=(0.026, 0.056, 0.029, 0.360, 0.135, 0.058),
        season=((1, 0.1), (110, 0.2), (145, 1.0), (255, 0.85), (310, 0.15), (366, 0.1)),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Land:
    """The land under a grid of pixels.

    ``cover`` (uint8) are numbers of ``LAND_COVERS``; ``brightness`` (float32, in steps of 0.02)
    multiplies their curves. Both have the grid's shape.
    """

    cover: NDArray[np.uint8]
    brightness: FloatArray


def reflectance_curves(days_of_year: NDArray[np.int64]) -> FloatArray:
    """Reflectance by land cover, day and band, shape (7, days, 6); number 0 is no land cover."""
    curves = np.zeros((len(LAND_COVERS) + 1, len(days_of_year), len(BANDS)), dtype=np.float32)
    for land_cover in LAND_COVERS:
        days, greenness = zip(*land_cover.season, strict=True)
        green = np.interp(days_of_year, days, greenness)[:, np.newaxis]
        curves[land_cover.number] = (
            np.array(land_cover.bare) * (1 - green) + np.array(land_cover.green) * green
        )
    return curves


def land_at(x: FloatArray, y: FloatArray) -> Land:
    """The land at coordinates of ``LOCAL_CRS`` in metres, up to some 5 km from its centre."""
    cover, brightness = _fields(x, y)
    from_river = _distance_to_river(x, y)
    meadow = (from_river < 260) | (Noise(900, seed=20).at(x, y) > 0.74)
    cover = np.where(meadow, MEADOW, cover)
    forest = Noise(1900, seed=30, octaves=4).at(x, y) > 0.555
    cover = np.where(forest, FOREST, cover)
    brightness = np.where(meadow | forest, 1.0, brightness)
    in_city = np.hypot((x + 700) * 0.75, y + 350) < 700 + 1100 * Noise(700, seed=40, octaves=3).at(
        x, y
    )
    city_cover, city_brightness = _city(x, y)
    cover = np.where(in_city, city_cover, cover)
    brightness = np.where(in_city, city_brightness, brightness)
    water = (from_river < 45) | _in_lake(x, y)
    cover = np.where(water, WATER, cover)
    brightness = np.where(water, 1.0, brightness)
    texture = 0.84 + 0.32 * Noise(160, seed=60, octaves=3).at(x, y)
    textured = np.where(water, 1.0, brightness * texture)
    steps = np.rint(textured * BRIGHTNESS_STEPS).astype(np.float32)
    return Land(cover.astype(np.uint8), steps / np.float32(BRIGHTNESS_STEPS))


def _fields(x: FloatArray, y: FloatArray) -> tuple[NDArray, FloatArray]:
    """Crops in long parcels, in blocks that lie in two directions."""
    turned = Noise(2600, seed=10).at(x, y) > 0.5
    along = np.where(turned, x * 0.94 + y * 0.34, x * 0.42 - y * 0.91)
    across = np.where(turned, y * 0.94 - x * 0.34, y * 0.42 + x * 0.91)
    column = np.floor(along / 520).astype(np.int64)
    row = np.floor(across / 150 + 0.37 * column).astype(np.int64) + 17 * turned
    cover = np.where(random_of_cell(column, row, seed=11) < 0.55, WINTER_CROPS, SUMMER_CROPS)
    return cover, 0.82 + 0.36 * random_of_cell(column, row, seed=12)


def _city(x: FloatArray, y: FloatArray) -> tuple[NDArray, FloatArray]:
    """Blocks of houses between streets; some blocks are parks."""
    along, across = x * 0.97 + y * 0.24, y * 0.97 - x * 0.24
    column, row = np.floor(along / 130).astype(np.int64), np.floor(across / 110).astype(np.int64)
    street = (along - column * 130 < 18) | (across - row * 110 < 18)
    park = (random_of_cell(column, row, seed=41) > 0.9) & ~street
    houses = 0.75 + 0.7 * random_of_cell(column, row, seed=42) ** 2
    return np.where(park, MEADOW, CITY), np.where(street, 0.62, np.where(park, 1.0, houses))


def _distance_to_river(x: FloatArray, y: FloatArray) -> FloatArray:
    """Metres to the middle of a river that winds from west to east, near enough to it."""
    middle = 420 * np.sin(x / 1300) + 170 * np.sin(x / 430 + 1) - 150
    slope = 420 / 1300 * np.cos(x / 1300) + 170 / 430 * np.cos(x / 430 + 1)
    distance: FloatArray = np.abs(y - middle) / np.sqrt(1 + slope**2)
    return distance


def _in_lake(x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
    shore = 300 + 500 * Noise(500, seed=50, octaves=3).at(x, y)
    inside: NDArray[np.bool_] = np.hypot((x - 2300) * 0.8, y - 1250) < shore
    return inside
