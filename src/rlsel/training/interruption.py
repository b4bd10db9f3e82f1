"""Ctrl-C and SIGTERM during a training: acted on between two steps, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Remembers the first signal that arrived while it was held back."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __bool__(self) -> bool:
        return self.signal_number is not None


@contextmanager
def signals_held_back() -> Iterator[StopRequest]:
    """Holds SIGINT and SIGTERM back inside the block and delivers them after it.

    A second SIGINT is delivered at once. Outside the main thread nothing is held back, as Python delivers signals to
    the main thread only.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def remember(number: int, frame: FrameType | None) -> None:
        if request and number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        if not request:
            request.signal_number = number

    held = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        if request.signal_number is not None:
            signal.raise_signal(request.signal_number)
