"""Requests that no command line has checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlsel.commands.requests import ApplyRequest, FinetuneRequest, SelectRequest
from rlsel.errors import ConfigurationError
from rlsel.runs.settings import RunSettings
from rlsel.selectors.random import Random
from rlsel.selectors.rl_selector import RLSelector

MAKERS: list[Callable[..., Any]] = [
    lambda settings, ratios: SelectRequest(settings=settings, selectors=(Random(),), ratios=ratios),
    lambda settings, ratios: FinetuneRequest(run=Path("run"), settings=settings, selector=RLSelector(), ratios=ratios),
    lambda settings, ratios: ApplyRequest(run=Path("run"), settings=settings, selector=RLSelector(), ratios=ratios),
]


@pytest.mark.parametrize("make", MAKERS, ids=["select", "finetune-ratio", "apply"])
@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ((2.0, 0.5), r"ratio must be a number in \(0, 1\], got 2\.0"),
        ((0.5, 0.0), r"ratio must be a number in \(0, 1\], got 0\.0"),
        ((float("nan"),), r"ratio must be a number in \(0, 1\], got nan"),
        ((True,), r"ratio must be a number in \(0, 1\], got True"),
        ((0.5, 0.5), "ratio must name each ratio once, got 0.5 twice"),
        ((), r"ratio must be a number in \(0, 1\] or a list of such, got '\[\]'"),
    ],
)
def test_ratios_are_checked(settings: RunSettings, make: Callable[..., Any], ratios: Any, message: str) -> None:
    assert make(settings, (0.5, 1.0)).ratios == (0.5, 1.0)
    with pytest.raises(ConfigurationError, match=message):
        make(settings, ratios)


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        ((), r"selectors must be a list of at least one, got '\[\]'"),
        ((Random(), RLSelector(), Random()), "selectors must name each once, got random twice"),
        ((RLSelector(), RLSelector(rollout=3)), "selectors must name each once, got rl_selector twice"),
    ],
)
def test_selectors_are_checked(settings: RunSettings, selectors: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SelectRequest(settings=settings, selectors=selectors, ratios=(0.5,))
