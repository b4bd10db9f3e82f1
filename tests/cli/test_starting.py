import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from typing import Any

import pytest

from rlsel.cli.starting import starting_line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


# the cursor goes to the first column, and the whole line is erased (ECMA-48: EL with the parameter 2)
ERASED = "\r\x1b[2K"


def test_the_line_goes_before_the_first_text_that_is_written() -> None:
    with redirect_stderr(Terminal()) as terminal:
        with starting_line("rlsel select: starting"):
            assert terminal.getvalue() == "rlsel select: starting\r"
            sys.stderr.write("first\n")
            sys.stderr.write("second\n")
        assert sys.stderr is terminal
    assert terminal.getvalue() == f"rlsel select: starting\r{ERASED}first\nsecond\n"


def test_the_line_goes_at_the_end_where_nothing_was_written() -> None:
    terminal = Terminal()
    with redirect_stderr(terminal), pytest.raises(ValueError, match="wrong"), starting_line("a line"):
        raise ValueError("wrong")
    assert terminal.getvalue() == f"a line\r{ERASED}"


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    with redirect_stderr(io.StringIO()) as file, starting_line("a line"):
        sys.stderr.write("text\n")
    assert file.getvalue() == "text\n"


def test_an_error_is_all_that_stays_on_a_terminal(rlsel: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    result = rlsel("select", "ratio=2")
    assert result.err.startswith("rlsel select: reading the settings and the data\r" + ERASED + "error: ratio must be")
    assert result.err.count("\n") == 1


def test_what_only_shows_something_does_not_begin_with_a_line(
    rlsel: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    for option in ("--help", "--cfg=job"):
        assert rlsel("select", option).err == ""
