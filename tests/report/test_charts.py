import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlsel.report.charts import Scale, band, ends_of, histogram, outline, path

FINITE = st.floats(-1e6, 1e6)


@given(values=st.lists(FINITE, min_size=1, max_size=20))
def test_an_axis_holds_all_values_and_has_some_round_ticks(values: list[float]) -> None:
    scale = Scale.around(values, 10, 110)
    assert scale.low < scale.high
    length = scale.high - scale.low
    # up to the rounding of a division
    assert scale.low <= min(values) + 1e-9 * length
    assert scale.high >= max(values) - 1e-9 * length
    assert 2 <= len(scale.ticks) <= 12
    assert all(10 <= scale.at(value) <= 110 for value in values)


def test_places_run_from_start_to_end() -> None:
    up = Scale(low=0, high=4, start=100, end=0)
    assert [up.at(value) for value in (0, 1, 4)] == [100, 75, 0]
    assert Scale.around([0.1, 0.6], 0, 1).ticks == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_lines_bands_and_bars_are_paths() -> None:
    across, up = Scale(low=0, high=2, start=0, end=20), Scale(low=0, high=1, start=10, end=0)
    assert path([(0, 0), (2, 1)], across, up) == "M0.0 10.0L20.0 0.0"
    assert band([(0, 0), (2, 0)], [(0, 1), (2, 1)], across, up) == "M0.0 10.0L20.0 10.0L20.0 0.0L0.0 0.0Z"
    assert outline([1, 2], 2, 20, 10) == "M0 10L0.0 5.0L10.0 5.0L10.0 0.0L20.0 0.0L20 10Z"


def test_a_histogram_counts_everything_once() -> None:
    values = np.array([0.0, 0.5, 1.0, 9.0], np.float32)
    counts = histogram(values, np.array([True, False, True, False]), (0.0, 1.0))
    assert (counts.kept[0], counts.kept[-1], counts.dropped[12], counts.dropped[-1]) == (1, 1, 1, 1)
    assert sum(counts.kept) + sum(counts.dropped) == 4
    assert counts.most == 1


def test_equal_values_have_a_histogram_around_them() -> None:
    assert ends_of(np.full(5, 3.0, np.float32)) == (2.5, 3.5)
