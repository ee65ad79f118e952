"""Reading the small files beside a scene's images, which somebody else wrote."""

from __future__ import annotations

from pathlib import Path


def read_metadata_file(path: Path, most_bytes: int) -> bytes:
    """The content of the file at ``path``.

    Raises:
        ValueError: it is no file or cannot be read, or is longer than ``most_bytes``; the name
            of the file comes first.
    """
    # To open a pipe is to wait for whoever writes into it.
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is a folder, a device or a pipe, and not a file")
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise ValueError(f"{path.name} is unreadable ({error.strerror})") from error
    if len(content) > most_bytes:
        raise ValueError(f"{path.name} is far too large")
    return content
