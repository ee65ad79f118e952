"""Names of layers that say what is in them."""

from __future__ import annotations

import re
from datetime import date

from ..core.bridge.indices import read_layers
from ..core.bridge.profiles import CollectionProfile, find_profile
from ..core.bridge.request import CompositeRequest, SceneSearch, TimeSeriesRequest


def composite_name(request: CompositeRequest, chosen_scenes: bool) -> str:
    """A composite's name, such as ``Sentinel-2 Level 2A median 2024 (red, green, blue)``.

    ``chosen_scenes`` tells that the scenes were given, so that no dates chose them.
    """
    period = "of chosen scenes" if chosen_scenes else period_name(request.search)
    title = collection_name(request.search)
    layers = read_layers(request.bands, _profile(request.search))
    names = ", ".join(layer.name for layer in layers)
    return f"{title} {request.method} {period} ({names})"


def series_name(request: TimeSeriesRequest, what: str, chosen_scenes: bool) -> str:
    """A name such as ``NDVI series 2024``; ``what`` says which of the layers it is."""
    period = "of chosen scenes" if chosen_scenes else period_name(request.search)
    layers = read_layers(request.indices, _profile(request.search))
    return f"{', '.join(layer.name for layer in layers)} {what} {period}"


def footprints_name(search: SceneSearch) -> str:
    """A footprints layer's name, such as ``Sentinel-2 Level 2A scenes 2024``."""
    return f"{collection_name(search)} scenes {period_name(search)}"


def collection_name(search: SceneSearch) -> str:
    """The collection's title up to where it is refined."""
    return re.split(r"[,(]", _profile(search).title)[0].strip()


def _profile(search: SceneSearch) -> CollectionProfile:
    return find_profile(search.collection, search.profile)


def period_name(search: SceneSearch) -> str:
    """The search's dates: a year where they are one, else both days."""
    start, end = date.fromisoformat(search.start), date.fromisoformat(search.end)
    if (start.month, start.day, end.month, end.day) == (1, 1, 12, 31):
        name = str(start.year) if start.year == end.year else f"{start.year}–{end.year}"
    else:
        name = f"{start} to {end}"
    if search.months:
        name += f", months {', '.join(map(str, search.months))}"
    return name
