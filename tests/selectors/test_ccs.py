from collections.abc import Callable

import numpy as np
import pytest
import torch

from rlsel.export import ExportSettings, choose, resolve
from rlsel.selectors.aum import AUM
from rlsel.selectors.base import Scores, Selector, for_ratio
from rlsel.selectors.ccs import CCS, hard_cutoff
from rlsel.strata import STRATA, strata


@pytest.mark.parametrize(("ratio", "cutoff"), [(1.0, 0), (0.7, 0), (0.5, 0), (0.3, 0.1), (0.2, 0.1), (0.1, 0.3)])
def test_the_cutoff_is_the_papers_for_cifar10(ratio: float, cutoff: float) -> None:
    assert hard_cutoff(ratio) == pytest.approx(cutoff)


def test_the_cutoff_is_interpolated_and_ends_at_the_last_value() -> None:
    assert hard_cutoff(0.4) == pytest.approx(0.05)  # 60 % pruned: midway between 0 at 50 % and 0.1 at 70 %
    assert hard_cutoff(0.15) == pytest.approx(0.2)
    assert hard_cutoff(0.01) == pytest.approx(0.3)


def test_the_export_follows_the_ratio_and_the_user_wins() -> None:
    selector = for_ratio(CCS(), 0.1)
    default = resolve(ExportSettings(), selector.export)
    assert (default.mode, default.trim_hardest) == ("stratified", pytest.approx(0.3))
    assert resolve(ExportSettings(trim_hardest=0.0), selector.export).trim_hardest == 0


def test_it_covers_the_range_without_the_hardest() -> None:
    difficulty = np.random.default_rng(0).beta(0.5, 3, size=3000).astype(np.float32)  # most samples are easy
    chosen = choose(
        difficulty,
        kind="score",
        ratio=0.1,
        settings=resolve(ExportSettings(), CCS(ratio=0.1).export),
        labels=np.zeros(3000, dtype=np.int64),
        hardness=difficulty,
        seed=0,
        policy=False,
    )
    assert len(chosen) == 300
    easiest = np.sort(np.argsort(difficulty)[:2100])  # without the hardest 30 %
    assert set(chosen) <= set(easiest)
    kept = np.isin(easiest, chosen)
    # 300 over 50 strata are 6 each, and more where a small stratum cannot use its part
    sizes = np.bincount(strata(difficulty[easiest]), minlength=STRATA)
    counts = np.bincount(strata(difficulty[easiest])[kept], minlength=STRATA)
    assert (counts >= np.minimum(sizes, 6)).all()


def test_it_is_as_difficult_as_aum(scores_of: Callable[[Selector], Scores]) -> None:
    scores = scores_of(CCS(ratio=0.3))
    assert torch.equal(scores.values, scores_of(AUM()).values)
    assert scores.hardness is not None
    assert torch.equal(scores.hardness, scores.values)
