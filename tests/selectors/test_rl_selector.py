from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from rlsel.cover.settings import CoverSettings
from rlsel.errors import ConfigurationError, DataError
from rlsel.export import ExportSettings, choose, resolve
from rlsel.policy.a2c import A2C
from rlsel.policy.dqn import DQN
from rlsel.policy.mdp import PolicySpec
from rlsel.policy.optimum import calibration_temperature
from rlsel.policy.ppo import PPO
from rlsel.policy.rewards import Dynamics, Paper
from rlsel.selection import Wanted, select_from
from rlsel.selectors.aum import AUM
from rlsel.selectors.base import FINAL, Observed, Scores, SelectionTask, Selector, depends_on_ratio, for_ratio
from rlsel.selectors.policy_learner import PolicyLearner
from rlsel.selectors.rl_selector import RLSelector
from rlsel.selectors.rl_selector_finetuned import RLSelectorFinetuned
from rlsel.selectors.target_training import SharedTraining

FeatureTask = Callable[..., SelectionTask]


def on_own_features(selector: RLSelector, task: SelectionTask) -> Scores:
    [observed] = SharedTraining(task=task, needs=[selector.needs(task)]).run()
    return selector.score(task, observed)


def kept(selector: RLSelector, scores: Scores, task: SelectionTask, export: ExportSettings, ratio: float) -> Tensor:
    return torch.from_numpy(
        choose(
            scores.values.numpy(),
            kind=scores.kind,
            ratio=ratio,
            settings=resolve(export, selector.export),
            labels=task.labels.numpy(),
            hardness=None,
            seed=task.seed,
            policy=scores.policy,
        )
    )


def with_duplicates() -> tuple[Tensor, Tensor, Tensor]:
    """Features and labels of 400 samples, and which sixty of them are planted near duplicates, thirty a class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 2
    features = torch.randn(400, 6, generator=generator)
    features[labels == 1] += 3
    planted = torch.arange(400) < 60
    for label in (0, 1):
        copies = planted & (labels == label)
        features[copies] = features[copies][0] + 0.02 * torch.randn(30, 6, generator=generator)
    return features, labels, planted


@pytest.mark.parametrize(
    "policy", [A2C(), A2C(distribution="beta"), PPO(), DQN()], ids=["bernoulli", "beta", "ppo", "dqn"]
)
def test_planted_duplicates_are_dropped_more_than_chance(feature_task: FeatureTask, policy: PolicySpec) -> None:
    features, labels, planted = with_duplicates()
    task = feature_task(labels, features=features)
    selector = RLSelector(policy=policy, ratio=0.5, rollout=100, settle_passes=10)
    scores = on_own_features(selector, task)
    assert scores.policy
    assert scores.kind == "logit"
    thresholded = kept(selector, scores, task, ExportSettings(mode="threshold"), 0.5)
    assert len(thresholded) == 200
    # chance keeps one half of them; 30 ± 4 of 60 by the hypergeometric distribution
    assert int(planted[thresholded].sum()) < 10
    # of what is drawn with the default export, the mean of twenty draws: chance has 30 ± 0.9
    draws = [kept(selector, scores, replace(task, seed=seed), ExportSettings(), 0.5) for seed in range(20)]
    assert {len(drawn) for drawn in draws} == {200}
    assert sum(int(planted[drawn].sum()) for drawn in draws) / 20 < 26


def test_needs(tiny_task: SelectionTask) -> None:
    needs = RLSelector().needs(tiny_task)
    assert needs.training
    assert needs.clean_epochs == {FINAL}
    own = replace(tiny_task, features=torch.randn(90, 3))
    assert not RLSelector().needs(own).training
    assert RLSelector().needs(own).clean_epochs == frozenset()


@pytest.mark.parametrize("selector", [RLSelector(), RLSelector(reward=Dynamics(), state="features")])
def test_beside_a_training_it_ends_at_the_ratio(
    scores_of: Callable[[Selector], Scores], selector: RLSelector, reporter: Any
) -> None:
    every_epoch = CoverSettings(refresh_every=1)
    quick = for_ratio(replace(selector, cover=every_epoch, settle_passes=3, rollout=32), 0.3)
    scores = scores_of(quick)
    assert int((scores.values > 0).sum()) == 27
    rows: list[Mapping[str, float]] = reporter.measurements
    assert len(rows) == 3
    assert "share_kept" not in rows[0]
    assert all(row.keys() >= {"share_kept", "price", "coverage_correlation", "redundancy_reward"} for row in rows[1:])
    assert -1 <= rows[2]["coverage_correlation"] <= 1


def test_each_ratio_has_its_own_policy(tiny_task: SelectionTask) -> None:
    assert depends_on_ratio(RLSelector())
    quick = RLSelector(settle_passes=3, rollout=32)
    methods = [for_ratio(quick, ratio) for ratio in (0.3, 0.8)]
    observed = SharedTraining(task=tiny_task, needs=[method.needs(tiny_task) for method in methods]).run()
    low, high = (method.score(tiny_task, seen).values for method, seen in zip(methods, observed, strict=True))
    assert (int((low > 0).sum()), int((high > 0).sum())) == (27, 72)


@pytest.mark.parametrize("own_features", [False, True])
def test_ratios_up_to_one_half_share_a_policy(tiny_task: SelectionTask, own_features: bool) -> None:
    features = torch.randn(90, 5, generator=torch.Generator().manual_seed(0)) if own_features else None
    task = replace(tiny_task, features=features)
    methods = [for_ratio(RLSelector(settle_passes=3, rollout=32), ratio) for ratio in (0.2, 0.5, 0.8)]
    observed = SharedTraining(task=task, needs=[method.needs(task) for method in methods]).run()
    assert observed[0].observer is observed[1].observer
    assert observed[0].observer is not observed[2].observer
    together = [method.score(task, seen) for method, seen in zip(methods, observed, strict=True)]
    for method, scores in zip(methods, together, strict=True):
        assert torch.equal(scores.values, on_own_features(method, task).values)
    # the second is charged for the learning that it found done
    assert [scores.shared_seconds > 0 for scores in together] == [False, True, False]


def test_each_ratio_has_its_own_literal_policy(tiny_task: SelectionTask) -> None:
    methods = [RLSelector(reward=Paper(), ratio=ratio) for ratio in (0.2, 0.5)]
    observed = SharedTraining(task=tiny_task, needs=[method.needs(tiny_task) for method in methods]).run()
    assert observed[0].observer is not observed[1].observer


def test_fine_tuned_ratios_share_the_policy_that_they_start_from(tiny_task: SelectionTask) -> None:
    methods = [RLSelectorFinetuned(ratio=ratio, epochs=2) for ratio in (0.2, 0.8)]
    observed = SharedTraining(task=tiny_task, needs=[method.needs(tiny_task) for method in methods]).run()
    assert observed[0].observer is observed[1].observer
    together = [method.score(tiny_task, seen) for method, seen in zip(methods, observed, strict=True)]
    for method, scores in zip(methods, together, strict=True):
        [seen] = SharedTraining(task=tiny_task, needs=[method.needs(tiny_task)]).run()
        assert torch.equal(scores.values, method.score(tiny_task, seen).values)


def test_a_training_that_only_others_need_changes_nothing(tiny_task: SelectionTask) -> None:
    features = torch.randn(90, 5, generator=torch.Generator().manual_seed(0))
    task = replace(tiny_task, features=features)
    selector, other = RLSelector(settle_passes=3, rollout=32), AUM()
    alone = on_own_features(selector, task)
    observed = SharedTraining(task=task, needs=[selector.needs(task), other.needs(task)]).run()
    assert observed[1].dynamics is not None
    assert torch.equal(selector.score(task, observed[0]).values, alone.values)


def test_the_actions_weight_the_target(tiny_task: SelectionTask) -> None:
    weighted = replace(tiny_task, training=replace(tiny_task.training, weighting="policy"))
    selector = RLSelector(settle_passes=1, rollout=32)
    found = []
    for task in (tiny_task, weighted, weighted):
        [observed] = SharedTraining(task=task, needs=[selector.needs(task)]).run()
        assert isinstance(observed.observer, PolicyLearner)
        found.append(observed.clean[FINAL].logits)
    assert not torch.equal(found[0], found[1])
    assert torch.equal(found[1], found[2])


def test_it_needs_its_own_learner(tiny_task: SelectionTask) -> None:
    with pytest.raises(TypeError, match="learner that its needs"):
        RLSelector().score(tiny_task, Observed())


def test_features_that_are_no_numbers_are_refused(feature_task: FeatureTask) -> None:
    task = feature_task(torch.tensor([0, 0, 1, 1]), features=torch.full((4, 2), float("inf")))
    with pytest.raises(DataError, match="features must be finite"):
        on_own_features(RLSelector(), task)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"state": "history"}, r"selector\.state must be one of features, features\+history, got 'history'"),
        ({"rollout": 0}, r"selector\.rollout must be an integer of at least 1, got 0"),
        ({"price_rate": -1}, r"selector\.price_rate must be a number in \[0, inf\), got -1"),
        ({"warmup_epochs": 0}, r"selector\.warmup_epochs must be an integer of at least 1"),
        ({"settle_passes": -1}, r"selector\.settle_passes must be an integer of at least 0"),
        ({"checkpoint": "best"}, r"selector\.checkpoint must be one of best_r2, last, got 'best'"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RLSelector(**settings)


def test_below_one_half_the_the_order_stays(feature_task: FeatureTask) -> None:
    features, labels, _ = with_duplicates()
    task = feature_task(labels, features=features)
    logits = {
        ratio: on_own_features(RLSelector(ratio=ratio, rollout=100), task).values for ratio in (0.1, 0.3, 0.5, 0.7)
    }
    for ratio in (0.1, 0.3):
        assert logits[ratio].argsort().equal(logits[0.5].argsort())
        assert int((logits[ratio] > 0).sum()) == 400 * ratio
        # closer together: the temperature is higher
        warmer = calibration_temperature(ratio, 200 * ratio)
        assert float(logits[ratio].std() * warmer) == pytest.approx(float(logits[0.5].std()), rel=0.05)
    assert float((logits[0.7] - logits[0.5]).std()) > 1e-3


def test_what_says_nothing_is_not_exported_in_silence(feature_task: FeatureTask, reporter: Any) -> None:
    task = feature_task(torch.arange(40) % 2, features=torch.ones(40, 3))
    wanted = Wanted(selector=RLSelector(), ratio=0.7, export=resolve(ExportSettings(), RLSelector.export))
    assert len(list(select_from(task, [wanted]))) == 1
    warnings = [note for note in reporter.notes if note.startswith("warning: ")]
    assert warnings[0].startswith("warning: the features are the same for all 40 samples")
    assert warnings[1].startswith("warning: the policy collapsed: it judges all samples alike")
