"""`selected.csv`: the selection as a table that a person can open, one row for each sample."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlsel.files import write_atomically

_SPECIAL = re.compile('[,"\r\n]')

_UNDECODABLE = "surrogateescape"
"""The name of a file may hold bytes that are no text; this writes them unchanged."""


def write_table(
    path: Path,
    indices: NDArray[np.int64],
    *,
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    label_values: Sequence[str],
    class_names: Sequence[str],
    paths: Sequence[str] | None = None,
) -> None:
    """Writes the columns `index,label,score,selected` (1 or 0), `class_name` and, where there are paths, `path`.

    What was no candidate has an empty score; what is not read has no row.

    Args:
        path: The file, written atomically.
        indices: (K,) kept positions.
        scores: (N,), written so that they are read back as the same float32; NaN for what was no candidate.
        labels: (N,) classes; -1 for what is not read.
        label_values: How each of the C classes is written in the user's own labels, for the column `label`.
        class_names: C names.
        paths: N paths of the images.

    Raises:
        StorageError: if it cannot be written.
    """
    selected = np.zeros(len(scores), dtype=np.int64)
    selected[indices] = 1
    rows = np.flatnonzero(labels >= 0)
    values, names = ([_quoted(text) for text in texts] for texts in (label_values, class_names))
    # the shortest text that is read back as the same float32
    written = np.where(np.isnan(scores), "", scores.astype(str))
    header = ["index", "label", "score", "selected", "class_name"]
    columns: list[Iterable[str]] = [
        map(str, rows.tolist()),
        (values[label] for label in labels[rows].tolist()),
        written[rows].tolist(),
        map(str, selected[rows].tolist()),
        (names[label] for label in labels[rows].tolist()),
    ]
    if paths is not None:
        header.append("path")
        columns.append(_quoted(paths[row]) for row in rows.tolist())
    lines = [",".join(header), *map(",".join, zip(*columns, strict=True)), ""]
    content = "\n".join(lines).encode(errors=_UNDECODABLE)
    write_atomically(path, lambda file: file.write(content))


def _quoted(text: str) -> str:
    """Quotes what a reader would take for the end of a field; `csv.writer` forgets the carriage return."""
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text
