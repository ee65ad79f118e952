"""lazycogs: async reads in Rust without GDAL, as a cube of xarray on Dask's threads."""

from __future__ import annotations

import asyncio
import json
import platform
import tempfile
import urllib.request
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import lazycogs
import rustac
from case import MASK_BAND, MASKED_CLASSES, OFFSET, SCALE, Case, read_case
from cubes import write_clipped
from obstore.store import HTTPStore

DUCKDB_PLATFORM = "linux_arm64" if platform.machine() == "aarch64" else "linux_amd64"
CHUNKS = {"time": -1, "band": 1, "y": 1024, "x": 1024}


def main() -> None:
    case = read_case()
    with tempfile.TemporaryDirectory() as folder:
        items = str(Path(folder) / "items.parquet")
        asyncio.run(write_items(items, case))
        stored = lazycogs.open(
            items,
            bbox=case.bounds,
            crs=case.crs,
            resolution=10.0,
            bands=[*case.bands, MASK_BAND],
            chunks=CHUNKS,
            store=store_of(case),
            duckdb_client=rustac.DuckdbClient(
                extension_directory=place_extensions(Path(folder)), install_extensions=False
            ),
        )
        hidden = stored.sel(band=MASK_BAND).isin(MASKED_CLASSES)
        bands = stored.sel(band=list(case.bands))
        clear = bands.where((bands != 0) & ~hidden)
        median = clear.transpose("band", "time", "y", "x").median(dim="time").compute()
    write_clipped((median * SCALE + OFFSET).rio.write_crs(case.crs), case)


async def write_items(path: str, case: Case) -> None:
    """Write the items as the GeoParquet that lazycogs searches."""
    await rustac.write(path, read_item_dictionaries(case))


def read_item_dictionaries(case: Case) -> list[dict]:
    """The items, with addresses that lazycogs takes for files."""
    if case.items.startswith("http"):
        with urllib.request.urlopen(case.items) as answer:
            return json.load(answer)["features"]
    items = json.loads(Path(case.items).read_text(encoding="utf-8"))["features"]
    for item in items:
        for asset in item["assets"].values():
            asset["href"] = Path(asset["href"]).as_uri()
    return items


def place_extensions(folder: Path) -> Path:
    """A folder as DuckDB has it, with the extensions that it would download as it runs.

    They come with the environment, so that nothing but the case's files is fetched.
    """
    for package in ("icu", "parquet", "spatial"):
        (found,) = files(f"duckdb_extension_{package}").glob("extensions/*/*.duckdb_extension")
        place = folder / "extensions" / found.parent.name / DUCKDB_PLATFORM / found.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(found)
    return folder / "extensions"


def store_of(case: Case) -> HTTPStore | None:
    """A store that may speak plain http; None for files."""
    if not case.items.startswith("http"):
        return None
    address = urlsplit(case.items)
    root = f"{address.scheme}://{address.netloc}"
    return HTTPStore.from_url(root, client_options={"allow_http": True})


if __name__ == "__main__":
    main()
