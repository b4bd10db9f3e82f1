"""What is written of a coreset, whatever the form: the samples that were asked for, with their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rlsel.checks import refuse
from rlsel.coreset import Coreset
from rlsel.errors import ConfigurationError, CoresetError, DataError
from rlsel.files import stays_below
from rlsel.selection_table import UNDECODABLE

Part = Literal["kept", "dropped", "both"]
"""Which candidates: those that were kept, the others, or all."""

PARTS: tuple[Part, ...] = ("kept", "dropped", "both")

_TRAINING_FOLDER = "train/"


@dataclass(frozen=True, kw_only=True, eq=False)
class Shard:
    """A file of the features that were selected from.

    Attributes:
        name: The name of the file, without its suffix.
        size: How many rows it has.
        ids: (n,) what its rows are called; None for their positions in all shards together.
    """

    name: str
    size: int
    ids: NDArray[Any] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """R candidates of a coreset, by position.

    Attributes:
        coreset: Where they come from.
        indices: (R,) int64 positions in what the user gave, ascending.
        part: Which of the candidates they are.
        paths: R paths of their images, relative to the root of the data set, with forward slashes; None where there
            are none.
        class_base: What stands before the class folder in every path of the data set: `train/`, or nothing.
        root: The absolute folder that the paths are relative to; None where it is not known.
        shards: The files of features that all N samples lie in; empty where they lie in none.
    """

    coreset: Coreset
    indices: NDArray[np.int64]
    part: Part
    paths: tuple[str, ...] | None
    class_base: str = ""
    root: Path | None = None
    shards: tuple[Shard, ...] = ()

    @property
    def scores(self) -> NDArray[np.float32]:
        """(R,) scores, high = keep."""
        return self.coreset.scores[self.indices]

    @property
    def selected(self) -> NDArray[np.bool_]:
        """(R,), whether the sample is kept."""
        return np.isin(self.indices, self.coreset.indices, assume_unique=True)

    @property
    def classes(self) -> NDArray[np.int64]:
        """(R,) classes from 0 to C - 1."""
        return self.coreset.labels[self.indices]

    @property
    def labels(self) -> list[str]:
        """R labels, as the user writes them."""
        return _of_each(self.coreset.provenance.dataset.label_values, self.classes)

    @property
    def class_names(self) -> list[str]:
        """R names of classes."""
        return _of_each(self.coreset.provenance.dataset.class_names, self.classes)

    def named(self) -> tuple[str, ...]:
        """Returns the paths of a form that was checked to have some."""
        if self.paths is None:
            raise ValueError("rows must have paths for this form")
        return self.paths

    def files(self) -> list[Path]:
        """Returns the R absolute files of a form that was checked to have some."""
        if self.root is None:
            raise ValueError("rows must have a root for this form")
        return [self.root / path for path in self.named()]


def _of_each(names: Sequence[str], classes: NDArray[np.int64]) -> list[str]:
    return [names[number] for number in classes.tolist()]


def rows_of(coreset: Coreset, part: Part, root: Path | None) -> Rows:
    """Returns the samples of a part.

    Args:
        coreset: One that was made or loaded; the paths of a loaded one are read from its folder.
        part: Which of the candidates.
        root: The folder that the paths are relative to; None for unknown.

    Raises:
        ConfigurationError: if the part is empty.
        CoresetError: if the table of the paths is missing or damaged, or a path leads out of the root.
    """
    candidates = coreset.candidates
    kept = np.isin(candidates, coreset.indices, assume_unique=True)
    indices = {"kept": candidates[kept], "dropped": candidates[~kept], "both": candidates}[part]
    if not len(indices):
        raise refuse(
            "part", "kept or both where nothing was dropped", part, "give part=kept, or select a smaller ratio"
        )
    paths = coreset.image_paths()
    below_train = paths is not None and all(
        path.startswith(_TRAINING_FOLDER) and path.count("/") > 1 for path in paths if path
    )
    return Rows(
        coreset=coreset,
        indices=indices,
        part=part,
        paths=None if paths is None else tuple(_inside(paths[row]) for row in indices.tolist()),
        class_base=_TRAINING_FOLDER if below_train else "",
        root=None if root is None else root.absolute(),
    )


def _inside(path: str) -> str:
    """Returns a path that stays below the root of the data set."""
    if not stays_below(path):
        raise CoresetError(f"paths of a coreset must lie below the root of its data set, got {path!r}: select again")
    return path


def require_paths(rows: Rows, name: str, others: Sequence[str]) -> None:
    """Refuses a form that names images, of a data set that has none.

    Args:
        rows: What is to be written.
        name: The form.
        others: The forms that need no paths.

    Raises:
        ConfigurationError: in that case.
    """
    if rows.paths is None:
        remedy = f"the data set ({rows.coreset.provenance.dataset.name}) has no paths of images, or they were not saved"
        raise refuse("format", f"one of {', '.join(others)} for samples without files", name, remedy)


def require_files(rows: Rows, name: str) -> None:
    """Refuses a form that leads to the images, where they are not there.

    Args:
        rows: What is to be written.
        name: The form.

    Raises:
        ConfigurationError: if the root is not known.
        DataError: if the root or an image does not exist.
    """
    if rows.root is None:
        raise ConfigurationError(f"root must be given for format={name}: add root=FOLDER, which the paths start from")
    if not rows.root.is_dir():
        raise DataError(
            f"root must be the folder of the images, got {str(rows.root)!r}, which is none: give root=FOLDER"
        )
    for file in rows.files():
        if not file.is_file():
            raise DataError(f"root must hold the images of the coreset, but there is no {file}: give root=FOLDER")


def require_unicode(rows: Rows, name: str) -> None:
    """Refuses names of files and classes that hold bytes which are no UTF-8, for a form that holds text.

    Args:
        rows: What is to be written.
        name: The form.

    Raises:
        DataError: in that case.
    """
    for text in (*rows.coreset.provenance.dataset.class_names, *(rows.paths or ())):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            given = text.encode(errors=UNDECODABLE)
            raise DataError(
                f"names of files and classes must be UTF-8 for format={name}, got {given!r}: rename it, or take "
                "format=csv"
            ) from error
