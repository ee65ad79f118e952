"""Small scenes for whole runs, and a look at all that such a run shows to the outside."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import rasterio
from fairweather.core.bridge.home import fairweather_home
from fairweather.core.bridge.profiles import load_profiles
from fairweather.core.bridge.request import Area, CompositeRequest, SceneSearch
from fairweather.core.bridge.worker_process import run_job

EDGE = 512
WEST, NORTH = 500_000, 5_000_000


class Scenes:
    """Three scenes of 512 x 512 pixels, and catalogues that name them at any address."""

    def __init__(self, folder):
        self.folder = folder
        rng = np.random.default_rng(5)
        (folder / "pixels").mkdir()
        for day in range(3):
            self._write(f"red{day}.tif", rng.integers(1, 5000, (EDGE, EDGE)).astype(np.uint16))
            self._write(f"scl{day}.tif", rng.choice([4, 9], (EDGE, EDGE)).astype(np.uint8))

    def _write(self, name, pixels):
        with rasterio.open(
            self.folder / "pixels" / name,
            "w",
            driver="GTiff",
            width=EDGE,
            height=EDGE,
            count=1,
            dtype=pixels.dtype,
            crs="EPSG:32633",
            transform=rasterio.Affine(10, 0, WEST, 0, -10, NORTH),
            tiled=True,
            blockxsize=128,
            blockysize=128,
            compress="deflate",
        ) as dataset:
            dataset.write(pixels, 1)

    def catalog(self, base, name="items.json"):
        """An ItemCollection whose assets lie below ``base``; its path."""
        items = [self._item(day, base) for day in range(3)]
        path = self.folder / name
        path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        return path

    def _item(self, day, base):
        ring = [[14.9, 45.0], [15.1, 45.0], [15.1, 45.2], [14.9, 45.2], [14.9, 45.0]]
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": f"scene-{day}",
            "collection": "mine",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": [14.9, 45.0, 15.1, 45.2],
            "properties": {"datetime": f"2024-05-0{day + 1}T10:00:00Z", "eo:cloud_cover": 5},
            "links": [],
            "assets": {
                band: {"href": f"{base}/{band}{day}.tif", "type": "image/tiff"}
                for band in ("red", "scl")
            },
        }

    def profile(self, **access):
        """The sample collection's profile with other access; its path."""
        sample = json.loads(json.dumps(dataclasses.asdict(load_profiles()["fairweather-sample"])))
        kept = {name: value for name, value in sample.items() if value is not None}
        content = {**kept, "id": "mine", "collection": "mine", "catalog": "", **access}
        path = self.folder / "profile.json"
        path.write_text(json.dumps(content))
        return path

    def request(self, catalog, profile, output):
        ring = [[15.0, 45.12], [15.05, 45.12], [15.05, 45.15], [15.0, 45.15], [15.0, 45.12]]
        area = Area("EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
        search = SceneSearch(
            "custom",
            area,
            "2024-05-01",
            "2024-05-31",
            catalog=str(catalog),
            profile=str(profile),
            max_cloud=100.0,
        )
        report = str(Path(output).with_suffix(".html"))
        return CompositeRequest(search, ("red",), str(output), report=report)


class Watched:
    """Runs a job, and collects all that can be seen of it from outside, while it runs and after."""

    def __init__(self, folder):
        self.folder = folder
        self.seen = []
        self.has_credentials = False

    def run(self, request, credentials=None, **options):
        """Run it as ``run_job`` does, with its ``options``."""
        self.has_credentials = credentials is not None
        try:
            return run_job(
                request,
                Path(sys.executable),
                on_event=self._look,
                is_cancelled=lambda: False,
                credentials=credentials,
                **options,
            )
        except Exception as error:
            self.seen.append(str(error).encode())
            raise
        finally:
            self._look_at_files()

    def _look(self, event):
        self.seen.append(repr(event).encode())
        self._look_at_files()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (process / "cmdline").read_bytes()
                if str(fairweather_home()).encode() in arguments:
                    assert (b"--read-credentials" in arguments) is self.has_credentials
                    self.seen += [arguments, (process / "environ").read_bytes()]
            except OSError:
                continue

    def _look_at_files(self):
        for folder in (fairweather_home(), self.folder):
            for path in folder.rglob("*"):
                try:
                    if path.is_file():
                        self.seen += [str(path).encode(), path.read_bytes()]
                except OSError:
                    continue

    def assert_shows_no(self, *secrets):
        everything = b"\n".join(self.seen)
        assert b"request.json" in everything
        assert b"--watch-stdin" in everything or not Path("/proc/self").exists()
        for secret in secrets:
            assert secret.encode() not in everything


CLUSTER = """
import asyncio, sys
from distributed import Scheduler, Worker
async def main():
    places = {"dashboard_address": "127.0.0.1:0"}
    async with Scheduler(host="127.0.0.1", port=0, **places) as scheduler:
        async with Worker(scheduler.address, nthreads=2, host="127.0.0.1", **places):
            print(scheduler.address, flush=True)
            await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
"""
