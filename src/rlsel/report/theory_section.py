"""What the page of a selection shows of a verification of it: the figures, and a sentence for each."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rlsel.runs.reader import unreadable

JSON_FILE, PICTURE_FILE = "verify.json", "verify.png"
_AGAIN = "run rlsel verify again"


@dataclass(frozen=True, kw_only=True)
class TheorySection:
    """A verification on the page.

    Attributes:
        picture: The figures, as a data URI.
        width: Of the picture, in pixels.
        height: Likewise.
        sentences: What each figure shows, by its title.
    """

    picture: str
    width: int
    height: int
    sentences: Mapping[str, str]


def theory_section(folder: Path) -> TheorySection | None:
    """Reads the verification in a run folder.

    Args:
        folder: The run folder.

    Returns:
        None where the run was not verified, or the results were put elsewhere.

    Raises:
        CoresetError: if one of the two files is damaged.
    """
    numbers, picture = folder / JSON_FILE, folder / PICTURE_FILE
    if not numbers.is_file() or not picture.is_file():
        return None
    try:
        sentences = json.loads(numbers.read_text(encoding="utf-8"))["sentences"]
        said = {str(name): str(sentence) for name, sentence in sentences.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(numbers, "it holds no sentences of figures", _AGAIN) from error
    content = picture.read_bytes()
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
        raise unreadable(picture, "it is no PNG file", _AGAIN)
    width, height = struct.unpack(">II", content[16:24])
    encoded = base64.b64encode(content).decode()
    return TheorySection(picture=f"data:image/png;base64,{encoded}", width=width, height=height, sentences=said)
