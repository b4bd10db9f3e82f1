"""Features in Parquet: a column of vectors, unpacked once into memory maps, with labels and ids beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlsel.data.feature_rows import IN_MEMORY_BYTES
from rlsel.data.locations import cache_folder, first_line
from rlsel.errors import ConfigurationError, DataError
from rlsel.files import write_atomically

if TYPE_CHECKING:
    from pyarrow import ChunkedArray, Schema
    from pyarrow.parquet import ParquetFile

_ROWS = 16_384
"""Rows that are unpacked together."""

LABEL_COLUMN, ID_COLUMN = "label", "id"
"""Columns that are taken for labels and ids where a table has them and nothing else is said."""


@contextmanager
def _table(file: Path) -> Iterator[ParquetFile]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ConfigurationError("dataset.path with Parquet files needs a package: pip install pyarrow") from error
    try:
        with ParquetFile(file) as table:
            yield table
    except (ArrowException, OSError) as error:
        raise DataError(f"embeddings: {file} cannot be read ({first_line(error)}): write it as Parquet") from error


def unpack_features(files: Sequence[Path], column: str | None) -> tuple[NDArray[Any], ...]:
    """Unpacks the vectors of Parquet files.

    Small ones are read into memory. Large ones are written into the cache folder once, as `.npy` files, which are
    mapped: Parquet is compressed, and its rows cannot be read one by one.

    Args:
        files: The shards.
        column: The column of vectors; None for the only one.

    Raises:
        DataError: if a file is damaged, or has no such column, or vectors of several lengths.
        ConfigurationError: if pyarrow is not installed.
    """
    return tuple(_unpack_one(file, column) for file in files)


def _unpack_one(file: Path, column: str | None) -> NDArray[Any]:
    with _table(file) as table:
        name = _vector_column(table.schema_arrow, column, file)
        size = table.metadata.num_rows
        blocks = (_vectors(batch.column(0), file, name) for batch in table.iter_batches(_ROWS, columns=[name]))
        first = next(blocks, None)
        if first is None:
            raise DataError(f"embeddings: features in {file} must be (N, D) and not empty, got no rows")
        if 4 * size * first.shape[1] <= IN_MEMORY_BYTES:
            return np.concatenate([first, *_of_length(blocks, first.shape[1], file)])
        state = file.stat()
        key = hashlib.sha256(repr((str(file), state.st_size, state.st_mtime_ns, name)).encode()).hexdigest()[:32]
        target = cache_folder() / "embeddings" / f"{key}.npy"
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            rest = _of_length(blocks, first.shape[1], file)
            _write_rows(target, first.dtype, (size, first.shape[1]), chain([first], rest))
    return np.asarray(np.load(target, mmap_mode="r", allow_pickle=False))


def _write_rows(target: Path, dtype: np.dtype[Any], shape: tuple[int, int], blocks: Iterable[NDArray[Any]]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}

    def write(file: IO[bytes]) -> None:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(block.tobytes())

    write_atomically(target, write, setting="XDG_CACHE_HOME")


def _of_length(blocks: Iterator[NDArray[Any]], length: int, file: Path) -> Iterator[NDArray[Any]]:
    for block in blocks:
        if block.shape[1] != length:
            raise DataError(
                f"embeddings: vectors in {file} must all be of one length, got {length} and {block.shape[1]}"
            )
        yield block


def _vector_column(schema: Schema, given: str | None, file: Path) -> str:
    from pyarrow import types

    def holds_vectors(kind: object) -> bool:
        lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        return bool(lists and types.is_floating(kind.value_type))  # type: ignore[attr-defined] # of every list

    found = [one.name for one in schema if holds_vectors(one.type)]
    if given is None and len(found) == 1:
        return str(found[0])
    if given in found:
        return str(given)
    what = "name the column of vectors" if given is None else f"be a column of vectors, got {given!r}"
    raise DataError(f"embeddings: dataset.vectors must {what}: {file} has {', '.join(found) or 'no list of floats'}")


def _vectors(column: Any, file: Path, name: str) -> NDArray[Any]:  # noqa: ANN401 - an array of pyarrow, untyped
    from pyarrow import compute

    lengths = compute.unique(compute.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or lengths[0] is None or not lengths[0] or column.flatten().null_count:
        raise DataError(f"embeddings: column {name} of {file} must hold vectors of one length and no null")
    values: NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(column), lengths[0])


def count_rows(file: Path) -> int:
    """Returns the number of rows of a Parquet file.

    Raises:
        DataError: if it is damaged.
    """
    with _table(file) as table:
        return int(table.metadata.num_rows)


def check_column(files: Sequence[Path], name: str) -> None:
    """Raises `DataError` unless each of the Parquet files has a column of that name."""
    for file in files:
        with _table(file) as table:
            _require_column(table, name, file)


def _require_column(table: ParquetFile, name: str, file: Path) -> None:
    names = table.schema_arrow.names
    if name not in names:
        raise DataError(f"embeddings: {file} must have the column {name}, got {', '.join(names)}")


def read_column(files: Sequence[Path], given: str | None, usual: str) -> NDArray[Any] | None:
    """Reads a column of all shards.

    Args:
        files: The shards.
        given: Its name; None for the usual one.
        usual: The name that is taken where a table has it.

    Returns:
        (N,) whole numbers or texts; None where nothing was given and there is no column of the usual name.

    Raises:
        DataError: if a file is damaged, or has no such column, or nulls in it.
    """
    columns: list[NDArray[Any]] = []
    for file in files:
        with _table(file) as table:
            if given is None and not columns and usual not in table.schema_arrow.names:
                return None
            _require_column(table, given or usual, file)
            columns.append(_plain(table.read([given or usual]).column(0), file, given or usual))
    return np.concatenate(columns)


def _plain(column: ChunkedArray, file: Path, name: str) -> NDArray[Any]:
    from pyarrow import types

    if column.null_count:
        raise DataError(
            f"embeddings: column {name} of {file} must have a value in each row, got {column.null_count} nulls"
        )
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_string(kind) or types.is_large_string(kind):
        return np.array(column.to_pylist(), dtype=np.str_)
    values: NDArray[Any] = column.to_numpy()
    return values
