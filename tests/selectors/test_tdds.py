import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from rlsel.errors import ConfigurationError
from rlsel.selectors.base import Observed, Scores, SelectionTask, Selector
from rlsel.selectors.tdds import TDDS, temporal_dual_depth
from rlsel.training.dynamics import TrainingDynamics
from rlsel.training.settings import TrainingSettings


def slow_reference(path: list[float], *, window: int, decay: float) -> float:
    """One sample; `path[t]` compares epoch t with the one before, `path[0]` with nothing."""
    epochs = len(path)
    total = 0.0
    for k in range(epochs - window + 1):
        within = [path[t] for t in range(k + 1, k + window)]
        mean = sum(within) / len(within)
        total += decay * (1 - decay) ** (epochs - window - k) * math.sqrt(sum((d - mean) ** 2 for d in within))
    return total


@pytest.mark.parametrize(("epochs", "window", "decay"), [(12, 5, 0.9), (12, 12, 0.9), (9, 3, 0.4), (5, 10, 0.9)])
def test_it_agrees_with_a_loop_over_windows(epochs: int, window: int, decay: float) -> None:
    divergence = torch.rand(epochs, 6, generator=torch.Generator().manual_seed(0))
    for i, score in enumerate(temporal_dual_depth(divergence, window=window, decay=decay).tolist()):
        expected = slow_reference(divergence[:, i].tolist(), window=min(window, epochs), decay=decay)
        assert score == pytest.approx(expected, rel=1e-5)


def test_hand_worked_depth() -> None:
    # T = 4, J = 3: windows hold divergences (1, 3) and (3, 7); norms of the deviations √2 and √8;
    # weights 0.9 · 0.1 and 0.9
    divergence = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    expected = 0.09 * math.sqrt(2) + 0.9 * math.sqrt(8)
    assert float(temporal_dual_depth(divergence, window=3, decay=0.9)) == pytest.approx(expected)


def test_a_steady_change_has_no_depth() -> None:
    assert float(temporal_dual_depth(torch.full((8, 1), 0.5), window=4, decay=0.9)) == pytest.approx(0, abs=1e-6)


def test_the_first_row_compares_with_nothing_and_is_not_used() -> None:
    divergence = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    changed = divergence.clone()
    changed[0] = 100.0
    depths = [temporal_dual_depth(path, window=3, decay=0.9) for path in (divergence, changed)]
    assert torch.equal(*depths)


def test_only_the_first_epochs_are_looked_at(tiny_task: SelectionTask) -> None:
    divergence = torch.rand(8, 90, generator=torch.Generator().manual_seed(0))
    zeros = torch.zeros(8, 90)
    dynamics = TrainingDynamics(
        probability=zeros,
        margin=zeros,
        error_norm=zeros,
        correct=zeros.bool(),
        divergence=divergence,
        other_margin=zeros,
    )
    values = TDDS(epochs=5, window=3).score(tiny_task, Observed(dynamics=dynamics)).values
    assert torch.equal(values, temporal_dual_depth(divergence[:5], window=3, decay=0.9))


def test_settings_out_of_range_are_refused(tiny_task: SelectionTask) -> None:
    for field, value in (("epochs", 2), ("window", 2), ("decay", 1.0)):
        with pytest.raises(ConfigurationError, match=rf"selector\.{field} must be"):
            TDDS(**{field: value})
    with pytest.raises(ConfigurationError, match=r"training\.epochs must be at least 3"):
        TDDS().needs(replace(tiny_task, training=TrainingSettings(epochs=2)))


def test_scores_of_a_training(scores_of: Callable[[Selector], Scores]) -> None:
    scores = scores_of(TDDS())
    assert (scores.values >= 0).all()
    assert scores.hardness is not None
    assert len(scores.values.unique()) > 45
