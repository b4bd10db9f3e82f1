"""Index files of any origin: what a person may give as a coreset besides a run. NumPy only.

Positions (`.npy` of whole numbers, `.txt`, `.csv`), a mask (`.npy` of booleans), or paths of images (`.txt`, `.csv`).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlsel.errors import CoresetError
from rlsel.files import read_array

_NAMED = 5
"""Unknown paths that a message names."""

_SEVERAL = re.compile(r"\d+([\s,;]+\d+)+[\s,;]*")
"""Several positions in one line."""

_YES, _NO = frozenset({"1", "true", "yes"}), frozenset({"0", "false", "no", ""})


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """What an index file holds; exactly one of the three is not None.

    Attributes:
        path: The file.
        indices: (K,) int64 positions, ascending, unique, at least 0.
        mask: (N,) bool, True for what is kept.
        paths: K paths of images.
    """

    path: Path
    indices: NDArray[np.int64] | None = None
    mask: NDArray[np.bool_] | None = None
    paths: tuple[str, ...] | None = None

    def positions(self, size: int, source_paths: Sequence[str] | None) -> NDArray[np.int64]:
        """Finds the samples in a data set.

        Args:
            size: N, its samples.
            source_paths: N paths of its images, relative to its root; None where it has none.

        Returns:
            (K,) int64 positions, ascending and unique.

        Raises:
            CoresetError: if they do not fit the data set.
        """
        if self.paths is not None:
            return self._find(self.paths, source_paths)
        if self.mask is not None:
            if len(self.mask) != size:
                raise CoresetError(f"{self.path} is a mask of {len(self.mask)} samples, the data set has {size}")
            return np.flatnonzero(self.mask).astype(np.int64)
        if self.indices is None:
            raise ValueError("an index file must hold something")
        if self.indices[-1] >= size:
            raise CoresetError(
                f"{self.path} keeps sample {self.indices[-1]}, the data set has {size}, counted from 0: give the data "
                "set that the indices belong to"
            )
        return self.indices

    def _find(self, paths: Sequence[str], source_paths: Sequence[str] | None) -> NDArray[np.int64]:
        if source_paths is None:
            raise CoresetError(f"{self.path} names files, the data set has none: give positions, counted from 0")
        places = {path: place for place, path in enumerate(source_paths)}
        top = source_paths[0].partition("/")[0] + "/"
        if all(path.startswith(top) for path in source_paths):
            # paths may be relative to root/train too, the folder that torchvision's ImageFolder is given
            places = {path.removeprefix(top): place for path, place in places.items()} | places
        leading = _leading_folder(paths, places)
        found = [places.get(path.removeprefix(leading), -1) for path in paths]
        unknown = [path for path, place in zip(paths, found, strict=True) if place < 0]
        if unknown:
            more = "" if len(unknown) <= _NAMED else f" and {len(unknown) - _NAMED} more"
            raise CoresetError(
                f"{self.path} names files that the data set does not have: {', '.join(unknown[:_NAMED])}{more}: give "
                "their paths relative to its root"
            )
        positions = np.sort(np.asarray(found, dtype=np.int64))
        _refuse_duplicates(positions, [source_paths[place] for place in positions[:-1]], self.path)
        return positions


def _leading_folder(paths: Sequence[str], places: dict[str, int]) -> str:
    """Returns what stands before the paths of the data set in the first of `paths` that is one of them, as `/data/`."""
    for path in paths:
        parts = PurePosixPath(path).parts
        for start in range(len(parts)):
            ending = str(PurePosixPath(*parts[start:]))
            if ending in places:
                return path.removesuffix(ending)
    return ""


def read_index_file(path: Path) -> IndexFile:
    """Reads an index file; in which data set its samples are is for `IndexFile.positions` to find.

    Args:
        path: An `.npy` of whole numbers or booleans, (K,), (K, 1) or (1, K); a `.txt` or `.csv` with one position or
            path a line; or a `.csv` with a header that names a column `index` or `path`, of which the rows with 0 in a
            column `selected` are passed over.

    Raises:
        CoresetError: if it cannot be read, or holds nothing of the kind.
    """
    try:
        if path.suffix.lower() in (".txt", ".csv"):
            return _from_text(path)
        array = read_array(path)
    except OSError as error:
        raise CoresetError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CoresetError(f"{path} is damaged: it is no text ({error})") from error
    except ValueError as error:
        raise CoresetError(_why_no_array(path, error)) from error
    return _from_array(array, path)


def _why_no_array(path: Path, error: ValueError) -> str:
    with path.open("rb") as file:
        start = file.read(6)
    if start[:2] == b"PK":
        return f"{path} is an archive: save the indices alone, with np.save"
    if start != b"\x93NUMPY":
        return f"{path} must be an .npy, .txt or .csv file of indices, got another kind of file: use np.save"
    if "bject" in str(error):
        return f"{path} holds Python objects: save the indices as np.asarray(indices, dtype=np.int64)"
    return f"{path} is damaged: {error}"


def _from_array(array: NDArray[Any], path: Path) -> IndexFile:
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise CoresetError(f"{path} must be one list of indices, got the shape {array.shape}: save them as (K,)")
    if array.dtype == np.bool_:
        if not array.any():
            raise CoresetError(f"{path} is a mask that keeps nothing, of {len(array)} samples")
        return IndexFile(path=path, mask=array)
    if array.dtype.kind == "f":
        raise CoresetError(
            f"{path} must be whole numbers or booleans, got {array.dtype}: scores are no indices; of indices that were "
            "stored so, save indices.astype(np.int64)"
        )
    if array.dtype.kind not in "iu":
        raise CoresetError(f"{path} must be whole numbers or booleans, got {array.dtype}")
    return _of_positions(array, path)


def _of_positions(array: NDArray[np.integer], path: Path) -> IndexFile:
    if not len(array):
        raise CoresetError(f"{path} is empty: it keeps nothing")
    if array.min() < 0:
        raise CoresetError(f"{path} must be positions from 0, got {array.min()}")
    if array.max() > np.iinfo(np.int64).max:
        raise CoresetError(f"{path} must be positions in a data set, got {array.max()}")
    positions = np.sort(array.astype(np.int64))
    if len(positions) > 2 and positions[-1] <= 1:
        raise CoresetError(
            f"{path} holds nothing but 0 and 1, more than once: if it is a mask, save it as mask.astype(bool)"
        )
    _refuse_duplicates(positions, positions[:-1].tolist(), path)
    return IndexFile(path=path, indices=positions)


def _refuse_duplicates(positions: NDArray[np.int64], names: Sequence[object], path: Path) -> None:
    """Refuses (K,) ascending positions, of which the first K - 1 have `names`, where some are equal."""
    equal = np.flatnonzero(np.diff(positions) == 0)
    if len(equal):
        raise CoresetError(f"{path} must keep each sample once, got {names[equal[0]]} more than once")


def _from_text(path: Path) -> IndexFile:
    text = path.read_bytes().decode("utf-8-sig")
    if path.suffix.lower() == ".csv":
        entries = _column(path, [row for row in csv.reader(io.StringIO(text, newline="")) if any(row)])
    else:
        lines = (line.strip() for line in text.splitlines())
        entries = [line for line in lines if line and not line.startswith("#")]
        if entries and entries[0].lower() in ("index", "path"):
            entries = entries[1:]
    if not entries:
        raise CoresetError(f"{path} is empty: it keeps nothing")
    numbers = [_whole_number(entry) for entry in entries]
    if any(_SEVERAL.fullmatch(entry) for entry in entries):
        raise CoresetError(f"{path} must have one position in each line, got {entries[0][:40]!r}")
    if all(number is None for number in numbers):
        return IndexFile(path=path, paths=tuple(str(PurePosixPath(entry.replace("\\", "/"))) for entry in entries))
    wrong = next((entry for entry, number in zip(entries, numbers, strict=True) if number is None), None)
    if wrong is not None:
        raise CoresetError(f"{path} must have one position in each line, got {wrong!r}")
    largest = max(abs(number) for number in numbers if number is not None)
    if largest > np.iinfo(np.int64).max:
        raise CoresetError(f"{path} must be positions in a data set, got {largest}")
    return _of_positions(np.array(numbers, dtype=np.int64), path)


def _column(path: Path, rows: list[list[str]]) -> list[str]:
    """Returns the entries of the column of a table that names samples."""
    if not rows:
        return []
    header = [name.strip().lower() for name in rows[0]]
    named = next((name for name in ("index", "path") if name in header), None)
    if named is None:
        if len(header) > 1:
            raise CoresetError(
                f"{path} must have a column index or path, or one column alone, got {','.join(rows[0])[:80]!r}"
            )
        return [row[0].strip() for row in rows]
    entries = []
    for row in rows[1:]:
        if len(row) != len(header):
            raise CoresetError(f"{path} must have {len(header)} columns in each line, got {','.join(row)[:80]!r}")
        chosen = row[header.index("selected")].strip().lower() if "selected" in header else "1"
        if chosen not in _YES | _NO:
            raise CoresetError(f"{path} must have 1 or 0 in the column selected, got {chosen!r}")
        if chosen in _YES:
            entries.append(row[header.index(named)].strip())
    return entries


def _whole_number(text: str) -> int | None:
    """Reads an integer, also as `np.savetxt` writes it; None where it is none."""
    try:
        return int(text) if "_" not in text else None
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if "_" not in text and number.is_integer() else None
