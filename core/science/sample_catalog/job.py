"""Write the built-in synthetic catalogue: the job behind ``samplecatalog``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ...bridge.errors import FairweatherError, InvalidRequestError, OutputError
from ...bridge.part_files import (
    flush_folder,
    former_path,
    part_path,
    real_place,
    remove_parts,
)
from ...bridge.request import SampleCatalogRequest
from ..reporter import Reporter, StageProgress
from ..whole_file import NAMING, write_error, write_flushed
from .clouds import Clouds
from .documents import (
    COLLECTION_ID,
    area_document,
    catalog_document,
    collection_document,
    curves_document,
    item_document,
)
from .own_files import (
    AREA_FILE,
    CATALOG_FILE,
    FEWEST_DAYS,
    MOST_DAYS,
    TRUTH_FOLDER,
    find_other_file,
)
from .rasters import write_scene, write_truth
from .scenes import SEED, Pass, SceneMaker, choose_passes
from .tiles import make_tiles


def run_sample_catalog(
    request: SampleCatalogRequest, reporter: Reporter, scratch: Path
) -> dict[str, object]:
    """Write the catalogue into ``request.folder``, whole or not at all; a former one is replaced.

    Of a folder that is a link, what it leads to is replaced.

    Returns:
        ``CATALOG``: the path of the ``catalog.json`` that was written.

    Raises:
        InvalidRequestError: the number of days is out of range, or the folder holds other files.
        OutputError: the folder cannot be written, or the one that shall hold it is missing.
    """
    if not FEWEST_DAYS <= request.days <= MOST_DAYS:
        raise InvalidRequestError(
            f"DAYS is {request.days}; give a whole number from {FEWEST_DAYS} to {MOST_DAYS}."
        )
    if not request.folder:
        raise InvalidRequestError("FOLDER is empty; give the folder to write the catalogue into.")
    named = Path(request.folder).absolute()
    folder = real_place(named)
    part = part_path(folder, scratch)
    try:
        _check_folder(folder)
        part.mkdir()
        write_catalog(part, request.days, reporter)
        _put_in_place(part, folder, scratch)
    except FairweatherError:
        raise
    except Exception as error:
        # GDAL's own errors do not say that the disk is full; a look at the disk does.
        told = _why_not_written(error, folder)
        if told is None:
            raise
        raise told from error
    finally:
        remove_parts(folder, scratch)
    reporter.message(f"Wrote a synthetic catalogue of {request.days} days; it shows no real place.")
    return {"CATALOG": str(named / CATALOG_FILE)}


def _check_folder(folder: Path) -> None:
    """Check that there is a place for it, and nothing there but a former sample catalogue."""
    if not folder.parent.is_dir():
        raise OutputError(
            f"The folder {folder.parent} does not exist; make it or choose another place."
        )
    if folder.is_file():
        raise InvalidRequestError(f"{folder} is a file; give a folder for the catalogue.")
    other = find_other_file(folder)
    if other is not None:
        raise InvalidRequestError(
            f"The folder {folder} holds other files than a sample catalogue's ({other}); give an "
            "empty or a new folder."
        )


def write_catalog(folder: Path, days: int, reporter: Reporter) -> None:
    """Write all files of the catalogue into the existing, empty ``folder``."""
    reporter.progress(0, "Inventing land and clouds")
    tiles = make_tiles()
    clouds = Clouds(SEED)
    passes = choose_passes(days)
    (folder / TRUTH_FOLDER).mkdir()
    # Here, and not with the first scene: what a cancel removes must not be made again by a thread.
    (folder / COLLECTION_ID).mkdir()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        makers = list(threads.map(lambda tile: SceneMaker(tile, clouds), tiles))
        truths = [
            threads.submit(write_truth, maker, passes, folder / TRUTH_FOLDER) for maker in makers
        ]
        stage = StageProgress(
            reporter, 10, 100, total=2 * days - 1, text="Writing scenes", unit="scenes"
        )

        def write(work: tuple[SceneMaker, Pass]) -> dict[str, Any]:
            item = _write_item(*work, folder / COLLECTION_ID)
            stage.advance()
            return item

        items = list(threads.map(write, _scenes_to_write(makers, passes)))
        for truth in truths:
            truth.result()
    _write_json(folder / TRUTH_FOLDER / "curves.json", curves_document(passes))
    _write_json(folder / COLLECTION_ID / "collection.json", collection_document(items, tiles))
    _write_json(folder / AREA_FILE, area_document())
    _write_json(folder / CATALOG_FILE, catalog_document())


def _scenes_to_write(
    makers: Sequence[SceneMaker], passes: Sequence[Pass]
) -> list[tuple[SceneMaker, Pass]]:
    """All scenes in the order of time; on one day the eastern tile is missing, as happens."""
    everything = [(maker, each) for each in passes for maker in makers]
    del everything[2 * (len(passes) // 3) + 1]
    return everything


def _write_item(maker: SceneMaker, satellite_pass: Pass, folder: Path) -> dict[str, Any]:
    scene = maker.make(satellite_pass)
    item_folder = folder / scene.name
    item_folder.mkdir()
    write_scene(scene, item_folder)
    item = item_document(scene)
    _write_json(item_folder / f"{scene.name}.json", item)
    return item


def _put_in_place(part: Path, folder: Path, scratch: Path) -> None:
    for inside in (part, *(path for path in part.rglob("*") if path.is_dir())):
        flush_folder(inside)
    # Somebody may have put a file there meanwhile.
    _check_folder(folder)
    with NAMING:
        if folder.is_dir():
            # Until the next line is done, ``remove_parts`` would bring it back.
            folder.rename(former_path(folder, scratch))
        part.rename(folder)
    flush_folder(folder.parent)


def _why_not_written(error: Exception, folder: Path) -> OutputError | None:
    told = write_error(error, folder)
    if isinstance(error, PermissionError) or (told is None and isinstance(error, OSError)):
        return OutputError(
            f"The catalogue cannot be written to {folder} ({error.strerror}); close what uses it "
            "or choose another folder."
        )
    return told


def _write_json(path: Path, document: dict[str, Any]) -> None:
    write_flushed(path, (json.dumps(document, indent=1) + "\n").encode("utf-8"))
