"""Completion in the shell: command names here, everything behind them by Hydra."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from rlsel.checks import refuse
from rlsel.cli.output import print_result
from rlsel.cli.table import COMMANDS, Command
from rlsel.errors import ConfigurationError

_OPTIONS = ("--cfg", "--config-dir", "--help", "--multirun")


def complete(program: str, request: Sequence[str]) -> None:
    """Answers `rlsel -sc install=bash`, `uninstall=bash` and, called by the shell, `query=bash`.

    Args:
        program: How the program was called.
        request: The words behind `-sc`.

    Raises:
        ConfigurationError: if the request is none of these.
    """
    if len(request) != 1 or request[0].partition("=")[0] not in ("install", "uninstall", "query"):
        raise refuse(
            "-sc", "followed by install=SHELL or uninstall=SHELL", " ".join(request), "for example install=bash"
        )
    command = next(iter(COMMANDS.values()))
    if request[0].startswith("query="):
        words = _words_before_cursor()
        if len(words) <= 1:
            print_result(_matching(COMMANDS, words[0] if words else ""))
            return
        if words[-1].startswith("-"):
            print_result(_matching(_OPTIONS, words[-1]))
            return
        if words[0] not in COMMANDS:
            return
        from rlsel.cli.typed import as_typed

        command = COMMANDS[words[0]]
        *settings, last = [word for word in words[1:] if not word.startswith("-")]
        line = " ".join([Path(program).name, *as_typed(settings, several=False), last])
        os.environ["COMP_LINE"], os.environ["COMP_POINT"] = line, str(len(line))
    _ask_hydra(program, request, command)


def _words_before_cursor() -> list[str]:
    """Returns the words behind the program's name; the last is the one being typed, perhaps empty."""
    line = os.environ.get("COMP_LINE", "")
    point = os.environ.get("COMP_POINT", "")
    line = line[: int(point)] if point.isdigit() else line
    words = line.split()[1:]
    return [*words, ""] if line.endswith(" ") else words


def _matching(names: Iterable[str], start: str) -> str:
    return " ".join(name for name in names if name.startswith(start))


def _ask_hydra(program: str, request: Sequence[str], command: Command) -> None:
    from rlsel.cli.job import run_hydra

    try:
        run_hydra([program, "--shell-completion", *request], command)
    except ConfigurationError:
        # a half-typed line that does not compose has no completion, and the terminal is no place to say so
        if not request[0].startswith("query="):
            raise
