"""The pixels of one tile of a TIFF, decoded."""

from __future__ import annotations

import imagecodecs
import numpy as np
import tifffile

LERC = 34887
UNCOMPRESSED = 1
# None, LZW, PackBits, Deflate (twice), LZMA and Zstandard: what they decode to is as large as the
# tile. LERC tells a size of its own, which may be a lie that no memory has.
WITHOUT_SIZES = (UNCOMPRESSED, 5, 32773, 8, 32946, 34925, 50000)
# Whatever else is an image in an image (JPEG 2000, JPEG XL, WebP, PNG …), whose decoders believe
# its own size: a tile of a few hundred bytes would become gigabytes.
DECODED_HERE = frozenset({*WITHOUT_SIZES, LERC})
# How LERC's streams begin, unless they are packed once more, by Zstandard or Deflate; and by how
# much an encoding may enlarge a tile. LERC's first version (``CntZImage``) is none that a TIFF
# has: whoever decodes it believes all sizes that it tells, also beyond its end.
LERC_MARK = b"Lerc2 "
ZSTANDARD_MARK = b"\x28\xb5\x2f\xfd"
MOST_SWELLING = 4
SMALL_TILE_BYTES = 64 * 1024


class BrokenTileError(Exception):
    """A tile cannot be decoded; its text says why."""


def decode_tile(
    page: tifffile.TiffPage, tile: int, content: bytes | memoryview, shape: tuple[int, int]
) -> np.ndarray:
    """The tile's pixels, of ``shape``: rows and columns without what lies beyond the page's edge.

    Raises:
        BrokenTileError: it is broken.
        MemoryError: there is no room for it.
    """
    decoded: np.ndarray | None
    try:
        if page.compression == LERC:
            decoded = _decode_lerc(page, bytes(content), shape)
        else:
            decoded = page.decode(content, tile)[0]
    except Exception as error:  # each codec has errors of its own
        if isinstance(error, MemoryError) and page.compression in WITHOUT_SIZES:
            raise
        raise BrokenTileError(f"tile {tile} is broken: {error}") from error
    if decoded is None or decoded.size < shape[0] * shape[1]:
        raise BrokenTileError(f"tile {tile} is broken")
    pixels = decoded.reshape(decoded.shape[-3:-1])[: shape[0], : shape[1]]
    # A part would keep the whole in memory: what was fetched, or the tile beyond the edge.
    is_part = page.compression == UNCOMPRESSED or pixels.size < decoded.size
    return np.asarray(pixels.copy() if is_part else pixels)


def _decode_lerc(page: tifffile.TiffPage, content: bytes, shape: tuple[int, int]) -> np.ndarray:
    """All (rows, columns, 1) of a tile; of floats, those that LERC hides are NaN, as in GDAL.

    tifffile would leave the zeros that stand there.
    """
    if page.is_tiled:
        shape = (page.tilelength, page.tilewidth)
    # What claims another size is refused before it is decoded.
    values = np.empty(shape, page.dtype)
    stream = lerc_stream(content, MOST_SWELLING * values.nbytes + SMALL_TILE_BYTES)
    _, is_shown = imagecodecs.lerc_decode(stream, masks=True, out=values)
    if is_shown is not None and values.dtype.kind == "f":
        values[~is_shown] = np.nan
    # What LERC takes for numbers are the file's bytes, in its order.
    stored = values.view(values.dtype.newbyteorder(page.parent.byteorder))
    return stored.astype(values.dtype, copy=False)[..., np.newaxis]


def lerc_stream(content: bytes, most_bytes: int) -> bytes:
    """LERC's own stream, unpacked here: its decoder would unpack any number of bytes.

    Raises:
        ValueError: it is none.
        Exception: it is longer than ``most_bytes``, or damaged.
    """
    if not content.startswith(LERC_MARK):
        is_zstandard = content.startswith(ZSTANDARD_MARK)
        unpack = imagecodecs.zstd_decode if is_zstandard else imagecodecs.zlib_decode
        content = bytes(unpack(content, out=most_bytes))
    if not content.startswith(LERC_MARK):
        raise ValueError("it is no LERC")
    return content
