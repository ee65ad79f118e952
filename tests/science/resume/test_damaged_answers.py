"""A server without ranges whose first answer was damaged on its way costs a day, not the blocks."""

import io
import json

import pytest
import rasterio
import tifffile
from fairweather.core.bridge.errors import ReadError
from fairweather.core.bridge.home import unfinished_folder

BLOCKS = 6
DAMAGED_BLOCK = 2
NAME = "red-1.tif"
WHY = "two answers of its server differ, so that one of them is damaged"
REPLACED = "it was replaced by another file while it was read"


def damaged(content):
    """One tile's bytes are others, as many as they were."""
    page = tifffile.TiffFile(io.BytesIO(content)).pages[0]
    start = page.dataoffsets[DAMAGED_BLOCK] + page.databytecounts[DAMAGED_BLOCK] // 2
    part = bytes(byte ^ 0xFF for byte in content[start : start + 64])
    return content[:start] + part + content[start + 64 :]


def longer(content):
    return damaged(content) + bytes(9)


def send_at_first(server, change):
    """Let the first answer with one of the files be otherwise."""
    sent = []

    def answer(path, _):
        name = path.lstrip("/")
        content = (server.folder / name).read_bytes()
        if name == NAME:
            sent.append(name)
            content = change(content) if len(sent) == 1 else content
        return 200, content

    server.has_ranges, server.answer = False, answer


def test_the_blocks_before_it_are_taken_up(runs, unfinished):
    whole = runs.run()
    send_at_first(runs.server, damaged)
    with pytest.raises(ReadError, match=rf"red-1\.tif cannot be read: {WHY}; run again"):
        runs.run(on_error="fail")
    kept = len(unfinished())
    assert 0 < kept < BLOCKS
    assert runs.run() == whole
    assert runs.composed == BLOCKS - kept
    assert unfinished() == []


def test_the_blocks_before_and_after_it_are_taken_up(runs, unfinished):
    whole = runs.run()
    send_at_first(runs.server, damaged)
    assert runs.run(stop_after=BLOCKS - 1) is None
    assert len(unfinished()) == BLOCKS - 2
    assert runs.run() == whole
    assert runs.composed == 2


def test_its_day_is_lost_in_its_block_alone_and_named(runs):
    send_at_first(runs.server, damaged)
    with rasterio.MemoryFile(runs.run()) as memory, memory.open() as dataset:
        [loss] = json.loads(dataset.tags()["FAIRWEATHER_SKIPPED"])
    assert loss == {"item": "scene-1", "asset": "red", "blocks": 1, "reason": WHY}
    assert any(
        "Not read: red of scene-1" in text and WHY in text for text in runs.reporter.warnings
    )


def test_of_another_file_nothing_is_kept(runs, unfinished):
    """It is told by another length: blocks of two files are not put beside each other."""
    send_at_first(runs.server, longer)
    with pytest.raises(ReadError, match=REPLACED):
        runs.run(on_error="fail")
    assert unfinished() == []
    send_at_first(runs.server, longer)
    assert runs.run(stop_after=BLOCKS - 1) is None
    assert unfinished() == []
    assert not unfinished_folder().exists() or list(unfinished_folder().iterdir()) == []
