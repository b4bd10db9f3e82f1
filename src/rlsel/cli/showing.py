"""A page on the terminal: with colour where there is a terminal that wants it, plain lines elsewhere; on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from rlsel.report.terminal_page import Page, Table

_UNLIMITED = 100_000
"""Columns of what is no terminal: a line is never broken there."""


def display(page: Page, console: Console | None = None) -> None:
    """Prints a page.

    Args:
        page: The page.
        console: Where to; None for stderr, as everything that is no result. It leaves colour out under `NO_COLOR`.
    """
    from rich.console import Console
    from rich.text import Text

    if console is None:
        console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _UNLIMITED)
    console.print(Text(page.title, style="bold"))
    for name, fact in page.facts:
        console.print(Text.assemble((f"{name}: ", "dim"), fact))
    for warning in page.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))
    for line in page.lines:
        console.print(Text(line), soft_wrap=True)
    for table in page.tables:
        _print_table(table, console)


def _print_table(table: Table, console: Console) -> None:
    from rich.table import Table as RichTable
    from rich.text import Text

    console.print()
    console.print(Text(table.title, style="bold"))
    shown = RichTable(box=None, pad_edge=False, header_style="dim")
    for name in table.columns:
        shown.add_column(name, justify="right" if name in table.numbers else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    console.print(shown)
