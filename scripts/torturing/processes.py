"""The program in a process of its own, forked from this one so that nothing is imported again, and killed at will."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlsel.cli.main import main
from rlsel.training.loop import Checkpointing

Place = Literal["opened", "half", "whole", "moved"]
"""Within the writing of a file: it is there and empty, half of it is, all of it is, it has its name."""

PLACES: tuple[Place, ...] = ("opened", "half", "whole", "moved")
_PATIENCE = 300.0


@dataclass(frozen=True)
class Kill:
    """When a process is killed: some seconds after its start, or within the writing of its n-th file, from 1."""

    seconds: float | None = None
    file: int = 0
    place: Place = "whole"


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, or minus the signal; seconds that it took, files that it wrote, its words."""

    code: int
    seconds: float
    files: int
    said: str


def run(folder: Path, line: Sequence[str], kill: Kill | None = None, prepare: Callable[[], object] = int) -> Ended:
    """Runs the program in a folder, in a process of its own that saves its work after every epoch.

    Args:
        folder: The working folder.
        line: The command line.
        kill: When to kill it; None for never.
        prepare: Called in the process before the program.
    """
    said, counted = folder.parent / f"{folder.name}.said", folder.parent / f"{folder.name}.files"
    counted.write_bytes(b"")
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _become(folder, line, kill, prepare, said, counted)
    if kill is not None and kill.seconds is not None:
        time.sleep(kill.seconds)
        os.kill(child, signal.SIGKILL)
    status = _wait(child, began)
    return Ended(
        code=os.waitstatus_to_exitcode(status),
        seconds=time.monotonic() - began,
        files=len(counted.read_bytes()),
        said=said.read_text(errors="replace"),
    )


def _wait(child: int, began: float) -> int:
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        if time.monotonic() - began > _PATIENCE:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]
        time.sleep(0.01)


def _become(
    folder: Path, line: Sequence[str], kill: Kill | None, prepare: Callable[[], object], said: Path, counted: Path
) -> None:
    """Turns this process into the program; never returns."""
    code = 1
    try:
        os.chdir(folder)
        words = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(words, 1)
        os.dup2(words, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        Checkpointing.__init__.__kwdefaults__["every_seconds"] = 0.0  # half a minute otherwise, as long as no run here
        _watch_writing(kill, os.open(counted, os.O_WRONLY | os.O_APPEND))
        prepare()
        sys.argv = ["rlsel", *line]
        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _watch_writing(kill: Kill | None, counter: int) -> None:
    """Counts the files that `rlsel.files` writes, and kills this process within one of them."""
    files, wanted = 0, kill.file if kill is not None else 0
    flush = os.fsync

    def die(place: Place) -> None:
        if kill is not None and files == wanted and kill.place == place:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_event(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith(".part"):
            nonlocal files
            files += 1
            os.write(counter, b".")
        elif event == "os.remove" and str(arguments[0]).endswith(".part"):
            die("moved")

    def on_flush(descriptor: int) -> None:
        if kill is not None and files == wanted and kill.place in ("opened", "half"):
            os.ftruncate(descriptor, 0 if kill.place == "opened" else os.fstat(descriptor).st_size // 2)
            die(kill.place)
        die("whole")
        flush(descriptor)

    sys.addaudithook(on_event)
    os.fsync = on_flush
