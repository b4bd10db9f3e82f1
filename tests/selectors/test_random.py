from collections.abc import Callable
from dataclasses import replace

import torch

from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Selector
from rlsel.selectors.random import Random


def test_it_needs_no_training(tiny_task: SelectionTask) -> None:
    assert Random().needs(tiny_task) == Needs()


def test_scores_are_uniform_and_follow_the_seed(tiny_task: SelectionTask) -> None:
    first, again, other = (Random().score(replace(tiny_task, seed=seed), Observed()).values for seed in (0, 0, 1))
    assert first.shape == (90,)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.min() >= 0
    assert first.max() < 1
    # the mean of 90 uniform numbers is 1/2 ± 0.03; five deviations
    assert abs(float(first.mean()) - 0.5) < 0.15


def test_in_a_shared_training(scores_of: Callable[[Selector], Scores], tiny_task: SelectionTask) -> None:
    assert torch.equal(scores_of(Random()).values, Random().score(tiny_task, Observed()).values)
