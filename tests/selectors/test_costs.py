from __future__ import annotations

from typing import Any

import pytest

from rlsel.errors import ConfigurationError
from rlsel.planted import planted_task
from rlsel.selectors import costs
from rlsel.selectors.base import Selector
from rlsel.selectors.costs import announce_cost, pair_seconds
from rlsel.selectors.d2 import D2
from rlsel.selectors.herding import Herding
from rlsel.selectors.k_center import KCenter


def test_pairs_are_counted_within_groups() -> None:
    # (100 + 400) pairs * (3 dimensions * 2 s + 1 s)
    assert pair_seconds([10, 20], dimensions=3, per_pair=1.0, per_product=2.0) == 3500


def test_only_a_long_wait_is_announced(reporter: Any) -> None:
    announce_cost(reporter, "herding", seconds=9, megabytes=5)
    assert reporter.notes == []
    announce_cost(reporter, "herding", seconds=30, megabytes=5)
    announce_cost(reporter, "herding", seconds=600, megabytes=5)
    assert reporter.notes == [
        "herding: about 30 s on one core and 5 MB of memory",
        "herding: about 10 min on one core and 5 MB of memory",
    ]


def test_more_pairs_than_a_method_can_look_at_are_refused_with_the_size_that_works() -> None:
    costs.require_few_pairs("herding", [10**5] * 10, remedy="give finer classes")
    # the root of 10^11 / 2
    expected = r"selector=herding must be for 2 groups of up to 223606 samples each, .* got 400000: give finer classes"
    with pytest.raises(ConfigurationError, match=expected):
        costs.require_few_pairs("herding", [400_000, 10], remedy="give finer classes")


@pytest.mark.parametrize("selector", [KCenter(), KCenter(per_class=False), Herding(), D2()])
def test_they_are_refused_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch, selector: Selector) -> None:
    monkeypatch.setattr(costs, "MOST_PAIRS", 100)
    with pytest.raises(ConfigurationError, match=f"selector={selector.name} must be for .* groups of up to"):
        selector.needs(planted_task())
