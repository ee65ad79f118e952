"""Blocks whose days are held in files: the same pixels as in memory, and as the oracle's."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from fairweather.core.bridge.errors import OutputError
from fairweather.core.science.composite import block as composite_block
from fairweather.core.science.composite import median, stack_folder

SHAPE = (70, 90)
BANDS = ("red", "NDVI")


def noise(seed, dtype=np.uint16):
    return np.random.default_rng(seed).integers(0, 4000, SHAPE).astype(dtype)


@pytest.fixture
def made(scenes, grid):
    """Nine days with gaps, of which some have other offsets."""
    one = grid(shape=SHAPE)
    return [
        scenes.scene(
            day,
            {"red": noise(day), "nir": noise(day + 500)},
            np.random.default_rng(day).choice([0, 3, 4, 5, 8, 9], SHAPE),
            one,
            offset=-0.1 if day % 3 else 0.0,
        )
        for day in range(1, 10)
    ]


@pytest.fixture
def in_files(monkeypatch):
    """A function that makes a plan hold its days in files, in strips of a few pixels."""

    def change(plan):
        monkeypatch.setattr(composite_block, "STRIP_BYTES", 1)
        recipe = dataclasses.replace(plan.recipe, holds_days_in_files=True)
        return dataclasses.replace(plan, recipe=recipe)

    return change


def check_same(found, expected):
    assert found.statistics == expected.statistics
    for name, values in expected.bands.items():
        assert found.bands[name].tobytes() == values.tobytes(), name


@pytest.mark.parametrize("longest_network", [96, 4])
def test_the_same_pixels(
    engine, made, grid, in_files, oracle_of, same, median_of, monkeypatch, longest_network
):
    monkeypatch.setattr(median, "LONGEST_NETWORK", longest_network)
    plan = engine.plan(made, grid(shape=SHAPE).box(), BANDS)
    in_memory = engine.run(plan, edge=32, count_band=True)
    found = engine.run(in_files(plan), edge=32, count_band=True)
    check_same(found, in_memory)
    oracle = oracle_of(found)
    same(found.bands["red"], median_of(oracle.cube(made, "red")))


def test_a_lost_day_is_lost_in_every_band(engine, made, grid, in_files):
    plan = engine.plan(made, grid(shape=SHAPE).box(), BANDS)
    Path(made[4].bands["nir"].href).unlink()
    in_memory = engine.run(plan, edge=32, count_band=True)
    assert in_memory.statistics.lost
    check_same(engine.run(in_files(plan), edge=32, count_band=True), in_memory)


def test_nothing_is_left_of_the_files(engine, made, grid, in_files, monkeypatch):
    opened = []
    make = stack_folder.tempfile.TemporaryFile

    def note(**options):
        opened.append(make(**options))
        return opened[-1]

    monkeypatch.setattr(stack_folder.tempfile, "TemporaryFile", note)
    before = set(engine.folder.iterdir())
    plan = engine.plan(made[:5], grid(shape=SHAPE).box(), BANDS)
    found = engine.run(in_files(plan), edge=32)
    # Red and NIR of each block.
    assert len(opened) == 2 * 3 * 3
    assert all(file.closed for file in opened)
    assert set(engine.folder.iterdir()) - before == {found.path}


def test_a_full_disk_ends_the_run(engine, made, grid, in_files, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stack_folder.tempfile, "TemporaryFile", full)
    plan = engine.plan(made[:5], grid(shape=SHAPE).box(), BANDS)
    with pytest.raises(OutputError, match="No space left"):
        engine.run(in_files(plan), edge=32)
