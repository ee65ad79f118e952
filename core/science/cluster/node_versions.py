"""Whether a cluster's machines have the packages that this computer has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from distributed import Client

from ...bridge.errors import ClusterError

# What tasks import there, besides what Dask compares by itself.
PACKAGES = (
    *("affine", "imagecodecs", "numpy", "odc-geo", "psutil", "pyproj", "pystac"),
    *("pystac-client", "rasterio", "shapely", "tifffile", "urllib3"),
)
# Dask's own for pandas data and compression, which no task has.
IRRELEVANT = frozenset({"pandas", "lz4"})


def check_versions(client: Client) -> str:
    """What differs, as a sentence for a warning; empty if nothing does.

    Raises:
        ClusterError: a package is missing there, or Python is another.
    """
    found: Any = client.get_versions(packages=list(PACKAGES))
    own = found["client"]["packages"]
    # The scheduler passes tasks on, sealed: it needs what Dask compares by itself, no more.
    for_scheduler = {name: version for name, version in own.items() if name not in PACKAGES}
    nodes = [(for_scheduler, found["scheduler"])]
    nodes += [(own, worker) for worker in found["workers"].values()]
    differences = sorted(
        {pair for needed, node in nodes for pair in _differences(needed, node["packages"])}
    )
    missing = [name for name, version in differences if version is None]
    if missing:
        raise ClusterError(
            f"The Dask cluster lacks {', '.join(dict.fromkeys(missing))}; install the packages of "
            "Fairweather's requirements.txt on its workers."
        )
    for name, version in differences:
        if name == "python" and _minor(version) != _minor(own[name]):
            raise ClusterError(
                f"The Dask cluster runs Python {_minor(version)}, and Fairweather's environment "
                f"Python {_minor(own[name])}; give both the same, such as by FAIRWEATHER_PYTHON."
            )
    if not differences:
        return ""
    words = ", ".join(f"{name} {version} (here {own[name]})" for name, version in differences)
    return (
        f"The Dask cluster has other versions than this computer: {words}; the composite or the "
        "series may differ from a local one."
    )


def _differences(own: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The packages that the other has in another version or, with None, lacks."""
    for name, version in own.items():
        there = other.get(name)
        if name not in IRRELEVANT and there != version and version is not None:
            yield name, there


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
