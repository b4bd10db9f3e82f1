from dataclasses import replace

import numpy as np
import pytest
import torch

from rlsel.commands.finetune_ratio import finetune_ratio
from rlsel.commands.requests import FinetuneRequest, SelectRequest
from rlsel.commands.select import select
from rlsel.data.digits import Digits
from rlsel.data.variation import Variation
from rlsel.errors import ConfigurationError
from rlsel.models.small_cnn import SmallCNN
from rlsel.policy.ppo import PPO
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.base import Observed, Recording, SelectionTask
from rlsel.selectors.rl_selector import RLSelector
from rlsel.selectors.rl_selector_finetuned import RLSelectorFinetuned
from rlsel.selectors.target_training import SharedTraining
from rlsel.training.reporting import SilentReporter
from rlsel.training.settings import TrainingSettings

SETTINGS = RunSettings(
    dataset=Digits(),
    variation=Variation(train_size=200, test_size=50),
    model=SmallCNN(width=4),
    training=TrainingSettings(epochs=3, batch_size=32),
    seed=1,
)


def test_it_is_finetune_ratio_after_select_byte_for_byte(tmp_path) -> None:
    def chosen(name, selector, ratio):
        request = SelectRequest(
            settings=SETTINGS,
            selectors=(selector,),
            ratios=(ratio,),
            options=RunOptions(run_dir=tmp_path / name),
        )
        return select(request, SilentReporter())

    policy = PPO(learning_rate=0.01)
    first = chosen("first", RLSelector(policy=policy), 0.8)
    second = finetune_ratio(
        FinetuneRequest(
            run=first,
            settings=SETTINGS,
            selector=RLSelector(policy=policy),
            ratios=(0.4,),
            epochs=4,
            options=RunOptions(run_dir=tmp_path / "second"),
        ),
        SilentReporter(),
    )
    at_once = chosen("at_once", RLSelectorFinetuned(policy=policy, from_ratio=0.8, epochs=4), 0.4)
    for name in ("scores.npy", "indices.npy"):
        assert (at_once / name).read_bytes() == (second / name).read_bytes()
    anew = chosen("anew", RLSelector(policy=policy), 0.4)
    assert not np.array_equal(np.load(anew / "scores.npy"), np.load(at_once / "scores.npy"))
    # the policy that it could store is that of another ratio
    assert (anew / "policy.safetensors").exists()
    assert not (at_once / "policy.safetensors").exists()


def test_what_it_watches_is_stored_with_an_interrupted_training(tiny_task: SelectionTask) -> None:
    watch = RLSelectorFinetuned(ratio=0.3).needs(tiny_task).watch
    assert watch is not None
    first, second = (watch(Recording(tiny_task.labels, tiny_task.dataset.num_classes)) for _ in range(2))
    assert first.state_dict() == {}
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == {}


def test_it_scores_only_what_it_watched(tiny_task: SelectionTask) -> None:
    with pytest.raises(TypeError, match="learner that its needs"):
        RLSelectorFinetuned().score(tiny_task, Observed())


def test_the_ratio_it_learned_for_matters(scores_of) -> None:
    low, high = (scores_of(RLSelectorFinetuned(ratio=0.5, from_ratio=ratio, epochs=1)) for ratio in (0.2, 0.9))
    assert not torch.equal(low.values, high.values)
    # the price is solved for the new ratio whatever the old one was
    assert all(abs(float((scores.values > 0).double().mean()) - 0.5) < 0.02 for scores in (low, high))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"from_ratio": 0.0}, "selector.from_ratio must be a number in \\(0, 1\\], got 0.0"),
        ({"epochs": 0}, "selector.epochs must be an integer of at least 1, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(RLSelectorFinetuned(), **change)


def test_a_policy_of_another_ratio_does_not_weight_the_target(tiny_task: SelectionTask) -> None:
    task = replace(tiny_task, training=replace(tiny_task.training, weighting="policy"))
    with pytest.raises(ConfigurationError, match=r"training\.weighting=policy must go with one policy at one ratio"):
        SharedTraining(task=task, needs=[RLSelectorFinetuned().needs(task)]).run()
