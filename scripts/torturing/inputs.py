"""Odd input: each ends in an exact, finite coreset, or in one line of error that leaves nothing."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from torturing.cases import Case, make_run
from torturing.numbers import number_cases
from torturing.odd_data import odd_input
from torturing.program import Account


def try_inputs(root: Path, count: int, seed_number: int, account: Account) -> None:
    """Tries odd input.

    Args:
        root: An empty folder.
        count: How many inputs: half of them one setting of all with one value of all, half of them drawn.
        seed_number: Decides which.
        account: What came of it is added here.
    """
    runs, scratch = root / "runs", root / "scratch"
    runs.mkdir()
    scratch.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # each warning is a line too many, also the second time
        make_run(runs)
        every = list(number_cases(runs))
        chosen = np.random.default_rng(seed_number).permutation(len(every))[: count // 2]
        for case in [every[i] for i in chosen] + list(drawn(odd_input(runs), count - len(chosen), seed_number)):
            account.note(f"inputs, {case.kind}", _line(case), case.fault(scratch))


def drawn(strategy: SearchStrategy[Case], count: int, seed_number: int) -> Sequence[Case]:
    """Draws cases; the same for the same seed."""
    cases: list[Case] = []

    @seed(seed_number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(case: Case) -> None:
        cases.append(case)

    take()
    return cases


def _line(case: Case) -> str:
    return ascii(" ".join(case.arguments)) if len(str(case.arguments)) < 1000 else ascii(case.arguments)[:1000]
