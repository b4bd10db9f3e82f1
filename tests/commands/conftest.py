from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest


@dataclass
class NotesReporter:
    """Keeps the notes, and the titles of the trainings that it is told of."""

    notes: list[str] = field(default_factory=list)
    trainings: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def start(self, task: str, epochs: int, steps: int) -> None:
        self.trainings.append(task)

    def step(self, done: int) -> None:
        return

    def epoch(self, measurements: Mapping[str, float]) -> None:
        return

    def finish(self) -> None:
        return


@pytest.fixture
def reporter() -> NotesReporter:
    return NotesReporter()
