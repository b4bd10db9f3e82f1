"""A page for a terminal, as plain data: whoever shows it chooses colours and widths."""

from __future__ import annotations

from dataclasses import dataclass

BAR_WIDTH = 20
"""Characters of a bar."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        title: Stands above it.
        columns: Heads of the columns.
        numbers: Heads of the columns that are aligned to the right.
        rows: The cells, one for each column.
    """

    title: str
    columns: tuple[str, ...]
    numbers: frozenset[str] = frozenset()
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """What is shown of a run.

    Attributes:
        title: What it is.
        facts: Names and what they are, a line each.
        lines: Lines that are aligned already.
        tables: Tables, in order.
        warnings: What to look at before the result is used.
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    warnings: tuple[str, ...] = ()


def bar(share: float) -> str:
    """Returns a share in [0, 1] as a bar of `BAR_WIDTH` characters."""
    full = round(share * BAR_WIDTH)
    return "█" * full + "·" * (BAR_WIDTH - full)


def percent(share: float) -> str:
    """Returns a share as a percentage with one decimal."""
    return f"{100 * share:.1f} %"


def printable(text: str) -> str:
    """Returns a text without what would move a terminal's cursor or colour it: such characters as escapes."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
