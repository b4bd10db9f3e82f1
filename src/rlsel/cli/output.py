"""What the program says when it ends: one line of result on stdout, or one line of error on stderr."""

import os
import sys
import traceback

from rlsel.processes import own_rank


def is_main_process() -> bool:
    """Returns whether this is the process that the user started, and not one that shares a model with it."""
    return own_rank() == 0


def print_result(text: str) -> None:
    """Writes a line to stdout as it is, however long."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_error(message: str) -> None:
    """Writes `error: …` to stderr, in one line whatever the message holds; once, however many processes fail.

    With `RLSEL_DEBUG=1` the traceback of the exception that is being handled stands above it.
    """
    if is_main_process():
        if os.environ.get("RLSEL_DEBUG") == "1":
            traceback.print_exc()
        sys.stderr.write(f"error: {one_line(message)}\n")
        sys.stderr.flush()


def one_line(text: str) -> str:
    """Returns the text with every run of white space, line ends included, as one space."""
    return " ".join(text.split())
