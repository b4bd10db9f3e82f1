"""Lists with a line for each sample: `txt`, `webdataset` and `yolo`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from rlsel.errors import DataError
from rlsel.formats.rows import Rows
from rlsel.selection_table import UNDECODABLE


def txt_content(rows: Rows) -> bytes:
    """Returns paths relative to the root, or positions where there are no paths; `coreset=` takes the list again.

    Raises:
        DataError: if a path does not fit in a line.
    """
    return _lines(map(str, rows.indices.tolist()) if rows.paths is None else rows.paths, "txt")


def webdataset_content(rows: Rows) -> bytes:
    """Returns paths relative to the root, of which `tar --directory ROOT --files-from LIST` makes a shard.

    Raises:
        DataError: if a path does not fit in a line, or two files would be one sample of the shard.
    """
    keys: dict[str, str] = {}
    for path in rows.named():
        # WebDataset takes what follows the first dot of a file's name for the kind of a field, and the rest for a key
        key = str(PurePosixPath(path).parent / PurePosixPath(path).name.partition(".")[0])
        if key in keys:
            raise DataError(
                f"files must differ before the first dot of their names for format=webdataset, got {keys[key]!r} and "
                f"{path!r}: rename one of them"
            )
        keys[key] = path
    return _lines(rows.named(), "webdataset")


def yolo_content(rows: Rows) -> bytes:
    """Returns absolute paths, as `train:` of a data set of Ultralytics takes them.

    Raises:
        DataError: if a path does not fit in a line.
    """
    return _lines(map(str, rows.files()), "yolo")


def _lines(entries: Iterable[str], name: str) -> bytes:
    lines = []
    for entry in entries:
        # what a reader of lists would take apart, cut off or pass over
        if entry.splitlines() != [entry] or entry != entry.strip() or entry.startswith("#"):
            raise DataError(
                f"paths must fit in a line for format={name} (no line end, no space at an end, no # at the start), got "
                f"{entry!r}: rename the file, or take format=csv"
            )
        lines.append(entry + "\n")
    return "".join(lines).encode(errors=UNDECODABLE)
