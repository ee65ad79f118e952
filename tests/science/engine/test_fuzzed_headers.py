"""Any bytes end in a header or in an error of ours; ``make soak`` reads more such files whole.

The files are GDAL's own, in which what their structure is made of is changed: tags, types, counts,
places, lengths, and where the file ends.
"""

import re
import struct

import numpy as np
import pytest
import soak_broken_files
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files import codestream, tiff_header
from fairweather.core.science.imagery.files.codestream import TileParts, read_header
from fairweather.core.science.imagery.files.jpeg2000 import Jpeg2000File, open_jpeg2000
from fairweather.core.science.imagery.files.tiff import TiffFile, open_tiff
from fairweather.core.science.imagery.files.tile_cache import TileCache
from headers_in_memory import MEGABYTE, MOST_BYTES_TO_OPEN, Bytes, Costs, check_sentence, opened
from hypothesis import given, settings
from hypothesis import strategies as st

# A tile of 128 MB may be decoded, and copied.
MOST_BYTES_TO_READ = 600 * MEGABYTE
SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8}
TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 11: 4, 12: 8, 16: 8}
ELEMENTS = 24


def tiff_fields(content):
    """Place and format of each number of the header; of long lists, the first and some more."""
    order = "<" if content[:2] == b"II" else ">"
    is_big = content[2:4] in (b"+\0", b"\0+")
    number, short, value = ("Q", "Q", 12) if is_big else ("I", "H", 8)
    entries, ends = soak_broken_files.directories(content, order, is_big)
    fields = [(2, "H"), (8 if is_big else 4, number), *((end, number) for end in ends)]
    for entry in entries:
        fields += [(entry, "H"), (entry + 2, "H"), (entry + 4, number), (entry + value, number)]
        fields.append((entry + value, "H"))
        kind, count = struct.unpack_from(f"{order}H{number}", content, entry + 2)
        size = TYPE_SIZES[kind]
        if count * size > SIZES[number]:
            start = struct.unpack_from(f"{order}{number}", content, entry + value)[0]
            form = {1: "B", 2: "H", 4: "I", 8: "Q"}[size]
            fields += [(start + size * one, form) for one in range(min(count, ELEMENTS))]
    entry_size = value + SIZES[number]
    heads = (entry for entry in entries if entry - entry_size not in entries)
    fields += [(head - SIZES[short], short) for head in heads]
    return order, fields


def jpeg2000_fields(content):
    """Place and format of each number of boxes, of the header, and of tile parts."""
    stream = content.index(b"\xff\x4f\xff\x51")
    fields, place = [], 0
    while place < stream - 8:
        fields += [(place, "I"), (place + 4, "I")]
        place += struct.unpack_from(">I", content, place)[0] or stream
    fields += [(stream + 8 + 4 * number, "I") for number in range(8)]
    fields += [(stream + 40, "H"), (stream + 42, "B")]
    place = stream + 2
    while content[place : place + 2] != b"\xff\x90":
        length = struct.unpack_from(">H", content, place + 2)[0]
        fields += [(place, "H"), (place + 2, "H")]
        fields += [(place + 4 + one, "B") for one in range(min(length - 2, ELEMENTS))]
        place += 2 + length
    for found in re.finditer(b"\xff\x90\x00\x0a", content):
        start = found.start()
        forms = ((0, "H"), (2, "H"), (4, "H"), (6, "I"), (10, "B"), (11, "B"))
        fields += [(start + offset, form) for offset, form in forms]
    return ">", fields


@st.composite
def changed_files(draw, honest, names, fields_of):
    """A file with other numbers in one to four places, perhaps cut, perhaps without an end."""
    content = bytearray(honest[draw(st.sampled_from(sorted(names)))])
    order, fields = fields_of(bytes(content))
    known = (*soak_broken_files.NUMBERS, len(content), len(content) - 1, 2**62, 2**63, 2**64 - 1)
    for _ in range(draw(st.integers(1, 4))):
        place, form = draw(st.sampled_from(fields))
        value = draw(st.sampled_from(known) | st.integers(0, 400) | st.integers(0, 2**64 - 1))
        struct.pack_into(f"{order}{form}", content, place, value % 2 ** (8 * SIZES[form]))
    end = draw(st.none() | st.integers(1, len(content)))
    return Bytes(bytes(content[:end]), is_endless=draw(st.booleans()))


def check_file(file):
    """What it tells can be, and its corners are pixels or an error of ours."""
    assert file.nodata is None or isinstance(file.nodata, float)
    for number, (level, tile) in enumerate(zip(file.levels, file.tile_shapes, strict=True)):
        assert min(*level.shape, *tile) > 0
        rows, columns = (slice(max(0, side - 70), side) for side in level.shape)
        with Costs(MOST_BYTES_TO_READ):
            try:
                pixels = file.read(number, (rows, columns), (rows, columns))
            except ReadError as error:
                check_sentence(error)
                continue
        assert pixels.shape == (rows.stop - rows.start, columns.stop - columns.start)
        assert pixels.dtype.kind in "iuf"


def names_of():
    """The TIFFs that are read tile by tile, and the JPEG 2000 files that are."""
    by_gdal = ("three bands", "jpeg", "custom crs")
    own = [name for name in soak_broken_files.TIFFS if name not in by_gdal]
    return own, ["small tiles"]


def test_what_is_changed_is_right_before(honest):
    tiffs, jpegs = names_of()
    for name, open_file, kind in (
        *((name, open_tiff, TiffFile) for name in tiffs),
        *((name, open_jpeg2000, Jpeg2000File) for name in jpegs),
    ):
        file = open_file("it", Bytes(honest[name]), TileCache(0))
        assert type(file) is kind, name
        window = (slice(0, soak_broken_files.HEIGHT), slice(0, soak_broken_files.WIDTH))
        pixels = file.read(0, window, window)
        np.testing.assert_array_equal(pixels, soak_broken_files.true_pixels(str(pixels.dtype)))
        fields = tiff_fields if kind is TiffFile else jpeg2000_fields
        assert len(fields(honest[name])[1]) > 60


@pytest.mark.usefixtures("no_log")
def test_any_header_of_a_tiff(honest):
    tiffs, _ = names_of()

    @settings(max_examples=300)
    @given(changed_files(honest, tiffs, tiff_fields))
    def read(ranges):
        file = opened(open_tiff, ranges)
        assert ranges.asked <= tiff_header.MOST_HEADER_BYTES
        if file is not None:
            check_file(file)

    read()


@pytest.mark.usefixtures("no_log")
def test_any_header_of_a_jpeg2000(honest):
    _, jpegs = names_of()

    @settings(max_examples=60)
    @given(changed_files(honest, jpegs, jpeg2000_fields))
    def read(ranges):
        file = opened(open_jpeg2000, ranges)
        assert ranges.asked <= 3 * codestream.MOST_HEADER_BYTES
        if file is not None:
            check_file(file)

    read()


def test_any_codestream(honest):
    _, jpegs = names_of()

    @settings(max_examples=100)
    @given(changed_files(honest, jpegs, jpeg2000_fields), st.integers(0, 70_000))
    def find(ranges, tile):
        def read(start, length):
            return ranges.read("", start, length)

        with Costs(MOST_BYTES_TO_OPEN):
            try:
                header = read_header(read)
            except ValueError as error:
                check_words(error)
                return
        if header is None:
            return
        assert min(*header.shape, *header.tile_shape, header.components) > 0
        assert len(header.lengths) <= codestream.MOST_TILE_PARTS
        parts = TileParts(header, read)
        for one in (0, 5, tile):
            with Costs(MOST_BYTES_TO_OPEN):
                check_parts(parts, one, header)

    find()


def check_words(error):
    """Words of ours, which go into a sentence about the file."""
    assert re.match("it|a tile", str(error))


def check_parts(parts, tile, header):
    try:
        found = parts.of(tile)
    except ValueError as error:
        check_words(error)
        return
    assert all(start >= header.start and length >= 12 for start, length in found)
    assert sum(length for _, length in found) <= header.most_tile_bytes


@pytest.mark.parametrize("start", [b"", b"II*\0", b"MM\0+\0\x08\0\0", b"\0\0\0\x0cjP  \r\n\x87\n"])
@pytest.mark.usefixtures("no_log")
def test_any_bytes(start):
    @settings(max_examples=40)
    @given(st.binary(max_size=300), st.booleans())
    def read(content, is_endless):
        for open_file in (open_tiff, open_jpeg2000):
            opened(open_file, Bytes(start + content or b"\0", is_endless=is_endless))

    read()
