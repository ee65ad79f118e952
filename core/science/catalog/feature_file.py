"""Writing GeoJSON features one by one, a line each, into a file that appears whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ...bridge.part_files import real_place
from ..whole_file import errors_in_words, whole_file


class FeatureFile:
    """A FeatureCollection while it is written."""

    def __init__(self, file: TextIO, target: Path) -> None:
        self._file = file
        self._target = target
        self._before_next = "\n"

    def write(self, feature: dict[str, Any]) -> None:
        """Add a feature.

        Raises:
            OutputError: this file cannot be written; another that is open meanwhile may be.
        """
        text = self._before_next + json.dumps(feature, ensure_ascii=False)
        with errors_in_words(self._target):
            self._file.write(text)
        self._before_next = ",\n"


@contextmanager
def feature_file(target: Path, scratch: Path) -> Iterator[FeatureFile]:
    """A file for features; leaving it without an error makes it appear.

    Raises:
        OutputError: see ``whole_file``.
    """
    with (
        whole_file(target, scratch) as part,
        # A catalogue's text may hold halves of characters: UTF-8 has none, JSON has words for them.
        part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
    ):
        file.write('{"type": "FeatureCollection", "features": [')
        yield FeatureFile(file, real_place(target))
        file.write("\n]}\n")
