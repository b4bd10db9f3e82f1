import io
import re

import pytest
from rich.console import Console

from rlsel.cli import wording
from rlsel.cli.live import GridScreen, LiveReporter, TrainingScreen
from rlsel.training.reporting import Cell, Grid, Reporter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as its only item."""
    now = [100.0]
    monkeypatch.setattr(wording.time, "monotonic", lambda: now[0])
    return now


def train(reporter: Reporter, clock: list[float]) -> None:
    reporter.start("target", 3, 30)
    for epoch in range(1, 4):
        for step in range(10):
            reporter.step(10 * (epoch - 1) + step + 1)
            clock[0] += 0.2
        reporter.epoch({"epoch": epoch, "loss": 1 / epoch, "share_kept": 0.5, "price": 0.1})
    reporter.finish()


def plain(text: str) -> str:
    """Returns a text without the sequences that steer a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def screen(shown: TrainingScreen | GridScreen, **options: object) -> str:
    """Returns what a terminal of 80 columns shows."""
    file = io.StringIO()
    given = {"file": file, "force_terminal": True, "width": 80, "color_system": None, **options}
    Console(**given).print(shown.render())  # type: ignore[arg-type]
    return file.getvalue()


def test_the_live_display_leaves_one_line(clock: list[float]) -> None:
    file = io.StringIO()
    reporter = LiveReporter(Console(file=file, force_terminal=True, width=200, color_system=None))
    reporter.note("[not markup]")
    train(reporter, clock)
    reporter.finish()  # again, as after an error
    text = plain(file.getvalue())
    assert "[not markup]\n" in text
    assert "epoch 3/3" in text
    assert text.rstrip().endswith("target: 3/3 epochs in 6.0 s, loss 0.3333, share kept 0.5")


def test_a_display_that_was_cut_off_is_taken_down_by_the_next(clock: list[float]) -> None:
    file = io.StringIO()
    reporter = LiveReporter(Console(file=file, force_terminal=True))
    reporter.start("first", 1, 10)
    reporter.step(3)
    train(reporter, clock)
    assert "first: 0/1 epochs" in plain(file.getvalue())


def test_a_note_keeps_its_columns() -> None:
    file = io.StringIO()
    text = f"ratio{' ' * 20}accuracy{' ' * 80}rank"
    LiveReporter(Console(file=file, width=40)).note(text)
    assert file.getvalue() == text + "\n"


def test_a_training_shows_its_bar_the_time_left_and_how_accuracy_and_share_moved(clock: list[float]) -> None:
    training = TrainingScreen("target small_cnn", 20, 200, ratio=0.7, verbose=False)
    training.step(0)
    for epoch, (accuracy, share) in enumerate([(0.1, 0.9), (0.5, 0.8), (0.8, 0.75)], start=1):
        clock[0] += 5
        training.step(10 * epoch)
        training.epoch({"accuracy": accuracy, "share_kept": share, "price": 0.25})
    head, accuracy_line, share_line, memory = screen(training).splitlines()
    # 30 of 200 steps in 15 s: 170 more at 2 steps a second
    assert head.split(" ━")[0].split() == ["target", "small_cnn", "epoch", "3/20"]
    assert head.rstrip().endswith("2.0 steps/s, 1:25 left")
    # 0.5 is 4/7 of the way from 0.1 to 0.8, and 0.8 is a third of the way from 0.75 to 0.9
    assert accuracy_line.split() == ["training", "accuracy", "▁▅█", "0.800"]
    assert share_line.split() == ["share", "kept", "█▃▁", "0.750", "of", "0.7", "wanted"]
    assert re.fullmatch(r"memory +\d+\.\d GiB", memory.rstrip())


def test_how_a_policy_learns_is_shown_on_demand() -> None:
    for verbose in (False, True):
        training = TrainingScreen("target", 1, 1, ratio=None, verbose=verbose)
        training.epoch({"share_kept": 0.5, "price": 0.25})
        assert ("price on keeping 0.25" in screen(training)) == verbose
        assert "wanted" not in screen(training)


GRID = Grid(
    cells={
        ("full", 1.0): Cell(done=2, of=2, accuracy=0.96),
        ("random", 0.3): Cell(done=2, of=2, accuracy=0.9),
        ("random", 0.5): Cell(done=1, of=2, accuracy=0.92),
        ("el2n", 0.3): Cell(done=1, of=2, accuracy=0.85),
        ("el2n", 0.5): Cell(done=0, of=2, accuracy=None),
    },
    seconds_left=65.0,
    latest="small_cnn el2n ratio 0.3 seed 0: accuracy 0.8500 in 3.0 s",
)


def test_a_comparison_is_a_grid_whose_cells_fill_with_the_best_of_each_ratio() -> None:
    head, titles, full, random, el2n, latest = [line.rstrip() for line in screen(GridScreen(GRID)).splitlines()]
    assert head.startswith("6/10 trainings")
    assert head.endswith("0:00 so far, 1:05 left")
    assert titles.split() == ["selector", "0.30", "0.50", "1.00"]
    assert full.split() == ["full", "■■", "96.0"]
    # the best among one is none
    assert random.split() == ["random", "■■", "90.0", "★", "■□", "92.0"]
    assert el2n.split() == ["el2n", "■□", "85.0", "□□"]
    assert latest == GRID.latest


def test_many_seeds_are_counted() -> None:
    grid = Grid(cells={("full", 1.0): Cell(done=3, of=10, accuracy=0.5)}, seconds_left=None, latest="")
    assert "3/10 50.0" in screen(GridScreen(grid))


def test_the_grid_goes_when_all_is_done() -> None:
    file = io.StringIO()
    reporter = LiveReporter(Console(file=file, force_terminal=True, width=80, color_system=None))
    reporter.grid(GRID)
    reporter.note("failed: one of them")
    reporter.grid(Grid(cells={("full", 1.0): Cell(done=2, of=2, accuracy=0.5)}, seconds_left=0.0, latest=""))
    reporter.note("the table")
    assert plain(file.getvalue()).rstrip().endswith("the table")
    assert plain(file.getvalue()).count("■■ 50.0") <= 2


COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*[349][0-7]m")


@pytest.mark.parametrize("shown", [GridScreen(GRID), TrainingScreen("target", 3, 30, ratio=None, verbose=False)])
def test_no_color_is_respected(shown: GridScreen | TrainingScreen) -> None:
    terminal = {"TERM": "xterm-256color"}
    coloured = screen(shown, color_system="standard", _environ=terminal)
    silent = screen(shown, color_system="standard", _environ={**terminal, "NO_COLOR": "1"})
    assert COLOUR.search(coloured)
    assert not COLOUR.search(silent)
