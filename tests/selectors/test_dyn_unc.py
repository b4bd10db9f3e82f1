import statistics
from collections.abc import Callable

import pytest
import torch

from rlsel.errors import ConfigurationError
from rlsel.selectors.base import Scores, Selector
from rlsel.selectors.dyn_unc import DynUnc, dynamic_uncertainty


@pytest.mark.parametrize(("epochs", "window"), [(12, 5), (7, 7), (4, 10)])
def test_it_agrees_with_a_loop_over_windows(epochs: int, window: int) -> None:
    probability = torch.rand(epochs, 6, generator=torch.Generator().manual_seed(0))
    for i, score in enumerate(dynamic_uncertainty(probability, window=window).tolist()):
        path = probability[:, i].tolist()
        width = min(window, epochs)
        deviations = [statistics.stdev(path[k : k + width]) for k in range(epochs - width + 1)]
        assert score == pytest.approx(statistics.mean(deviations), rel=1e-5)


def test_what_moves_within_windows_is_kept_before_what_drifts_slowly() -> None:
    epochs = torch.arange(20.0)
    steady, drifting, jumping = torch.full((20,), 0.9), 0.3 + 0.02 * epochs, 0.5 + 0.4 * (epochs % 2)
    scores = dynamic_uncertainty(torch.stack([steady, drifting, jumping], dim=1), window=5)
    assert scores.argsort().tolist() == [0, 1, 2]
    assert float(scores[0]) == pytest.approx(0, abs=1e-6)


def test_a_window_of_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"selector\.window must be an integer of at least 2"):
        DynUnc(window=1)


def test_scores_of_a_training(scores_of: Callable[[Selector], Scores]) -> None:
    scores = scores_of(DynUnc())
    assert (scores.values >= 0).all()
    assert scores.hardness is not None
    assert len(scores.values.unique()) > 45
