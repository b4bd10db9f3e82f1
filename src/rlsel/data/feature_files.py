"""Files of features: one `.npy`, several as shards, or Parquet with a column of vectors; each is mapped, not read."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlsel.data.arrays import READING_ERRORS
from rlsel.data.locations import existing_file, first_line
from rlsel.errors import DataError

Location = Path | tuple[Path, ...] | None
"""A file, a folder of shards, a pattern such as `shards/*.npy`, or several files."""

SUFFIXES = (".npy", ".parquet")


def shard_files(given: Location, setting: str, dataset: str) -> tuple[Path, ...]:
    """Returns the absolute files that a user named, those of a folder or a pattern in the order of their names.

    Args:
        given: The location.
        setting: Where it was given, for messages.
        dataset: Name of the data set, for messages.

    Raises:
        DataError: if there is none, or a folder holds files of both kinds.
    """
    if isinstance(given, tuple):
        return tuple(existing_file(one, setting, dataset) for one in given)
    if given is None or given.is_file():
        return (existing_file(given, setting, dataset),)
    pattern = given.expanduser().absolute()
    if pattern.is_dir():
        found = [path for path in pattern.iterdir() if path.suffix in SUFFIXES and path.is_file()]
    else:
        found = [Path(path) for path in glob.glob(str(pattern)) if Path(path).is_file()]  # noqa: PTH207 - absolute
    if not found:
        if not pattern.is_dir():
            return (existing_file(given, setting, dataset),)
        raise DataError(f"{dataset}: {setting} must hold {' or '.join(SUFFIXES)} files, got none in {str(given)!r}")
    if len({path.suffix for path in found}) > 1:
        raise DataError(
            f"{dataset}: {setting} must hold files of one kind, got {' and '.join(SUFFIXES)} in {str(given)!r}: name "
            f"one kind, as in {setting}='{given}/*{SUFFIXES[0]}'"
        )
    return tuple(sorted(found))


def map_array(file: Path) -> NDArray[Any]:
    """Maps the array of an `.npy` file into memory; nothing is read before it is looked at.

    Raises:
        DataError: if the file is damaged, or an archive.
    """
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except READING_ERRORS as error:
        raise DataError(f"embeddings: {file} cannot be read ({first_line(error)}): write it with np.save") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"embeddings: {file} must be an .npy file with one array, got an archive: use np.save")
    return np.asarray(array)


def map_features(files: Sequence[Path]) -> tuple[NDArray[Any], ...]:
    """Maps shards of features.

    Raises:
        DataError: if one is damaged, or is no (n, D) array of floats with the D of the first.
    """
    shards = tuple(map_array(file) for file in files)
    for file, shard in zip(files, shards, strict=True):
        where = f"embeddings: features in {file}"
        if shard.ndim != 2 or not shard.size:
            raise DataError(f"{where} must be (N, D) and not empty, got the shape {shard.shape}")
        if shard.dtype.kind != "f":
            raise DataError(f"{where} must be uint8 or float, got {shard.dtype}: scale it, or give .astype(np.float32)")
        if shard.shape[1] != shards[0].shape[1]:
            raise DataError(
                f"{where} must have the {shards[0].shape[1]} columns of {files[0].name}, got {shard.shape[1]}: give "
                "shards of one set of features"
            )
    return shards


def read_labels(files: Sequence[Path]) -> NDArray[Any]:
    """Reads labels, those of several files one after the other.

    Raises:
        DataError: if a file is damaged, or they do not fit together.
    """
    arrays = [map_array(file) for file in files]
    if len(arrays) == 1:
        return np.array(arrays[0])
    if any(array.ndim != 1 or array.dtype.kind != arrays[0].dtype.kind for array in arrays):
        raise DataError(f"embeddings: labels in {files[0].parent} must be (n,) of one type in each shard")
    return np.concatenate(arrays)
