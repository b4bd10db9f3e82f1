"""`selected.csv`: the selection as a table that a person can open, one row for each sample."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rlsel.files import write_atomically

_COLUMNS = ("index", "label", "score", "selected")

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
    columns: list[Iterable[object]] = [
        range(len(scores)),
        labels.tolist(),
        scores.astype(str).tolist(),  # the shortest text that is read back as the same float32
        selected.tolist(),
    ]
    header: tuple[str, ...] = _COLUMNS
    if paths is not None:
        columns.append(paths)
        header = (*_COLUMNS, "path")

    def write(file: IO[bytes]) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8", errors=_UNDECODABLE, newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(zip(*columns, strict=True))
        text.detach()

    write_atomically(path, write)


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
