"""TIFFs written by hand, so that their tags may say anything."""

import struct

SHORT, LONG, DOUBLE = 3, 4, 12
# A grid of 10 m in EPSG:32633.
SCALE = (10.0, 10.0, 0.0)
TIE_POINT = (0.0, 0.0, 0.0, 500_000.0, 5_000_000.0, 0.0)
KEYS = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)


def tiff_of_one_tile(compression, content, edge):
    """A TIFF of one band of bytes, all in one tile of ``edge`` pixels whose bytes are these."""
    tags = {
        256: (SHORT, edge),
        257: (SHORT, edge),
        258: (SHORT, 8),
        259: (SHORT, compression),
        262: (SHORT, 1),
        277: (SHORT, 1),
        322: (SHORT, edge),
        323: (SHORT, edge),
        324: (LONG, None),
        325: (LONG, len(content)),
        33550: (DOUBLE, struct.pack("<3d", *SCALE)),
        33922: (DOUBLE, struct.pack("<6d", *TIE_POINT)),
        34735: (SHORT, struct.pack("<16H", *KEYS)),
    }
    place = end = 8 + 2 + 12 * len(tags) + 4
    values = b"".join(value for _, value in tags.values() if isinstance(value, bytes))
    directory = struct.pack("<H", len(tags))
    for code, (kind, value) in tags.items():
        if isinstance(value, bytes):
            count = len(value) // {SHORT: 2, DOUBLE: 8}[kind]
            directory += struct.pack("<HHII", code, kind, count, place)
            place += len(value)
        else:
            told = end + len(values) if value is None else value
            directory += struct.pack("<HHII", code, kind, 1, told)
    return struct.pack("<2sHI", b"II", 42, 8) + directory + bytes(4) + values + content
