"""A file of JSON lines that a long measurement appends to, so that an interrupted one loses nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rlsel.errors import CoresetError, StorageError
from rlsel.files import make_folder
from rlsel.theory.journal import Row

_SCHEMA_VERSION = 1


class JournalFile:
    """Rows by their names, each written as soon as it is known; the first line says what they belong to.

    Attributes:
        rows: What is done.
    """

    def __init__(self, path: Path, of: Mapping[str, str | int], *, anew: bool = False) -> None:
        """Reads what is there; a last line that a killed program did not finish counts as not there.

        Args:
            path: The file, made with the first row.
            of: What decides the rows.
            anew: Whether what is there is left out, and written over with the first row.

        Raises:
            CoresetError: if the file belongs to something else.
        """
        self._path, self._head = path, {"schema_version": _SCHEMA_VERSION, **of}
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() and not anew else []
        self._whole = [line for line in lines if line.endswith("\n")]
        if self._whole and _read(self._whole[0]) != self._head:
            raise CoresetError(
                f"{path} must belong to this run and these settings, got that of others: give resume=never to begin "
                "it anew, or another run_dir"
            )
        named = [_read(line) for line in self._whole[1:]]
        self.rows: dict[str, Row] = {str(row.pop("name")): row for row in named if "name" in row}
        self._begun = False

    def add(self, name: str, row: Row) -> None:
        """Appends a row.

        Raises:
            StorageError: if the file cannot be written.
        """
        self.rows[name] = row
        line = json.dumps({"name": name, **row}, allow_nan=False) + "\n"
        try:
            if not self._begun:
                make_folder(self._path.parent)
                self._path.write_text("".join(self._whole) or json.dumps(self._head) + "\n", encoding="utf-8")
                self._begun = True
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            reason = error.strerror or error
            raise StorageError(f"cannot write {self._path}: {reason}: free space or choose another run_dir") from error


def _read(line: str) -> dict[str, float | str]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
