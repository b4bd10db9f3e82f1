"""`selected.csv`: the selection as a table that a person can open, one row for each sample."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlsel.files import write_atomically

_COLUMNS = ("index", "label", "score", "selected")

_SPECIAL = re.compile('[,"\r\n]')

_UNDECODABLE = "surrogateescape"
"""The name of a file may hold bytes that are no text; this writes and reads them unchanged."""


def write_table(
    path: Path,
    indices: NDArray[np.int64],
    *,
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    paths: Sequence[str] | None = None,
) -> None:
    """Writes the columns `index,label,score,selected` (1 or 0) and, where there are paths, `path`.

    Args:
        path: The file, written atomically.
        indices: (K,) kept positions.
        scores: (N,), written so that they are read back as the same float32.
        labels: (N,) classes.
        paths: N paths of the images.

    Raises:
        StorageError: if it cannot be written.
    """
    selected = np.zeros(len(scores), dtype=np.int64)
    selected[indices] = 1
    header = list(_COLUMNS)
    columns: list[Iterable[str]] = [
        map(str, range(len(scores))),
        map(str, labels.tolist()),
        scores.astype(str).tolist(),  # the shortest text that is read back as the same float32
        map(str, selected.tolist()),
    ]
    if paths is not None:
        header.append("path")
        columns.append(map(_quoted, paths))
    rows = [",".join(header), *map(",".join, zip(*columns, strict=True)), ""]
    content = "\n".join(rows).encode(errors=_UNDECODABLE)
    write_atomically(path, lambda file: file.write(content))


def _quoted(text: str) -> str:
    """Quotes what a reader would take for the end of a field; `csv.writer` forgets the carriage return."""
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def read_labels(path: Path) -> NDArray[np.int64]:
    """Reads the (N,) classes from a table that `write_table` wrote.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is no such table.
    """
    with path.open(encoding="utf-8", errors=_UNDECODABLE, newline="") as file:
        rows = csv.reader(file)
        try:
            if tuple(next(rows, ()))[: len(_COLUMNS)] != _COLUMNS:
                raise ValueError("it does not begin with " + ",".join(_COLUMNS))
            return np.fromiter((int(row[1]) for row in rows), dtype=np.int64)
        except (ValueError, IndexError, OverflowError, csv.Error) as error:
            raise ValueError(f"{path.name} is no table of the samples: {error}") from error
