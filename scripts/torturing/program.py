"""The program called in this process, and what every call of it promises: a result, or one line and no trace."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from hydra._internal.hydra import Hydra

from rlsel.cli.main import main

USER_ERROR = 2
PATIENCE = 180
"""Seconds after which a call hangs."""


class HangError(Exception):
    """A call that does not end."""


@dataclass(frozen=True)
class Answer:
    """What a call left: its exit code, and what it wrote on stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The folder that a call names at the end."""
        return self.out.rstrip("\n").rpartition("\n")[2]


@dataclass
class Account:
    """How many of the tries of each kind went well, and what was wrong with the others.

    Attributes:
        tried: Tries by kind.
        survived: Those without a fault.
        faults: One line for each fault.
    """

    tried: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def note(self, kind: str, what: object, fault: str | None) -> None:
        """Counts a try; a fault is shown at once, since a survey takes long."""
        self.tried[kind] += 1
        if fault is None:
            self.survived[kind] += 1
            return
        self.faults.append(f"{kind}: {what}: {fault}")
        print(f"FAULT {self.faults[-1]}", flush=True)

    def lines(self) -> list[str]:
        """Returns survived and tried by kind."""
        return [f"{kind:<40} {self.survived[kind]:>5} / {self.tried[kind]}" for kind in sorted(self.tried)]


def call(folder: Path, arguments: Sequence[str], patience: int = PATIENCE) -> Answer:
    """Calls the program in a folder, for at most so many seconds."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["rlsel", *arguments]
    mode, Hydra.get_mode = Hydra.get_mode, (Hydra.get_mode if _may_sweep(arguments) else _no_sweep)
    path = sys.path.copy()  # an own `_target_` extends it
    try:
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            _time_limit(patience),
        ):
            code = main()
    finally:
        sys.argv, sys.path[:], Hydra.get_mode = before, path, mode
    return Answer(code, out.getvalue(), err.getvalue())


_FOUND_WHILE_TRAINING = ": the training diverged, "


def broken_promise(answer: Answer, before: frozenset[str], after: frozenset[str]) -> str | None:
    """Returns what is wrong with how a call ended; None for a result, and for one line that leaves no trace.

    Args:
        answer: The call.
        before: All that lay in its folder before.
        after: All that lies there now.
    """
    if "HangError" in answer.err:
        return "it hangs"
    if answer.code not in (0, USER_ERROR):
        return f"exit code {answer.code}: {answer.err.strip().splitlines()[-1:]}"
    if answer.code == 0:
        halves = [name for name in after if name.endswith((".part", ".ckpt", ".lock"))]
        return f"left behind: {halves}" if halves else None
    if answer.out:
        return f"a result beside an error: {answer.out!r}"
    lines = answer.err.splitlines()
    if _FOUND_WHILE_TRAINING in answer.err:  # after what a run says before it trains
        lines = lines[-1:]
    if len(lines) != 1 or not lines[0].startswith("error: "):
        return f"not exactly one line of error: {answer.err!r}"
    if before != after:
        return f"left behind: {sorted(after ^ before)[:5]}"
    return None


def everything_in(folder: Path) -> frozenset[str]:
    """Returns the relative paths of all that lies in a folder, links not followed."""
    return frozenset(
        os.path.relpath(os.path.join(parent, name), folder)  # noqa: PTH118 - a path may be too long for the system
        for parent, folders, files in os.walk(folder)
        for name in [*folders, *files]
    )


def _may_sweep(arguments: Sequence[str]) -> bool:
    return any(argument in ("-m", "--multirun") or "hydra" in argument for argument in arguments)


def _no_sweep(hydra: Hydra, config_name: str | None, overrides: list[str]) -> None:
    """Takes the place of a second composition, in which Hydra looks whether a file of `conf` asks for a sweep."""
    del hydra, config_name, overrides


@contextlib.contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def hang(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise HangError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
