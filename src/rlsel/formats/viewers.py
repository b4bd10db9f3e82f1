"""Files for tools that show data sets: `fiftyone` and `lightly`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path, PurePosixPath
from typing import Any

from rlsel.errors import DataError
from rlsel.formats.folders import Mode
from rlsel.formats.rows import Rows

KEPT, DROPPED = "kept", "dropped"
"""Tags of a sample."""

_SCHEMA = (
    {"name": "score", "path": "score", "defaultValue": 0.0, "valueDataType": "NUMERIC_FLOAT"},
    {"name": "selected", "path": "selected", "defaultValue": False, "valueDataType": "CATEGORICAL_BOOLEAN"},
    {"name": "class", "path": "class", "defaultValue": "undefined", "valueDataType": "CATEGORICAL_STRING"},
    {"name": "index", "path": "index", "defaultValue": 0, "valueDataType": "NUMERIC_INT"},
)
"""What Lightly is told of each sample: name, place in its file, value where there is no file, type."""


def fiftyone_content(rows: Rows) -> bytes:
    """Returns `labels.csv` of FiftyOne's `CSVDataset`: filepath, tags, ground_truth, score, index.

    Raises:
        DataError: if a path holds a carriage return, which the importer would read as a line feed.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["filepath", "tags", "ground_truth", "score", "index"])
    names, scores, indices = rows.class_names, rows.scores.astype(str).tolist(), rows.indices.tolist()
    for path, tag, name, score, index in zip(rows.files(), _tags(rows), names, scores, indices, strict=True):
        if "\r" in f"{path}{name}":
            raise DataError(
                f"paths and classes must be without carriage returns for format=fiftyone, got {str(path)!r}: rename it"
            )
        writer.writerow([path, tag, name, score, index])
    return file.getvalue().encode()


def fill_for_lightly(rows: Rows, folder: Path, mode: Mode) -> None:
    """Writes `.lightly/metadata`, a datasource of Lightly, and `tags.json` with the file names of each tag.

    Args:
        rows: What to write.
        folder: An empty folder.
        mode: Without a meaning here.

    Raises:
        DataError: if two files would have one file of metadata.
        OSError: if a file cannot be written.
    """
    del mode
    metadata = folder / ".lightly" / "metadata"
    metadata.mkdir(parents=True)
    _write(metadata / "schema.json", _SCHEMA)
    tagged: dict[str, list[str]] = {}
    rest = zip(rows.scores.tolist(), rows.selected.tolist(), rows.class_names, rows.indices.tolist(), strict=True)
    for path, tag, (score, selected, name, index) in zip(rows.named(), _tags(rows), rest, strict=True):
        tagged.setdefault(tag, []).append(path)
        target = metadata / PurePosixPath(path).with_suffix(".json")
        if target.exists():
            raise DataError(
                f"files must differ before the ending of their names for format=lightly, got {path!r} beside another: "
                "rename one of them"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        values = {"score": score, "selected": selected, "class": name, "index": index}
        _write(target, {"file_name": path, "type": "image", "metadata": values})
    _write(folder / "tags.json", tagged)


def _tags(rows: Rows) -> list[str]:
    return [KEPT if kept else DROPPED for kept in rows.selected.tolist()]


def _write(path: Path, content: Any) -> None:  # noqa: ANN401 - JSON
    path.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
