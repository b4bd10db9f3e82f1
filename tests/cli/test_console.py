import io
import re

import pytest
from rich.console import Console

from rlsel.cli import console
from rlsel.cli.console import FanOut, LiveReporter, Pace, PlainReporter, describe
from rlsel.training.reporting import Reporter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as its only item."""
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def train(reporter: Reporter, clock: list[float], *, epochs: int = 3, seconds: float = 2.0) -> None:
    reporter.start("target", epochs, 10 * epochs)
    for epoch in range(1, epochs + 1):
        for step in range(10):
            reporter.step(10 * (epoch - 1) + step + 1)
            clock[0] += seconds / 10
        reporter.epoch({"epoch": epoch, "step": 10 * epoch, "seconds": 1.0, "loss": 1 / epoch, "share_kept": 0.5})
    reporter.finish()


def test_lines_say_epoch_pace_and_measurements(clock: list[float]) -> None:
    file = io.StringIO()
    train(PlainReporter(file), clock)
    lines = file.getvalue().splitlines()
    # 9 steps were counted in 2 s after the first: 4.5 steps/s, and 20 steps are left
    assert lines[0] == "target: epoch 1/3, 4.5 steps/s, 0:04 left, loss 1, share kept 0.5"
    assert lines[2].startswith("target: epoch 3/3, 4.8 steps/s, 0:00 left, loss 0.3333")
    assert len(lines) == 3


def test_quick_epochs_share_a_line_a_second_and_the_last_is_always_there(clock: list[float]) -> None:
    file = io.StringIO()
    train(PlainReporter(file), clock, epochs=25, seconds=0.1)
    epochs = [int(found) for found in re.findall(r"epoch (\d+)/25", file.getvalue())]
    assert epochs[0] == 1
    assert epochs[-1] == 25
    assert len(epochs) == 4  # 25 epochs take 2.5 s


def test_a_note_is_one_line() -> None:
    file = io.StringIO()
    PlainReporter(file).note("first\nsecond")
    assert file.getvalue() == "first second\n"


def test_the_columns_of_a_note_stay_aligned() -> None:
    for file in (io.StringIO(), wide := io.StringIO()):
        text = f"ratio{' ' * 20}accuracy{' ' * 80}rank"
        reporter = PlainReporter(file) if file is not wide else LiveReporter(Console(file=file, width=40))
        reporter.note(text)
        assert file.getvalue() == text + "\n"


def test_the_pace_of_a_resumed_training_counts_from_where_it_began(clock: list[float]) -> None:
    pace = Pace(1000)
    assert pace.describe() == ""
    pace.step(500)
    clock[0] += 10
    pace.step(520)
    assert pace.describe() == "2.0 steps/s, 4:00 left"
    assert Pace(10**5).describe() == ""


def test_hours_are_written_as_such(clock: list[float]) -> None:
    pace = Pace(8000)
    pace.step(0)
    clock[0] += 1
    pace.step(1)
    assert pace.describe() == "1.0 steps/s, 2:13:19 left"  # 7999 s


def test_measurements_leave_out_what_is_shown_anyway() -> None:
    assert (
        describe({"epoch": 1, "step": 3, "seconds": 2.0, "learning_rate": 0.1, "accuracy": 0.98764})
        == "accuracy 0.9876"
    )


def test_the_live_display_leaves_one_line(clock: list[float]) -> None:
    file = io.StringIO()
    reporter = LiveReporter(Console(file=file, force_terminal=True, width=200, color_system=None))
    reporter.note("[not markup]")
    train(reporter, clock)
    reporter.finish()  # again, as after an error
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    assert "[not markup]\n" in text
    assert "epoch 3/3" in text
    assert text.rstrip().endswith("target: 3/3 epochs in 6.0 s, loss 0.3333, share kept 0.5")


def test_a_display_that_was_cut_off_is_taken_down_by_the_next(clock: list[float]) -> None:
    reporter = LiveReporter(Console(file=io.StringIO(), force_terminal=True))
    reporter.start("first", 1, 10)
    reporter.step(3)
    train(reporter, clock)
    assert reporter._live is None


def test_several_are_told_the_same(clock: list[float]) -> None:
    files = [io.StringIO(), io.StringIO()]
    reporter = FanOut([PlainReporter(file) for file in files])
    reporter.note("hello")
    train(reporter, clock)
    assert files[0].getvalue() == files[1].getvalue()
    assert len(files[0].getvalue().splitlines()) == 4
