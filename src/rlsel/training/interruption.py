"""Ctrl-C and SIGTERM during a training: acted on between two steps, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rlsel.processes import Processes


class StopRequest:
    """Remembers the first signal that arrived while it was held back."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._before: Mapping[int, Any] = {}

    def __bool__(self) -> bool:
        return self.signal_number is not None

    @contextmanager
    def let_through(self) -> Iterator[None]:
        """Delivers signals at once inside the block: for work that may take long, and that can be begun again."""
        held = {number: signal.signal(number, before) for number, before in self._before.items()}
        try:
            yield
        finally:
            for number, handler in held.items():
                signal.signal(number, handler)

    def hold(self, remember: Callable[[int, FrameType | None], None]) -> None:
        """Puts a handler in place of those of SIGINT and SIGTERM."""
        self._before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}

    def release(self) -> None:
        """Puts the handlers back, and delivers the signal that arrived."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.signal_number is not None:
            signal.raise_signal(self.signal_number)

    def in_any(self, processes: Processes) -> bool:
        """Returns whether a signal arrived in any of the processes; if so, it counts as having arrived in all."""
        if processes.any(bool(self)) and not self:
            self.signal_number = signal.SIGTERM
        return bool(self)


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
            request.signal_number = None  # once is enough
            signal.default_int_handler(number, frame)
        if not request:
            request.signal_number = number

    request.hold(remember)
    try:
        yield request
    finally:
        request.release()
