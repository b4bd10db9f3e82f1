"""What a run tells while it works: a live screen on a terminal, elsewhere a line every few seconds; on stderr."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rlsel.cli.loggers import open_loggers
from rlsel.cli.output import is_main_process
from rlsel.cli.wording import Pace, describe, duration
from rlsel.structure import convert
from rlsel.training.reporting import Grid, Reporter, SilentReporter

if TYPE_CHECKING:
    from rlsel.cli.composing import Composed

_SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def reporting(composed: Composed, *, alone: bool) -> Iterator[Reporter]:
    """Gives the reporter of a run, the console and the loggers that the user chose, and ends them behind the block.

    Args:
        composed: The run's configuration.
        alone: Whether no other run writes to the same terminal at the same time.

    Raises:
        ConfigurationError: if a logger is not usable, or `verbose` is no truth value.
    """
    if not is_main_process():
        yield SilentReporter()
        return
    verbose = convert(composed.nodes.get("verbose", False), bool, "verbose")
    on_screen: Reporter = PlainReporter(sys.stderr, verbose=verbose)
    if alone and sys.stderr.isatty():
        from rlsel.cli.live import LiveReporter

        ratio = composed.nodes.get("ratio")
        on_screen = LiveReporter(ratio=ratio if isinstance(ratio, float) else None, verbose=verbose)
    with open_loggers(composed.nodes.get("logger") or {}, composed.name) as loggers:
        reporter = FanOut([on_screen, *loggers]) if loggers else on_screen
        try:
            yield reporter
        finally:
            reporter.finish()


class FanOut:
    """Tells several reporters the same."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = tuple(reporters)

    def note(self, text: str) -> None:
        for reporter in self._reporters:
            reporter.note(text)

    def start(self, task: str, epochs: int, steps: int) -> None:
        for reporter in self._reporters:
            reporter.start(task, epochs, steps)

    def step(self, done: int) -> None:
        for reporter in self._reporters:
            reporter.step(done)

    def epoch(self, measurements: Mapping[str, float]) -> None:
        for reporter in self._reporters:
            reporter.epoch(measurements)

    def finish(self) -> None:
        for reporter in self._reporters:
            reporter.finish()

    def grid(self, grid: Grid) -> None:
        for reporter in self._reporters:
            reporter.grid(grid)


class PlainReporter:
    """Writes lines: each note, and of epochs and of the parts of a comparison one every few seconds and the last."""

    def __init__(self, file: TextIO, *, verbose: bool = False) -> None:
        self._file, self._verbose = file, verbose
        self._task, self._epochs, self._epoch, self._pace = "", 0, 0, Pace(0)
        self._last_line, self._begun = -math.inf, False

    def note(self, text: str) -> None:
        self._file.write(" ".join(text.splitlines()) + "\n")
        self._file.flush()

    def start(self, task: str, epochs: int, steps: int) -> None:
        self._task, self._epochs, self._epoch, self._pace = task, epochs, 0, Pace(steps)
        self._begun = False

    def step(self, done: int) -> None:
        self._pace.step(done)

    def epoch(self, measurements: Mapping[str, float]) -> None:
        self._epoch = int(measurements.get("epoch", self._epoch + 1))
        # a training without a line is one of many short ones
        if self._is_time(last=self._begun and self._epoch >= self._epochs):
            self._begun = True
            measured = describe(measurements, verbose=self._verbose)
            parts = [f"{self._task}: epoch {self._epoch}/{self._epochs}", self._pace.describe(), measured]
            self.note(", ".join(filter(None, parts)))

    def grid(self, grid: Grid) -> None:
        if self._is_time(last=grid.done == grid.of):
            left = "" if grid.seconds_left is None else f", {duration(grid.seconds_left)} left"
            self.note(f"{grid.done}/{grid.of} {grid.latest}{left}")

    def _is_time(self, *, last: bool) -> bool:
        now = time.monotonic()
        if not last and now - self._last_line < _SECONDS_BETWEEN_LINES:
            return False
        self._last_line = now
        return True

    def finish(self) -> None:
        return
