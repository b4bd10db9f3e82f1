from typing import Any

from rlsel.training.reporting import NotesOnly, SilentReporter


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
    reporter.start("target", 1, 2)
    reporter.step(1)
    reporter.epoch({"loss": 1.0})
    reporter.finish()
    assert listener.notes == ["hello"]


def test_silence() -> None:
    reporter = SilentReporter()
    reporter.note("hello")
    reporter.start("target", 1, 2)
    reporter.step(1)
    reporter.epoch({"loss": 1.0})
    reporter.finish()
