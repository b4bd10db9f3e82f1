"""The first thing on a terminal: a line that says what begins, and goes when there is something else to say.

Loading PyTorch and reading the data take seconds in which nothing may be printed, as an error must stand alone. A line
that is erased before anything else is written keeps both: the terminal is never still, and the error is one line.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_ERASE = "\r\x1b[2K"


@contextlib.contextmanager
def starting_line(text: str) -> Iterator[None]:
    """Shows a line on stderr until something is written there, at the latest until the block ends.

    Args:
        text: The line. Nothing is shown where stderr is no terminal.
    """
    if not sys.stderr.isatty():
        yield
        return
    below = _Erasing(sys.stderr)
    sys.stderr.write(f"{text}\r")
    sys.stderr.flush()
    with contextlib.redirect_stderr(below):
        try:
            yield
        finally:
            below.erase()


class _Erasing:
    """A stream that erases the line on the terminal before the first text that is written."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._shown = file, True

    def erase(self) -> None:
        if self._shown:
            self._shown = False
            self._file.write(_ERASE)
            self._file.flush()

    def write(self, text: str) -> int:
        self.erase()
        return self._file.write(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._file, name)
