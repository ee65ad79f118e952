"""Scenes whose grid is not known before their file is opened."""

import dataclasses
from datetime import date, datetime, timezone

import numpy as np
import pytest
import shapely
from fairweather.core.science.imagery.readers import Readers
from fairweather.core.science.imagery.scene_grids import locate_scenes

# Split at 180 degrees, as footprints are: the mean of its longitudes is far away.
ACROSS = shapely.union_all([shapely.box(177, 50, 180, 51), shapely.box(-180, 50, -179, 51)])


@pytest.mark.parametrize(
    ("footprint", "hour", "day"),
    [
        (shapely.box(174, -38, 175, -37), 22, 2),
        (shapely.box(-158, 20, -157, 21), 4, 30),
        (shapely.box(15, 45, 16, 46), 22, 1),
        (ACROSS, 16, 2),
        (shapely.Polygon(), 22, 1),
    ],
    ids=["New Zealand", "Hawaii", "Croatia", "the antimeridian", "nowhere"],
)
def test_what_is_lost_before_a_run_has_its_solar_day(scenes, tmp_path, footprint, hour, day):
    good = scenes.scene(1, {"red": np.ones((9, 9), np.uint16)})
    gone = dataclasses.replace(good.bands["red"], href=str(tmp_path / "gone.tif"), geobox=None)
    gone = dataclasses.replace(
        scenes.scene(1, {"red": gone}),
        footprint=footprint,
        moment=datetime(2023, 5, 1, hour, tzinfo=timezone.utc),
    )
    with Readers(2, tmp_path) as readers:
        located, losses = locate_scenes([good, gone], readers, skips_unreadable=True)
    assert located == [good]
    assert [loss.day for loss in losses] == [date(2023, 4 if day == 30 else 5, day)]
