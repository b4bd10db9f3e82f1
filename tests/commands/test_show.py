"""`rlsel show` as a whole, and how it looks on a terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rlsel.cli.showing import display
from rlsel.report.terminal_page import Page, Table
from rlsel.runs.settings import RunSettings


@pytest.fixture
def data(settings: RunSettings) -> tuple[str, ...]:
    return ("dataset=arrays", f"dataset.path={settings.dataset.path}")  # type: ignore[attr-defined]


@pytest.fixture
def run(rlsel: Callable[..., Any], data: tuple[str, ...]) -> Path:
    folder: Path = rlsel("select", *data, "selector=random", "ratio=0.5", "run_dir=run").folder
    return folder


@pytest.mark.parametrize("word", ["run=run", "run"])
def test_a_selection_is_shown_in_plain_lines(rlsel: Callable[..., Any], run: Path, word: str) -> None:
    result = rlsel("show", word, "rows=2")
    assert (result.code, result.out) == (0, f"{run}\n")
    lines = [line.rstrip() for line in result.err.splitlines()]
    assert lines[0] == "random on arrays"
    assert "kept: 45 of 90 candidates (50.0 %)" in lines
    assert lines[lines.index("Classes") + 1].split() == ["class", "size", "kept", "share", "mean", "score"]
    assert len(lines[lines.index("Least redundant: the highest scores") :]) == 1 + 1 + 2
    assert "\x1b" not in result.err


def test_a_comparison_is_shown_as_its_table(
    rlsel: Callable[..., Any], data: tuple[str, ...], undrawn: None, working_folder: Path
) -> None:
    small = ("model.width=2", "training.epochs=1", "selectors=[el2n]", "ratios=[0.5]", "seeds=[0]")
    folder = rlsel("compare", *data, *small, "run_dir=compared").folder
    result = rlsel("show", "compared")
    assert (result.code, result.out) == (0, f"{folder}\n")
    lines = result.err.splitlines()
    assert lines[0] == "comparison on Arrays"
    assert "small_cnn:" in lines
    first = lines.index("small_cnn:") + 2
    assert {line.split()[1] for line in lines[first : first + 3]} == {"el2n", "random", "full"}
    assert lines[first + 3 :] == ["note: one seed gives no intervals: three or more do, as in seeds=[0,1,2]"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nope",), "run must be the folder of a finished run, got .*: there is no such folder"),
        ((), "run must be given: add run=VALUE"),
        (("run", "other"), "run must be one path, got 'run other': quote a path with spaces"),
        (("run", "rows=0"), "rows must be an integer of at least 1, got 0"),
        (("run", "ros=3"), "unknown key 'ros': did you mean 'rows'"),
    ],
)
def test_a_mistake_is_one_line(rlsel: Callable[..., Any], run: Path, words: tuple[str, ...], message: str) -> None:
    result = rlsel("show", *words)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert re.search(message, result.err), result.err


def test_a_word_without_a_key_is_refused_elsewhere(rlsel: Callable[..., Any], run: Path) -> None:
    assert "settings must be written key=value, got 'run'" in rlsel("export", "run", "format=csv").err


PAGE = Page(
    title="a title",
    facts=(("kept", "1 of 2"),),
    lines=("a line that is longer than forty columns and stays as it is",),
    tables=(Table(title="Classes", columns=("class", "size"), numbers=frozenset({"size"}), rows=(("[red]a", "10"),)),),
    warnings=("look at this",),
)


def shown(console: Console) -> str:
    display(PAGE, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_has_colour_unless_it_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = {"force_terminal": True, "color_system": "standard", "width": 40, "highlight": False}
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[33mwarning: look at this" in shown(Console(file=io.StringIO(), **terminal))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[33m" not in shown(Console(file=io.StringIO(), **terminal))


def test_a_name_is_no_markup() -> None:
    lines = shown(Console(file=io.StringIO(), width=40, highlight=False)).splitlines()
    assert [line.rstrip() for line in lines] == [
        "a title",
        "kept: 1 of 2",
        "warning: look at this",
        "a line that is longer than forty columns and stays as it is",
        "",
        "Classes",
        "class   size",
        "[red]a    10",
    ]
