"""The program `rlsel`: takes the command off the command line and hands the rest to Hydra."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import rlsel
from rlsel.checks import nearest
from rlsel.cli.options import Options, parse_options, with_positional
from rlsel.cli.output import is_main_process, print_error, print_result
from rlsel.cli.starting import starting_line
from rlsel.cli.table import COMMANDS, Command
from rlsel.errors import ConfigurationError, RlselError

if TYPE_CHECKING:
    from rlsel.cli.job import Outcome

DEFECT, USER_ERROR, INTERRUPTED, BROKEN_PIPE, TERMINATED = 1, 2, 130, 141, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, as an exception: whatever saves its work at Ctrl-C does so here too."""


def main() -> int:
    """Runs the command line in `sys.argv`.

    Returns:
        The exit code: 0, 1 for a defect of this program, 2 for a user's mistake, 130 for Ctrl-C, 143 for SIGTERM; of
        a sweep, the worst of its jobs.
    """
    try:
        with _signals_raise():
            return _dispatch(sys.argv)
    except RlselError as error:
        print_error(str(error))
        return USER_ERROR
    except KeyboardInterrupt as stop:
        if is_main_process():
            sys.stderr.write("interrupted: the same command goes on from here\n")
        return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
    except BrokenPipeError:
        # the reader of stdout is gone; what Python flushes at exit must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception:  # noqa: BLE001 - the outermost place: the exit code says that it is a defect
        traceback.print_exc()
        return DEFECT


def _dispatch(argv: Sequence[str]) -> int:
    program, *arguments = argv
    first, *rest = arguments or ["--help"]
    if first in ("-sc", "--shell-completion"):
        from rlsel.cli.completion import complete

        complete(program, rest)
        return 0
    if first == "--version":
        print_result(f"rlsel {rlsel.__version__}")
        return 0
    if first == "help" and rest:
        first, rest = rest[0], ["--help"]
    if first in ("-h", "--help", "help"):
        print_result(overview())
        return 0
    return _run(first, rest, argv)


def _run(name: str, arguments: Sequence[str], argv: Sequence[str]) -> int:
    command = COMMANDS.get(name)
    if command is None:
        kind = "the command comes before options and settings" if name.startswith("-") or "=" in name else ""
        remedy = nearest(name, COMMANDS) or kind or "rlsel --help explains them"
        raise ConfigurationError(f"unknown command {name!r}: the commands are {', '.join(COMMANDS)}: {remedy}")
    options = parse_options(arguments)
    if "--version" in options.flags:
        print_result(f"rlsel {rlsel.__version__}")
        return 0
    if options.config_dir is not None and not Path(options.config_dir).is_dir():
        raise ConfigurationError(f"option --config-dir must name a folder, got {options.config_dir!r}")

    silent = options.shows or "--help" in options.flags or not is_main_process()
    with contextlib.nullcontext() if silent else starting_line(f"rlsel {name}: reading the settings and the data"):
        outcomes = _outcomes(command, options, argv)
    return _conclude(outcomes)


def _outcomes(command: Command, options: Options, argv: Sequence[str]) -> list[Outcome]:
    """Shows what is asked for, or runs the command; Hydra takes a second to import."""
    from rlsel.cli.job import run_command, show_help
    from rlsel.cli.typed import as_typed

    overrides = with_positional(options.overrides, command.positional)
    options = replace(options, overrides=as_typed(overrides, several=options.sweeps))
    if "--help" in options.flags:
        show_help(command, options, argv[0])
        return []
    return run_command(command, options, argv)


def _conclude(outcomes: Sequence[Outcome]) -> int:
    """Prints the folder, and returns the exit code."""
    from rlsel.cli.job import common_folder

    folder = common_folder(outcomes)
    if folder is not None and is_main_process():
        print_result(folder)
    return max((outcome.code for outcome in outcomes), default=0)


def overview() -> str:
    """Returns what `rlsel --help` prints: every command with an example."""
    lines = [
        f"rlsel {rlsel.__version__}: {rlsel.__doc__}",
        "",
        "usage: rlsel COMMAND [KEY=VALUE ...] [-m] [--help] [--cfg job] [--config-dir FOLDER]",
        "",
    ]
    for command in COMMANDS.values():
        lines += [f"  {command.name:<16} {command.summary}", f"  {'':<16} {command.example}", ""]
    lines += [
        "`rlsel COMMAND --help` explains the keys of a command, `rlsel COMMAND --cfg job` shows their values,",
        "`-m` runs every combination of comma-separated values: rlsel select -m ratio=0.3,0.5 seed=0,1",
        'Completion in bash and zsh: eval "$(rlsel -sc install=bash)", or install=zsh',
        "Completion in fish: rlsel -sc install=fish | source",
    ]
    return "\n".join(lines)


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Turns SIGTERM into `Terminated` inside the block, and a second Ctrl-C into an end without any cleaning up.

    Only the main thread can; a program that was started deaf to Ctrl-C stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = False

    def terminate(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Terminated

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            _end_at_once()
        interrupted = True
        signal.default_int_handler(number, frame)

    handlers = {signal.SIGTERM: terminate}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        handlers[signal.SIGINT] = interrupt
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once() -> None:
    """Ends this process and those that it started."""
    for process in multiprocessing.active_children():
        process.kill()
    os._exit(INTERRUPTED)
