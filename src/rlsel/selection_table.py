"""`selected.csv`: the selection as a table that a person can open, one row for each sample."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlsel.files import write_atomically

_SPECIAL = re.compile('[,"\r\n]')

UNDECODABLE = "surrogateescape"
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
    selected = np.zeros(len(scores), dtype=np.bool_)
    selected[indices] = True
    rows = np.flatnonzero(labels >= 0)
    classes = labels[rows].tolist()
    content = table_bytes(
        rows,
        labels=[label_values[label] for label in classes],
        scores=scores[rows],
        selected=selected[rows],
        class_names=[class_names[label] for label in classes],
        paths=None if paths is None else [paths[row] for row in rows.tolist()],
    )
    write_atomically(path, lambda file: file.write(content))


def table_bytes(
    indices: NDArray[np.int64],
    *,
    labels: Sequence[str],
    scores: NDArray[np.float32],
    selected: NDArray[np.bool_],
    class_names: Sequence[str],
    paths: Sequence[str] | None,
) -> bytes:
    """Returns the table of R rows, as `write_table` writes it.

    Args:
        indices: (R,) positions.
        labels: R labels, as the user writes them.
        scores: (R,), NaN for what was no candidate.
        selected: (R,), whether the sample is kept.
        class_names: R names.
        paths: R paths of the images; None for no such column.
    """
    # the shortest text that is read back as the same float32
    written = np.where(np.isnan(scores), "", scores.astype(str))
    header = ["index", "label", "score", "selected", "class_name"]
    columns: list[Iterable[str]] = [
        map(str, indices.tolist()),
        map(quoted, labels),
        written.tolist(),
        map(str, selected.astype(np.int64).tolist()),
        map(quoted, class_names),
    ]
    if paths is not None:
        header.append("path")
        columns.append(map(quoted, paths))
    lines = [",".join(header), *map(",".join, zip(*columns, strict=True)), ""]
    return "\n".join(lines).encode(errors=UNDECODABLE)


def read_paths(path: Path, size: int) -> tuple[str, ...] | None:
    """Reads the paths of the images out of a table that `write_table` wrote.

    Args:
        path: The file.
        size: N, the samples of the data set.

    Returns:
        N paths, empty for what has no row; None where the table has no such column.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is no such table.
    """
    paths = [""] * size
    with path.open(encoding="utf-8", errors=UNDECODABLE, newline="") as file:
        rows = csv.DictReader(file)
        if rows.fieldnames is None or "index" not in rows.fieldnames:
            raise ValueError(f"{path.name} has no column index")
        if "path" not in rows.fieldnames:
            return None
        for row in rows:
            place = row["index"]
            if not place.isdecimal() or int(place) >= size or not row["path"]:
                raise ValueError(f"{path.name} must have an index below {size} and a path in each row, got {place!r}")
            paths[int(place)] = row["path"]
    return tuple(paths)


def quoted(text: str) -> str:
    """Quotes what a reader would take for the end of a field; `csv.writer` forgets the carriage return."""
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text
