"""The processes of `device.processes`: each runs the same command line, and all end where one of them dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from rlsel.errors import ProcessError

_SECONDS_BETWEEN_LOOKS = 0.1
_SECONDS_TO_END = 20.0
"""For which the others may say by themselves that a process is gone; what waits for it longer is ended."""


@dataclass(frozen=True, kw_only=True)
class _Process:
    """One of the processes.

    Attributes:
        running: The process.
        errors: What it wrote to stderr; None for the first, which writes to that of this program.
    """

    running: subprocess.Popen[str]
    errors: IO[str] | None

    def last_words(self) -> str:
        if self.errors is None:
            return ""
        self.errors.seek(0)
        lines = self.errors.read().split("\n")
        return next((f": {line.strip()}" for line in reversed(lines) if line.strip()), "")


def run_together(arguments: Sequence[str], number: int) -> tuple[int, str | None]:
    """Runs a command line in several processes of this machine that train one model together.

    `torchrun` does the same over several machines, and tells each process its place in the same way.

    Args:
        arguments: The command line, the program's name first.
        number: How many processes.

    Returns:
        The exit code of the first process, and what it printed as its last line; None for nothing.

    Raises:
        ProcessError: if a process died, and the first could not say so itself.
    """
    with ExitStack() as files:
        output, *errors = (files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(number))
        processes = _start(arguments, output, errors)
        failed = None
        try:
            failed = _watch(processes)
        except KeyboardInterrupt:
            for process in processes:
                process.running.send_signal(signal.SIGTERM)
            _end(processes)
            if processes[0].running.returncode < 0:
                raise
        finally:
            for process in processes:
                process.running.kill()
                process.running.wait()
        # the first says itself what it refused, and that another one is gone
        if failed is not None and processes[0].running.returncode <= 0:
            raise _loss(failed, processes)
        output.seek(0)
        lines = output.read().splitlines()
    return processes[0].running.returncode, lines[-1] if lines else None


def _start(arguments: Sequence[str], output: IO[str], errors: Sequence[IO[str]]) -> list[_Process]:
    """Starts the processes: the first writes to `output` and to stderr, each other one to one of `errors`."""
    number = 1 + len(errors)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(number):
        place: dict[str, object] = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": number,
            "LOCAL_WORLD_SIZE": number,
            "GROUP_RANK": 0,
        }
        place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        words = errors[rank - 1] if rank else None
        running = subprocess.Popen(  # noqa: S603 - the program that runs
            [sys.executable, "-m", "rlsel", *arguments[1:]],
            env={**os.environ, **{name: str(value) for name, value in place.items()}},
            stdin=subprocess.DEVNULL,
            stdout=output if rank == 0 else subprocess.DEVNULL,
            stderr=words,
            text=True,
            start_new_session=True,  # Ctrl-C comes to this program, which hands it on
        )
        processes.append(_Process(running=running, errors=words))
    return processes


def _watch(processes: Sequence[_Process]) -> int | None:
    """Waits until all have ended; returns the number of the first that did not end well, and ends the others then."""
    while True:
        codes = [process.running.poll() for process in processes]
        for rank, code in enumerate(codes):
            if code:
                _end(processes)
                return rank
        if None not in codes:
            return None
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _end(processes: Sequence[_Process]) -> None:
    """Lets the processes end by themselves for a while, then ends them."""
    latest = time.monotonic() + _SECONDS_TO_END
    while any(process.running.poll() is None for process in processes) and time.monotonic() < latest:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    for process in processes:
        process.running.kill()
        process.running.wait()


def _loss(rank: int, processes: Sequence[_Process]) -> ProcessError:
    """Returns what the first process could not say: that another one failed, or that it was killed itself."""
    code = processes[rank].running.returncode
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return ProcessError(
        f"process {rank} of device.processes={len(processes)} {how}, and with it the run"
        f"{processes[rank].last_words()}: start the same command again, which goes on from its last checkpoint"
    )
