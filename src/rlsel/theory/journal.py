"""Where long measurements keep what is done, so that an interrupted one goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

Row = Mapping[str, float | str]


class Journal(Protocol):
    """Rows by their names."""

    @property
    def rows(self) -> Mapping[str, Row]:
        """What is done."""
        ...

    def add(self, name: str, row: Row) -> None:
        """Keeps a row at once."""
        ...
