"""The child that reads broken files: a line of JSON for each, for the row ``mutated_tiffs``.

``python soak_broken_files_child.py FOLDER ADDRESS SEED FIRST END``: it has 1 GB, and may die.
"""

from __future__ import annotations

import faulthandler
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from soak_package import load_package

GIGABYTE = 2**30
MOST_SECONDS = 60
WINDOW = 256


def main(arguments: list[str]) -> None:
    """Read the files with the numbers from FIRST up to END, each as a file and over http."""
    folder, address, seed = Path(arguments[0]), arguments[1], arguments[2]
    load_package()
    import soak_broken_files as files  # noqa: PLC0415
    from fairweather.core.bridge.errors import ReadError  # noqa: PLC0415
    from fairweather.core.science.imagery.files.raster_files import RasterFiles  # noqa: PLC0415

    honest = {path.stem: path.read_bytes() for path in (folder / "honest").iterdir()}
    _read_everything_once(folder, honest, RasterFiles)
    _limit_memory()
    # What is opened from here on is what the files lead to: strace shows this line.
    (folder / "begin").exists()
    for number in range(int(arguments[3]), int(arguments[4])):
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
        broken = files.broken_file(honest, random.Random(f"{seed} {number}"))
        path = folder / f"f{number}{broken.suffix}"
        path.write_bytes(broken.content)
        for end, content in broken.beside.items():
            path.with_name(f"f{number}{end}").write_text(content, encoding="utf-8")
        _say(number=number, what=broken.what, stage="begins")
        began = time.process_time()
        for href in (str(path), f"{address}/{path.name}"):
            ranges = RasterFiles(2, folder / "scratch", 2**24)
            try:
                file = ranges.open(href)
                detail = _compared(_read(file), path, broken, files)
                end = "read"
            except ReadError as error:
                end, detail = "lost", error.reason[:80]
            except Exception as error:
                end, detail = "raised", f"{type(error).__name__}: {error!s:.200}"
            finally:
                ranges.close()
            _say(
                number=number, what=broken.what, stage="ended", way=href[:4], end=end, detail=detail
            )
        seconds = time.process_time() - began
        _say(number=number, stage="timed", seconds=seconds, what=broken.what)
        for one in folder.glob(f"f{number}.*"):
            one.unlink()
    faulthandler.cancel_dump_traceback_later()
    _say(stage="all done", peak=_peak_megabytes())


def _limit_memory() -> None:
    """1 GB of memory of its own; where the system has no such limit, of addresses."""
    import resource  # noqa: PLC0415

    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (GIGABYTE, GIGABYTE))
    elif sys.platform != "darwin":  # macOS refuses any limit below what is mapped already
        resource.setrlimit(resource.RLIMIT_AS, (2 * GIGABYTE, 2 * GIGABYTE))


def _read_everything_once(folder: Path, honest: dict[str, bytes], raster_files: Any) -> None:
    """Libraries open their own files at their first use: that is over before it counts."""
    import soak_broken_files as files  # noqa: PLC0415

    for name, content in honest.items():
        path = folder / f"warm{'.jp2' if name in files.JPEG2000S else '.tif'}"
        path.write_bytes(content)
        ranges = raster_files(2, folder / "scratch", 2**24)
        pixels = _read(ranges.open(str(path)))
        detail = _compared(
            pixels, path, files.BrokenFile(name, b"", is_whole=True, base=name), files
        )
        assert detail == "right", f"{name}: {detail}"
        ranges.close()
        path.unlink()


def _read(file: Any) -> dict[tuple[int, int, int], Any]:
    """A window at each corner of each level, by level, row and column."""
    found = {}
    for number, level in enumerate(file.levels[:4]):
        height, width = (int(side) for side in level.shape)
        assert file.tile_shapes[number]
        for top in {0, max(0, height - WINDOW)}:
            for left in {0, max(0, width - WINDOW)}:
                rows = slice(top, min(top + WINDOW, height))
                columns = slice(left, min(left + WINDOW, width))
                found[number, top, left] = file.read(number, (rows, columns), (rows, columns))
    assert file.nodata is None or isinstance(file.nodata, float)
    return found


def _compared(pixels: Any, path: Path, broken: Any, files: Any) -> str:
    """``right`` where they are the true ones, or what GDAL alone reads of it; else what is not."""
    if broken.base != "jpeg" and _are_true(pixels, files):
        return "right"
    if broken.is_whole and broken.base != "jpeg":
        return "wrong"
    _say(stage="GDAL")
    return _as_gdal_says(pixels, path)


def _are_true(pixels: Any, files: Any) -> bool:
    """Whether full resolution has the pixels that the honest file has."""
    import numpy as np  # noqa: PLC0415

    return all(
        np.array_equal(
            found, files.true_pixels(str(found.dtype))[top : top + WINDOW, left : left + WINDOW]
        )
        for (level, top, left), found in pixels.items()
        if level == 0
    )


def _as_gdal_says(pixels: Any, path: Path) -> str:
    import numpy as np  # noqa: PLC0415
    import rasterio  # noqa: PLC0415
    from rasterio.windows import Window  # noqa: PLC0415

    driver = "JP2OpenJPEG" if path.suffix == ".jp2" else "GTiff"
    options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
    try:
        with rasterio.Env(**options), rasterio.open(path, driver=driver, sharing=False) as dataset:
            for (level, top, left), found in pixels.items():
                if level == 0:
                    height, width = found.shape
                    true = dataset.read(1, window=Window(left, top, width, height))
                    if not np.array_equal(found, true, equal_nan=found.dtype.kind == "f"):
                        return "not as GDAL"
    except (rasterio.errors.RasterioError, MemoryError, ValueError) as error:
        return f"GDAL cannot: {error!s:.60}"
    return "right"


def _peak_megabytes() -> int:
    import resource  # noqa: PLC0415

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _say(**words: object) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
