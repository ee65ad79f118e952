"""XML of a product's metadata, which somebody else wrote: parsed where that is safe."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree  # nosec B405: see read_xml

from .metadata_file import read_metadata_file

# Real ones have a megabyte; parsed, a text of nothing but tags takes forty times as much.
MOST_BYTES = 8 * 2**20


def read_xml(path: Path) -> ElementTree.Element:
    """The root element of the file at ``path``.

    A file with a document type is refused: entities are declared there, and a few of them can
    expand to gigabytes. No product of the sensors' agencies has one.

    Raises:
        ValueError: it cannot be read, is no XML, or is none that is safe to read.
    """
    content = read_metadata_file(path, MOST_BYTES)
    try:
        # As text, so that what was looked through is what is parsed, whatever it declares.
        text = content.decode("utf-8-sig")
        if "<!DOCTYPE" in text:
            raise ValueError(f"{path.name} declares a document type")
        return ElementTree.fromstring(text)  # nosec B314: no document type, so no entities
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text") from error
    except ElementTree.ParseError as error:
        raise ValueError(f"{path.name} is no XML ({error})") from error


def text_of(root: ElementTree.Element, *names: str) -> str:
    """The text of the first element with one of these names, wherever it is.

    Raises:
        ValueError: there is none, or it is empty.
    """
    for name in names:
        for element in root.iter(name):
            if element.text and element.text.strip():
                return element.text.strip()
    raise ValueError(f"its metadata lack {names[0]}")
