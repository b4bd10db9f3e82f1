import pytest

from rlsel.cli import wording
from rlsel.cli.wording import Pace, describe, duration, sparkline


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as its only item."""
    now = [100.0]
    monkeypatch.setattr(wording.time, "monotonic", lambda: now[0])
    return now


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


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65.4, "1:05"), (3599.6, "1:00:00"), (7999, "2:13:19")])
def test_a_duration_is_read_as_on_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_measurements_leave_out_what_is_shown_anyway_and_how_a_policy_learns() -> None:
    measured = {"epoch": 1, "step": 3, "seconds": 2.0, "learning_rate": 0.1, "accuracy": 0.98764, "price": 0.5}
    assert describe(measured) == "training accuracy 0.9876"
    assert describe(measured, verbose=True) == "training accuracy 0.9876, price on keeping 0.5"
    assert describe({"jaccard_previous": 0.25}, verbose=True) == "overlap with the choice before 0.25"
    assert describe({"share_kept": 0.5, "of_my_own": 2.0}) == "share kept 0.5, of my own 2"


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([3.0], "▅"),
        ([1.0, 1.0], "▅▅"),
        ([0.0, 7.0], "▁█"),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "▁▂▃▄▅▆▇█"),
        ([9.0, 0.0, 7.0], "▁█"),  # the last two of three
    ],
)
def test_a_sparkline_goes_from_the_lowest_to_the_highest(values: list[float], bars: str) -> None:
    assert sparkline(values, width=2 if len(values) == 3 else 24) == bars
