"""What a selector of one's own may return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from rlsel.errors import ConfigurationError
from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses, gives_keep_logits, scored, uses
from rlsel.selectors.rl_selector import RLSelector
from rlsel.selectors.rl_selector_finetuned import RLSelectorFinetuned
from rlsel.selectors.static_reward import StaticReward

RAMP = list(range(90))


@dataclass(frozen=True)
class Own:
    """A selector of the user's own, which returns whatever it is given."""

    name: ClassVar[str] = "own"
    export: ClassVar[ExportSettings] = ExportSettings()

    returned: Any = field(hash=False)

    def needs(self, task: SelectionTask) -> Needs:
        return Needs()

    def score(self, task: SelectionTask, observed: Observed) -> Any:
        return self.returned


@pytest.mark.parametrize(
    "returned",
    [
        np.arange(90, dtype=np.float32),
        np.arange(90),
        np.arange(90, dtype=np.uint8),
        np.arange(90, dtype=np.float16),
        np.arange(90, dtype=">f8"),
        np.arange(180)[::2] / 2,
        np.arange(89, -1, -1)[::-1],
        torch.arange(90),
        torch.arange(90, dtype=torch.bfloat16),
        torch.arange(90, dtype=torch.float64, requires_grad=True),
    ],
    ids=lambda returned: f"{type(returned).__name__} {returned.dtype}",
)
@pytest.mark.parametrize("in_scores", [False, True])
def test_numbers_of_any_real_type_become_scores(tiny_task: SelectionTask, returned: Any, in_scores: bool) -> None:
    scores = scored(Own(Scores(values=returned) if in_scores else returned), tiny_task, Observed())
    assert scores.values.dtype == torch.float32
    assert not scores.values.requires_grad
    assert scores.values.tolist() == RAMP
    assert (scores.kind, scores.policy, scores.hardness) == ("score", False, None)


def test_the_array_of_the_selector_stays_its_own(tiny_task: SelectionTask) -> None:
    returned = np.arange(90, dtype=np.float32)
    scores = scored(Own(returned), tiny_task, Observed())
    returned[:] = 0
    assert scores.values.tolist() == RAMP


def test_the_hardness_may_be_an_array_too() -> None:
    scores = Scores(values=np.array([1, 2]), hardness=np.array([0.5, 0.25]))
    assert scores.hardness is not None
    assert (scores.hardness.tolist(), scores.hardness.dtype) == ([0.5, 0.25], torch.float32)


def test_a_hardness_of_other_samples_is_refused(tiny_task: SelectionTask) -> None:
    wrong = Scores(values=np.zeros(90), hardness=np.zeros(89))
    with pytest.raises(ConfigurationError, match="hardness must be one number for each of the 90 samples, got 89"):
        scored(Own(wrong), tiny_task, Observed())


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.zeros((90, 1)), r"must be one real number for each sample, \(N,\), got \(90, 1\) float64"),
        (np.float64(3), r"must be one real number for each sample, \(N,\), got \(\) float64"),
        (torch.zeros(90, 3), r"must be one real number for each sample, \(N,\), got \(90, 3\) float32"),
        (np.zeros(89), "must be one number for each of the 90 samples, got 89"),
        (np.zeros(90, dtype=complex), r"must be one real number for each sample, \(N,\), got \(90,\) complex128"),
        (torch.zeros(90) > 0, r"must be one real number for each sample, \(N,\), got \(90,\) bool"),
        (np.array(["a"] * 90), "must be a tensor or an array of one number for each sample, got 'ndarray'"),
        (np.array([0, np.nan, *range(88)]), "must be finite in float32, got nan for sample 1"),
        (torch.tensor([float("-inf"), *range(89)]), "must be finite in float32, got -inf for sample 0"),
        (np.array([1e300, *range(89)]), r"must be finite in float32, got 1e\+300 for sample 0"),
        (None, "must be a tensor or an array of one number for each sample, got 'NoneType'"),
    ],
)
def test_what_is_not_one_number_for_each_sample_is_refused(
    tiny_task: SelectionTask, returned: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^selector=own: scores {message}$"):
        scored(Own(returned), tiny_task, Observed())


def test_what_a_selector_does_not_say_of_itself() -> None:
    assert uses(Own(None)) == Uses(target=True, target_beside_features=True, features=True)
    assert not gives_keep_logits(Own(None))


def test_the_policies_are_those_that_learn_one() -> None:
    assert [gives_keep_logits(cls()) for cls in (RLSelector, RLSelectorFinetuned, StaticReward)] == [True, True, False]
