"""Tables with a row for each sample: `csv`, `parquet`, and `hf` for `datasets` of Hugging Face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlsel.errors import ConfigurationError
from rlsel.formats.rows import Rows
from rlsel.selection_table import table_bytes

if TYPE_CHECKING:
    from pyarrow import Schema


def csv_content(rows: Rows) -> bytes:
    """Returns a table like `selected.csv`, of these rows alone."""
    return table_bytes(
        rows.indices,
        labels=rows.labels,
        scores=rows.scores,
        selected=rows.selected,
        class_names=rows.class_names,
        paths=rows.paths,
    )


def parquet_content(rows: Rows) -> bytes:
    """Returns a Parquet file: index, label, class_name, score (float32), selected (bool), and path where there is one.

    The column `label` holds what the user gave: whole numbers where all labels are such, else texts.

    Raises:
        ConfigurationError: if pyarrow is not installed.
    """
    values = rows.coreset.provenance.dataset.label_values
    whole = all(value.isdecimal() and str(int(value)) == value for value in values)
    columns = {
        "index": rows.indices,
        "label": [int(label) for label in rows.labels] if whole else rows.labels,
        "class_name": rows.class_names,
        "score": rows.scores,
        "selected": rows.selected,
    }
    return _parquet(_with_paths(columns, rows), "parquet")


def hf_content(rows: Rows) -> bytes:
    """Returns a Parquet file with the features of `datasets`: index, label (ClassLabel), score, keep, and path.

    One file, which is written whole or not at all and which `Dataset.from_parquet` and `load_dataset` read, rather
    than a folder for `load_from_disk`, whose layout belongs to the library.

    Raises:
        ConfigurationError: if datasets is not installed.
    """
    try:
        from datasets import ClassLabel, Features, Value
    except ImportError as error:
        raise ConfigurationError("format=hf needs a package: pip install datasets") from error
    names = list(rows.coreset.provenance.dataset.class_names)
    if len(set(names)) < len(names):  # a ClassLabel has each name once
        names = [f"{number} {name}" for number, name in enumerate(names)]
    features = {
        "index": Value("int64"),
        "label": ClassLabel(names=names),
        "score": Value("float32"),
        "keep": Value("bool"),
        **({} if rows.paths is None else {"path": Value("string")}),
    }
    columns = {"index": rows.indices, "label": rows.classes, "score": rows.scores, "keep": rows.selected}
    return _parquet(_with_paths(columns, rows), "hf", Features(features).arrow_schema)


def _with_paths(columns: dict[str, Any], rows: Rows) -> dict[str, Any]:
    return columns if rows.paths is None else {**columns, "path": list(rows.paths)}


def _parquet(columns: dict[str, Any], name: str, schema: Schema | None = None) -> bytes:
    try:
        from pyarrow import BufferOutputStream, parquet, table
    except ImportError as error:
        raise ConfigurationError(f"format={name} needs a package: pip install pyarrow") from error
    buffer = BufferOutputStream()
    parquet.write_table(table(columns, schema=schema), buffer)
    return bytes(buffer.getvalue())
