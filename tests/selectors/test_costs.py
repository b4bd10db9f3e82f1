from __future__ import annotations

from typing import Any

from rlsel.selectors.costs import announce_cost, pair_seconds


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
