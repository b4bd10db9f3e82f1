from typing import Any

from rlsel.training.reporting import Cell, Grid, NotesOnly, SilentReporter

GRID = Grid(
    cells={
        ("full", 1.0): Cell(done=2, of=2, accuracy=0.9),
        ("el2n", 0.3): Cell(done=1, of=2, accuracy=0.8),
        ("el2n", 0.5): Cell(done=0, of=2, accuracy=None),
    },
    seconds_left=None,
    latest="a training",
)


class Listener:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was passed on")


def test_notes_are_passed_on_and_the_progress_of_a_training_is_not() -> None:
    listener = Listener()
    reporter = NotesOnly(listener)
    reporter.note("hello")
    reporter.note("hello")
    reporter.start("target", 1, 2)
    reporter.step(1)
    reporter.epoch({"loss": 1.0})
    reporter.finish()
    reporter.grid(GRID)
    assert listener.notes == ["hello"]


def test_silence() -> None:
    reporter = SilentReporter()
    reporter.note("hello")
    reporter.start("target", 1, 2)
    reporter.step(1)
    reporter.epoch({"loss": 1.0})
    reporter.finish()
    reporter.grid(GRID)


def test_a_grid_counts_its_trainings() -> None:
    assert (GRID.done, GRID.of) == (3, 6)
