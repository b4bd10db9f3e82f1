from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from rlsel.cover.coverage import coverage, standardise_within_classes
from rlsel.cover.settings import CoverSettings
from rlsel.errors import ConfigurationError
from rlsel.policy.optimum import calibration_temperature
from rlsel.policy.rewards import Cover, Dynamics, Paper, PaperScalar, Reward, doubt, hardness, never_learned
from rlsel.selectors.aum import AUM
from rlsel.selectors.base import FINAL, Needs, Observed, Recording, Scores, SelectionTask, Selector, for_ratio
from rlsel.selectors.evidence import behaviour_of
from rlsel.selectors.rl_selector import RLSelector
from rlsel.selectors.static_reward import StaticReward
from rlsel.selectors.target_training import SharedTraining
from rlsel.training.observation import BatchObservation, EpochEnd

FeatureTask = Callable[..., SelectionTask]


def standardised_cover(features: Tensor, labels: Tensor) -> Tensor:
    return standardise_within_classes(coverage(features, labels, num_classes=3), labels, num_classes=3)


def on_own_features(selector: StaticReward, task: SelectionTask) -> Scores:
    [observed] = SharedTraining(task=task, needs=[selector.needs(task)]).run()
    return selector.score(task, observed)


@pytest.mark.parametrize(("temperature", "cap"), [(0.5, 3.0), (2.0, 0.8)])
def test_logits_are_the_merit_over_the_temperature(feature_task: FeatureTask, temperature: float, cap: float) -> None:
    # class 0 at 0, 1, 2 and 6 has sums 9, 7, 7 and 15; class 1 is symmetric and has 6, 4 and 6
    features = torch.tensor([[0.0], [1.0], [2.0], [6.0], [10.0], [12.0], [14.0]])
    task = feature_task(torch.tensor([0, 0, 0, 0, 1, 1, 1]), features=features)
    sums = torch.tensor([9.0, 7, 7, 15]), torch.tensor([6.0, 4, 6])
    standardised = torch.cat([(part - part.mean()) / part.std(correction=0) for part in sums])
    merit = (standardised / standardised.std()).clamp(-cap, cap)
    scores = on_own_features(StaticReward(reward=Cover(cap=cap), temperature=temperature), task)
    torch.testing.assert_close(scores.values, merit / temperature)
    assert scores.kind == "logit"
    assert not scores.policy


def test_the_cover_is_the_mean_over_the_training_in_which_each_epoch_counts_once(tiny_task: SelectionTask) -> None:
    measured: list[Tensor] = []

    @dataclass
    class Witness:
        """Standardises the cover of the bank's features at the end of each epoch."""

        recording: Recording

        def on_batch(self, batch: BatchObservation) -> None:
            return

        def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
            measured.append(standardised_cover(self.recording.bank.features, tiny_task.labels))
            return {}

        def state_dict(self) -> dict[str, Any]:
            return {}

        def load_state_dict(self, state: Mapping[str, Any]) -> None:
            return

    selector = StaticReward(reward=Cover(), cover=CoverSettings(refresh_every=1), temperature=0.5)
    needs = [selector.needs(tiny_task), Needs(training=True, watch=Witness)]
    observed = SharedTraining(task=tiny_task, needs=needs).run()
    assert len(measured) == 3
    measured.append(standardised_cover(observed[0].clean[FINAL].features, tiny_task.labels))
    mean = torch.stack(measured).mean(dim=0)
    expected = (mean / mean.std()).clamp(-3, 3) / 0.5
    # float32 means in another order
    torch.testing.assert_close(selector.score(tiny_task, observed[0]).values, expected, rtol=1e-4, atol=1e-4)


def test_the_hardness_is_that_of_the_training(
    tiny_task: SelectionTask, scores_of: Callable[[Selector], Scores]
) -> None:
    selector = StaticReward(reward=Dynamics(), temperature=0.5)
    [observed] = SharedTraining(task=tiny_task, needs=[selector.needs(tiny_task)]).run()
    assert observed.dynamics is not None
    behaviour = behaviour_of(observed.dynamics, tiny_task.labels, tiny_task.dataset.num_classes)
    expected = (hardness(behaviour, cap=1.5) - 1.5 * doubt(behaviour)) / 0.5
    torch.testing.assert_close(scores_of(selector).values, expected)


def test_a_small_choice_is_warmer_and_without_what_was_never_learned(tiny_task: SelectionTask) -> None:
    selector = StaticReward()
    [observed] = SharedTraining(task=tiny_task, needs=[selector.needs(tiny_task)]).run()
    assert observed.dynamics is not None
    behaviour = behaviour_of(observed.dynamics, tiny_task.labels, tiny_task.dataset.num_classes)
    demoted = never_learned(behaviour, 0.1)
    assert 0 < demoted.sum() < 90
    half, tenth = (for_ratio(selector, ratio).score(tiny_task, observed).values for ratio in (0.5, 0.1))
    warmer = calibration_temperature(0.1, 0.1 * 90 / tiny_task.dataset.num_classes)
    torch.testing.assert_close(half[~demoted] / warmer, tenth[~demoted])
    assert tenth[demoted].max() < tenth[~demoted].min() - 3
    assert selector.export == RLSelector().export


@pytest.mark.parametrize("reward", [Cover(), Dynamics()])
def test_own_features_need_no_training(feature_task: FeatureTask, reward: Reward) -> None:
    task = feature_task(torch.tensor([0, 0, 1, 1]), features=torch.randn(4, 2))
    assert not StaticReward(reward=reward).needs(task).training


def test_a_training_that_only_others_need_changes_nothing(tiny_task: SelectionTask) -> None:
    features = torch.randn(90, 5, generator=torch.Generator().manual_seed(0))
    # a mean over three measurements is rounded, where one over four would not show
    task = replace(tiny_task, features=features, training=replace(tiny_task.training, epochs=2))
    selector, other = StaticReward(), AUM()
    observed = SharedTraining(task=task, needs=[selector.needs(task), other.needs(task)]).run()
    assert observed[1].dynamics is not None
    assert torch.equal(selector.score(task, observed[0]).values, on_own_features(selector, task).values)


@pytest.mark.parametrize("reward", [Paper(), PaperScalar()])
def test_a_reward_without_credit_for_each_sample_is_refused(reward: Reward) -> None:
    with pytest.raises(ConfigurationError, match=f"gives credit to each sample, got reward={reward.name}: use"):
        StaticReward(reward=reward)


def test_it_needs_its_own_evidence(tiny_task: SelectionTask) -> None:
    with pytest.raises(TypeError, match="evidence that its needs"):
        StaticReward().score(tiny_task, Observed())
    with pytest.raises(ConfigurationError, match=r"selector\.temperature must be a number in \(0, inf\), got 0"):
        StaticReward(temperature=0)
