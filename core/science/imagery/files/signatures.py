"""How the files begin that are read here."""

from __future__ import annotations

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
JPEG2000 = b"\0\0\0\x0cjP  \r\n\x87\n"
LONGEST = len(JPEG2000)


def is_raster(start: bytes) -> bool:
    """Whether a file that begins with ``start``, of ``LONGEST`` bytes, is TIFF or JPEG 2000."""
    return start.startswith((*TIFF, JPEG2000))
