import io
import re

import pytest

from rlsel.cli import wording
from rlsel.cli.console import FanOut, PlainReporter
from rlsel.training.reporting import Cell, Grid, Reporter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as its only item."""
    now = [100.0]
    monkeypatch.setattr(wording.time, "monotonic", lambda: now[0])
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
    train(PlainReporter(file), clock, seconds=6.0)
    lines = file.getvalue().splitlines()
    # 9 steps were counted in 6 s after the first: 1.5 steps/s, and 20 steps are left
    assert lines[0] == "target: epoch 1/3, 1.5 steps/s, 0:13 left, loss 1, share kept 0.5"
    assert lines[2].startswith("target: epoch 3/3, 1.6 steps/s, 0:00 left, loss 0.3333")
    assert len(lines) == 3


def test_quick_epochs_share_a_line_every_five_seconds_and_the_last_is_there(clock: list[float]) -> None:
    file = io.StringIO()
    train(PlainReporter(file), clock, epochs=12, seconds=1.25)
    # the first ends at 1.25 s, the fifth at 6.25 s
    assert [int(found) for found in re.findall(r"epoch (\d+)/12", file.getvalue())] == [1, 5, 9, 12]


def test_many_short_trainings_share_the_lines_too(clock: list[float]) -> None:
    file = io.StringIO()
    reporter = PlainReporter(file)
    for _ in range(20):
        train(reporter, clock, epochs=1, seconds=1.25)
    assert len(file.getvalue().splitlines()) == 5  # of 25 s


def test_how_a_policy_learns_is_told_on_demand() -> None:
    for verbose, expected in ((False, "loss 1"), (True, "loss 1, price on keeping 0.5")):
        file = io.StringIO()
        reporter = PlainReporter(file, verbose=verbose)
        reporter.start("target", 1, 1)
        reporter.epoch({"loss": 1.0, "price": 0.5})
        assert file.getvalue() == f"target: epoch 1/1, {expected}\n"


def test_a_comparison_has_a_line_every_few_seconds_and_the_last(clock: list[float]) -> None:
    file = io.StringIO()
    reporter = PlainReporter(file)
    for done in range(1, 5):
        cell = Cell(done=done, of=4, accuracy=0.5)
        reporter.grid(Grid(cells={("full", 1.0): cell}, seconds_left=65.0, latest=f"training {done}"))
        clock[0] += 1
    assert file.getvalue() == "1/4 training 1, 1:05 left\n4/4 training 4, 1:05 left\n"


def test_a_note_is_one_line() -> None:
    file = io.StringIO()
    PlainReporter(file).note("first\nsecond")
    assert file.getvalue() == "first second\n"


def test_several_are_told_the_same(clock: list[float]) -> None:
    files = [io.StringIO(), io.StringIO()]
    reporter = FanOut([PlainReporter(file) for file in files])
    reporter.note("hello")
    train(reporter, clock, seconds=6.0)
    reporter.grid(Grid(cells={}, seconds_left=None, latest="all"))
    assert files[0].getvalue() == files[1].getvalue()
    assert len(files[0].getvalue().splitlines()) == 5
