"""How long work tells of its progress, without knowing who listens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


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


class NotesOnly:
    """Passes on what is said, and nothing of the progress of single trainings."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def note(self, text: str) -> None:
        self._reporter.note(text)

    def start(self, task: str, epochs: int, steps: int) -> None:
        return

    def step(self, done: int) -> None:
        return

    def epoch(self, measurements: Mapping[str, float]) -> None:
        return

    def finish(self) -> None:
        return
