"""How long work tells of its progress, without knowing who listens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A method at a ratio, in a comparison that goes on.

    Attributes:
        done: Trainings that are done.
        of: Trainings that there are to be, over the seeds and the models.
        accuracy: Their mean accuracy so far; None before the first.
    """

    done: int
    of: int
    accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """How far a comparison is.

    Attributes:
        cells: By the method and the ratio, in the order of the tables.
        seconds_left: Seconds until the end, by what was done so far took; None before the first training.
        latest: What was done last, in one line.
    """

    cells: Mapping[tuple[str, float], Cell]
    seconds_left: float | None
    latest: str

    @property
    def done(self) -> int:
        """Trainings that are done."""
        return sum(cell.done for cell in self.cells.values())

    @property
    def of(self) -> int:
        """Trainings that there are to be."""
        return sum(cell.of for cell in self.cells.values())


class Reporter(Protocol):
    """Receives the progress of a run."""

    def note(self, text: str) -> None:
        """Says one thing: an estimate before a costly step, a warning, a result."""
        ...

    def start(self, task: str, epochs: int, steps: int) -> None:
        """Begins a training of so many epochs and optimiser steps."""
        ...

    def step(self, done: int) -> None:
        """Tells how many optimiser steps are done."""
        ...

    def epoch(self, measurements: Mapping[str, float]) -> None:
        """Ends an epoch with what was measured in it."""
        ...

    def finish(self) -> None:
        """Ends the training that `start` began."""
        ...

    def grid(self, grid: Grid) -> None:
        """Tells how far a comparison is, each time that something of it is done."""
        ...


class SilentReporter:
    """Says nothing."""

    def note(self, text: str) -> None:
        return

    def start(self, task: str, epochs: int, steps: int) -> None:
        return

    def step(self, done: int) -> None:
        return

    def epoch(self, measurements: Mapping[str, float]) -> None:
        return

    def finish(self) -> None:
        return

    def grid(self, grid: Grid) -> None:
        return


class NotesOnly:
    """Passes on what is said, once however many say the same, and nothing of the progress of single trainings."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._said: set[str] = set()

    def note(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._reporter.note(text)

    def start(self, task: str, epochs: int, steps: int) -> None:
        return

    def step(self, done: int) -> None:
        return

    def epoch(self, measurements: Mapping[str, float]) -> None:
        return

    def finish(self) -> None:
        return

    def grid(self, grid: Grid) -> None:
        return


class HintsFirst:
    """Says some lines before the first thing that it is told."""

    def __init__(self, reporter: Reporter, hints: Sequence[str]) -> None:
        self._reporter, self._hints = reporter, list(hints)

    def note(self, text: str) -> None:
        self.say_hints()
        self._reporter.note(text)

    def start(self, task: str, epochs: int, steps: int) -> None:
        self.say_hints()
        self._reporter.start(task, epochs, steps)

    def step(self, done: int) -> None:
        self._reporter.step(done)

    def epoch(self, measurements: Mapping[str, float]) -> None:
        self._reporter.epoch(measurements)

    def finish(self) -> None:
        self._reporter.finish()

    def grid(self, grid: Grid) -> None:
        self.say_hints()
        self._reporter.grid(grid)

    def say_hints(self) -> None:
        """Says the lines now, unless they were said already."""
        for hint in self._hints:
            self._reporter.note(hint)
        self._hints.clear()
