"""The acquisitions of the invented years, and what a sensor sees on each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon, contains_xy

from .clouds import Clouds, Sky, Sun
from .landscape import BANDS, CENTRE_LATITUDE, CENTRE_LONGITUDE, Land, land_at, reflectance_curves
from .noise import FloatArray
from .tiles import COARSE_RESOLUTION, FINE_RESOLUTION, Tile

SEED = 20240103
FIRST_PASS = datetime(2024, 1, 3, 10, 0, 31, tzinfo=UTC)
DAYS_BETWEEN_PASSES = 5
PASSES_A_YEAR = 73
SECONDS_BETWEEN_TILES = 4

SCALE, OFFSET, NODATA = 1e-4, -0.1, 0
CALIBRATION_ERROR = 0.02
BAND_RESOLUTIONS = dict.fromkeys(BANDS, FINE_RESOLUTION) | {
    "swir16": COARSE_RESOLUTION,
    "swir22": COARSE_RESOLUTION,
}

SHADOW, VEGETATION, BARE, WATER = 3, 4, 5, 6
CLOUD_MEDIUM, CLOUD_HIGH, CIRRUS = 8, 9, 10
CLOUD_REFLECTANCE = dict(zip(BANDS, (0.62, 0.60, 0.61, 0.66, 0.42, 0.33), strict=True))
LIGHT_IN_SHADOW = 0.45
MOST_CLOUDS = 0.92  # share of the land under clouds on the cloudiest day
CLEAR_DAYS = 0.1  # share of days without a cloud
# Metres east of the centre where a swath ends that lies to the west (-1) or to the east (1).
SWATH_EDGES = {-1: 1500, 1: -1800}


@dataclass(frozen=True)
class Pass:
    """One pass of the satellite: which since the first (0), when, and the clouds' share.

    ``swath_edge`` says which side of a slanted line the swath covers: -1 west, 1 east, 0 all.
    """

    number: int
    time: datetime
    platform: str
    cloud_share: float
    swath_edge: int

    @property
    def sun(self) -> Sun:
        """Where the sun stands over the land at that time."""
        return _sun_at(self.time)


@dataclass(frozen=True)
class Scene:
    """A tile's pixels of one pass: per asset an unsigned array of rows and columns."""

    tile: Tile
    satellite_pass: Pass
    pixels: dict[str, NDArray]

    @property
    def time(self) -> datetime:
        """When this tile was acquired, in UTC: the second tile comes a moment after the first."""
        later = SECONDS_BETWEEN_TILES * (self.tile.zone % 2 == 0)
        return self.satellite_pass.time + timedelta(seconds=later)

    @property
    def name(self) -> str:
        """The item's id."""
        platform = f"S2{self.satellite_pass.platform[-1].upper()}"
        return f"SAMPLE_{platform}_T{self.tile.name}_{self.time:%Y%m%dT%H%M%S}_L2A"


def choose_passes(days: int) -> list[Pass]:
    """``days`` passes (12 or more), some clear and some all but covered.

    Up to 73 lie evenly over 2024, which has no more; further ones go on after it.
    """
    last = max(days, PASSES_A_YEAR) - 1
    numbers = [round(step * last / (days - 1)) for step in range(days)]
    # Multiples of the golden ratio, by rank: clear and cloudy days are even in every season.
    ranks = np.argsort(np.argsort(np.arange(days) * 0.6180339887 % 1)) / (days - 1)
    return [_make_pass(number, float(rank)) for number, rank in zip(numbers, ranks, strict=True)]


def swath_polygon(swath_edge: int) -> Polygon:
    """The part of the land that the swath covers, in metres of ``LOCAL_CRS``."""
    position, slope, far = SWATH_EDGES[swath_edge], 0.25, 20_000
    edge = [(position - slope * y, y) for y in (-far, far)]
    return Polygon([*edge, (swath_edge * far, far), (swath_edge * far, -far)])


class SceneMaker:
    """Makes the scenes of one tile; what does not change from day to day is computed once."""

    def __init__(self, tile: Tile, clouds: Clouds) -> None:
        self.tile = tile
        self._clouds = clouds
        self._centres = tile.pixel_centres(COARSE_RESOLUTION)
        self.lands: dict[int, Land] = {
            FINE_RESOLUTION: land_at(*tile.pixel_centres(FINE_RESOLUTION)),
            COARSE_RESOLUTION: land_at(*self._centres),
        }

    def make(self, satellite_pass: Pass) -> Scene:
        """The scene of ``satellite_pass``."""
        x, y = self._centres
        sky = self._clouds.sky(
            x,
            y,
            satellite_pass.number * DAYS_BETWEEN_PASSES,
            satellite_pass.cloud_share,
            satellite_pass.sun,
        )
        outside = np.zeros(x.shape, np.bool_)
        if satellite_pass.swath_edge:
            outside = ~contains_xy(swath_polygon(satellite_pass.swath_edge), x, y)
        curves = reflectance_curves(np.array([satellite_pass.time.timetuple().tm_yday]))[:, 0]
        curves *= _calibration(satellite_pass)
        pixels: dict[str, NDArray] = {}
        for band, curve in zip(BANDS, curves.T, strict=True):
            pixels[band] = self._band(band, curve, sky, outside)
        pixels["scl"] = _classify(self.lands[COARSE_RESOLUTION], curves, sky, outside)
        return Scene(self.tile, satellite_pass, pixels)

    def _band(
        self,
        band: str,
        curve: FloatArray,
        sky: Sky,
        outside: NDArray[np.bool_],
    ) -> NDArray[np.uint16]:
        resolution = BAND_RESOLUTIONS[band]
        land = self.lands[resolution]
        light = np.where(sky.shadow, np.float32(LIGHT_IN_SHADOW), 1 - sky.opacity)
        cloud = sky.opacity * np.float32(CLOUD_REFLECTANCE[band])
        reflectance = curve[land.cover] * land.brightness * _spread(light, resolution)
        reflectance += _spread(cloud, resolution)
        steps = np.rint((reflectance - np.float32(OFFSET)) / np.float32(SCALE))
        counts: NDArray[np.uint16] = steps.astype(np.uint16)
        counts[_spread(outside, resolution)] = NODATA
        return counts


def _calibration(satellite_pass: Pass) -> FloatArray:
    """What the sensor multiplies each band by on this pass: near 1, as no correction is perfect."""
    errors = np.random.default_rng([SEED, satellite_pass.number]).uniform(-1, 1, len(BANDS))
    return (1 + CALIBRATION_ERROR * errors).astype(np.float32)


def _spread(values: NDArray, resolution: int) -> NDArray:
    """Coarse ``values`` on the grid of ``resolution``, so that pixels and mask agree exactly."""
    times = COARSE_RESOLUTION // resolution
    return values.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else values


def _classify(
    land: Land, curves: FloatArray, sky: Sky, outside: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The scene classification, as in Sentinel-2's SCL (uint8)."""
    red, nir = curves[:, BANDS.index("red")], curves[:, BANDS.index("nir")]
    ndvi = (nir - red) / np.maximum(nir + red, np.float32(1e-6))
    of_cover = np.where(ndvi > 0.4, VEGETATION, BARE).astype(np.uint8)
    of_cover[1] = WATER
    classes = of_cover[land.cover]
    classes[sky.shadow] = SHADOW
    classes[sky.opacity > 0] = CIRRUS
    classes[sky.opacity > 0.3] = CLOUD_MEDIUM
    classes[sky.opacity > 0.7] = CLOUD_HIGH
    classes[outside] = NODATA
    return classes


def _make_pass(number: int, cloudiness: float) -> Pass:
    return Pass(
        number=number,
        time=FIRST_PASS + timedelta(days=DAYS_BETWEEN_PASSES * number),
        platform="sentinel-2a" if number % 2 == 0 else "sentinel-2b",
        cloud_share=MOST_CLOUDS * max(0.0, (cloudiness - CLEAR_DAYS) / (1 - CLEAR_DAYS)) ** 1.4,
        swath_edge={2: -1, 5: 1}.get(number % 7, 0),
    )


def _sun_at(time: datetime) -> Sun:
    """The sun over the land's centre, to about a degree (declination by Cooper's equation)."""
    day = time.timetuple().tm_yday
    declination = math.radians(23.45) * math.sin(2 * math.pi * (284 + day) / 365)
    latitude = math.radians(CENTRE_LATITUDE)
    solar_hour = time.hour + time.minute / 60 + CENTRE_LONGITUDE / 15
    angle = math.radians(15 * (solar_hour - 12))
    elevation = math.asin(
        math.sin(latitude) * math.sin(declination)
        + math.cos(latitude) * math.cos(declination) * math.cos(angle)
    )
    azimuth = math.atan2(
        -math.cos(declination) * math.sin(angle),
        (math.sin(declination) - math.sin(elevation) * math.sin(latitude)) / math.cos(latitude),
    )
    return Sun(round(math.degrees(elevation), 3), round(math.degrees(azimuth) % 360, 3))
