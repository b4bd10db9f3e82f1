"""What a run tells while it works: a live display on a terminal, one line an epoch elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rlsel.cli.loggers import open_loggers
from rlsel.cli.output import is_main_process
from rlsel.training.reporting import Reporter, SilentReporter

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.progress import Task

    from rlsel.cli.composing import Composed

_NOT_SHOWN = frozenset({"epoch", "step", "seconds", "learning_rate"})
_SECONDS_BETWEEN_LINES = 1.0


@contextmanager
def reporting(composed: Composed, *, alone: bool) -> Iterator[Reporter]:
    """Gives the reporter of a run, the console and the loggers that the user chose, and ends them behind the block.

    Args:
        composed: The run's configuration.
        alone: Whether no other run writes to the same terminal at the same time.

    Raises:
        ConfigurationError: if a logger is not usable.
    """
    if not is_main_process():
        yield SilentReporter()
        return
    on_screen: Reporter = LiveReporter() if alone and sys.stderr.isatty() else PlainReporter(sys.stderr)
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


class Pace:
    """How fast a training goes, counted from the first step that was reported: a resumed one starts in the middle."""

    def __init__(self, steps: int) -> None:
        self._steps, self._first, self._done = steps, 0, 0
        self._began: float | None = None

    def step(self, done: int) -> None:
        """Takes note of the steps done."""
        if self._began is None:
            self._began, self._first = time.monotonic(), done
        self._done = done

    def describe(self) -> str:
        """Returns "12.3 steps/s, 1:05 left", or nothing while that is not known."""
        elapsed = 0.0 if self._began is None else time.monotonic() - self._began
        if elapsed <= 0 or self._done <= self._first:
            return ""
        rate = (self._done - self._first) / elapsed
        seconds = round((self._steps - self._done) / rate)
        hours, rest = divmod(seconds, 3600)
        left = f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
        return f"{rate:.1f} steps/s, {left} left"


def describe(measurements: Mapping[str, float]) -> str:
    """Returns "loss 0.1234, accuracy 0.95" without what the display shows anyway."""
    shown = {name: value for name, value in measurements.items() if name not in _NOT_SHOWN}
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in shown.items())


class PlainReporter:
    """Writes lines: each note, and the epochs, at most one a second and always the last."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._task, self._epochs, self._epoch, self._pace = "", 0, 0, Pace(0)
        self._last_line = -_SECONDS_BETWEEN_LINES

    def note(self, text: str) -> None:
        self._file.write(" ".join(text.splitlines()) + "\n")
        self._file.flush()

    def start(self, task: str, epochs: int, steps: int) -> None:
        self._task, self._epochs, self._epoch, self._pace = task, epochs, 0, Pace(steps)
        self._last_line = -_SECONDS_BETWEEN_LINES

    def step(self, done: int) -> None:
        self._pace.step(done)

    def epoch(self, measurements: Mapping[str, float]) -> None:
        self._epoch = int(measurements.get("epoch", self._epoch + 1))
        now = time.monotonic()
        if self._epoch < self._epochs and now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        parts = [f"{self._task}: epoch {self._epoch}/{self._epochs}", self._pace.describe(), describe(measurements)]
        self.note(", ".join(filter(None, parts)))

    def finish(self) -> None:
        return


class LiveReporter:
    """Shows a bar with the pace and what the last epoch measured; each finished training leaves one line."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console

        self._console = console or Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._measured = ""

    def note(self, text: str) -> None:
        self._console.print(" ".join(text.splitlines()), markup=False, soft_wrap=True)

    def start(self, task: str, epochs: int, steps: int) -> None:
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn

        self.finish()
        self._measured, self._pace, self._began = "", Pace(steps), time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("{task.fields[pace]}"),
            console=self._console,
        )
        self._task = self._progress.add_task(task, total=steps, epoch=0, epochs=epochs, pace="")
        self._live = Live(get_renderable=self._render, console=self._console, transient=True)
        self._live.start()

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        self._progress.update(self._task, pace=self._pace.describe())
        return Group(self._progress.get_renderable(), Text(self._measured, style="dim"))

    @property
    def _shown(self) -> Task:
        return self._progress.tasks[0]

    def step(self, done: int) -> None:
        self._pace.step(done)
        self._progress.update(self._task, completed=done)

    def epoch(self, measurements: Mapping[str, float]) -> None:
        epoch = int(measurements.get("epoch", self._shown.fields["epoch"] + 1))
        self._progress.update(self._task, epoch=epoch)
        self._measured = describe(measurements)

    def finish(self) -> None:
        if self._live is None:
            return
        self._live.stop()
        self._live = None
        seconds = time.monotonic() - self._began
        epochs = f"{self._shown.fields['epoch']}/{self._shown.fields['epochs']} epochs in {seconds:.1f} s"
        self.note(", ".join(filter(None, [f"{self._shown.description}: {epochs}", self._measured])))
