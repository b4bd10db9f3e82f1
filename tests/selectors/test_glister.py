"""Glister: the greedy order against one that keeps every gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from rlsel.errors import ConfigurationError, DataError
from rlsel.randomness import torch_generator
from rlsel.selectors.base import Observed, SelectionTask
from rlsel.selectors.glister import Glister, glister_order, held_out
from rlsel.selectors.gradients import last_layer_gradients
from rlsel.training.observation import CleanPass
from rlsel.training.settings import TrainingSettings

CLASSES, WIDTH = 3, 4


class Problem:
    """A linear layer, candidates and validation samples."""

    def __init__(self, *, candidates: int = 30, validation: int = 12, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        size = candidates + validation
        features = torch.randn(size, WIDTH, generator=generator)
        self.weight = torch.randn(CLASSES, WIDTH + 1, generator=generator)
        labels = torch.randint(0, CLASSES, (size,), generator=generator)
        self.features, self.validation_features = features[:candidates], features[candidates:]
        self.labels, self.validation_labels = labels[:candidates], labels[candidates:]

    def clean(self, features: Tensor) -> CleanPass:
        return CleanPass(logits=features @ self.weight[:, :-1].T + self.weight[:, -1], features=features)

    def order(self, *, step_size: float, rounds: int) -> list[int]:
        return glister_order(
            last_layer_gradients(self.clean(self.features), self.labels),
            self.clean(self.validation_features),
            labels=self.validation_labels,
            step_size=step_size,
            rounds=rounds,
        ).tolist()

    def gradients(self, weight: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """(n, C, D + 1), by autograd."""
        rows = []
        for feature, label in zip(features, labels, strict=True):
            moving = weight.clone().requires_grad_()
            logits = moving[:, :-1] @ feature + moving[:, -1]
            rows.append(torch.autograd.grad(nn.functional.cross_entropy(logits[None], label[None]), moving)[0])
        return torch.stack(rows)

    def slow_order(self, *, step_size: float, per_round: int) -> list[int]:
        candidates = self.gradients(self.weight, self.features, self.labels)
        chosen: list[int] = []
        while len(chosen) < len(candidates):
            moved = self.weight - (step_size * candidates[chosen].mean(dim=0) if chosen else 0)
            direction = self.gradients(moved, self.validation_features, self.validation_labels).mean(dim=0)
            gains = {i: float((candidates[i] * direction).sum()) for i in range(len(candidates)) if i not in chosen}
            chosen += sorted(gains, key=gains.__getitem__, reverse=True)[:per_round]
        return chosen

    def validation_loss(self, weight: Tensor) -> float:
        logits = self.validation_features @ weight[:, :-1].T + weight[:, -1]
        return float(nn.functional.cross_entropy(logits, self.validation_labels))


@pytest.mark.parametrize(("rounds", "per_round"), [(30, 1), (1000, 1), (10, 3), (7, 5), (1, 30)])
def test_order_agrees_with_all_gradients_in_memory(rounds: int, per_round: int) -> None:
    problem = Problem()
    assert problem.order(step_size=2.0, rounds=rounds) == problem.slow_order(step_size=2.0, per_round=per_round)


def test_the_validation_gradient_is_updated() -> None:
    problem = Problem()
    at_once = problem.order(step_size=2.0, rounds=1)
    one_by_one = problem.order(step_size=2.0, rounds=30)
    assert one_by_one[0] == at_once[0]
    assert one_by_one != at_once
    # without a step there is nothing to update
    assert problem.order(step_size=1e-9, rounds=30) == at_once


def test_a_step_on_the_first_choices_lowers_the_validation_loss_most() -> None:
    problem = Problem(candidates=60)
    gradients = problem.gradients(problem.weight, problem.features, problem.labels)

    def loss_after(chosen: list[int]) -> float:
        return problem.validation_loss(problem.weight - 0.1 * gradients[chosen].mean(dim=0))

    order = problem.order(step_size=0.1, rounds=20)
    generator = torch.Generator().manual_seed(5)
    of_random = [loss_after(torch.randperm(60, generator=generator)[:15].tolist()) for _ in range(200)]
    assert loss_after(order[:15]) < min(of_random)
    assert loss_after(order[-15:]) > max(of_random)


def test_equal_gains_are_taken_in_their_order() -> None:
    clean = CleanPass(logits=torch.zeros(6, 2), features=torch.ones(6, 2))
    same = torch.zeros(6, dtype=torch.int64)
    order = glister_order(last_layer_gradients(clean, same), clean, labels=same, step_size=0.1, rounds=3)
    assert order.tolist() == [0, 1, 2, 3, 4, 5]


def test_held_out_is_stratified() -> None:
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    drawn = held_out(labels, 0.1, num_classes=4, generator=torch.Generator().manual_seed(0))
    assert torch.bincount(labels[drawn], minlength=4).tolist() == [5, 3, 2, 0]
    other = held_out(labels, 0.1, num_classes=4, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(drawn, other)
    assert int(held_out(labels[:3], 0.1, num_classes=1, generator=torch.Generator().manual_seed(0)).sum()) == 1


@pytest.fixture
def task(feature_task: Callable[..., SelectionTask]) -> SelectionTask:
    made = feature_task(torch.arange(40) % CLASSES)
    return replace(made, training=TrainingSettings(epochs=20, batch_size=8))


def observed(task: SelectionTask, epoch: int, *, scale: float = 1.0) -> Observed:
    generator = torch.Generator().manual_seed(2)
    size = len(task)
    clean = CleanPass(
        logits=scale * torch.randn(size, CLASSES, generator=generator),
        features=torch.randn(size, WIDTH, generator=generator),
    )
    return Observed(clean={epoch: clean})


def ranked(clean: CleanPass, labels: Tensor, candidates: Tensor, guides: Tensor) -> list[int]:
    order = glister_order(
        last_layer_gradients(clean, labels).at(candidates),
        CleanPass(logits=clean.logits[guides], features=clean.features[guides]),
        labels=labels[guides],
        step_size=0.05,
        rounds=5,
    )
    return candidates[order].tolist()


def test_two_parts_guide_each_other(task: SelectionTask) -> None:
    selector = Glister(validation_share=0.25, rounds=5)
    assert selector.needs(task).clean_epochs == {2}  # a tenth of 20
    seen = observed(task, 2)
    values = selector.score(task, seen).values

    generator = torch_generator(task.seed, "glister", "validation")
    drawn = held_out(task.labels, 0.25, num_classes=CLASSES, generator=generator)
    small, large = drawn.nonzero()[:, 0], (~drawn).nonzero()[:, 0]
    assert (len(small), len(large)) == (10, 30)
    for candidates, guides in ((small, large), (large, small)):
        best_first = ranked(seen.clean[2], task.labels, candidates, guides)
        n = len(candidates)
        expected = torch.tensor([1 - (position + 0.5) / n for position in range(n)])
        torch.testing.assert_close(values[best_first], expected)


def test_all_samples_can_be_the_validation(task: SelectionTask) -> None:
    seen, everyone = observed(task, 2), torch.arange(40)
    values = Glister(validation_share=0, rounds=5).score(task, seen).values
    assert values.argsort(descending=True).tolist() == ranked(seen.clean[2], task.labels, everyone, everyone)


def test_the_validation_samples_depend_on_the_seed_only(task: SelectionTask) -> None:
    selector, seen = Glister(), observed(task, 2)
    first = selector.score(task, seen).values
    assert torch.equal(selector.score(task, seen).values, first)
    assert not torch.equal(selector.score(replace(task, seed=1), seen).values, first)


def test_refuses_a_diverged_training(task: SelectionTask) -> None:
    with pytest.raises(DataError, match=r"training\.learning_rate"):
        Glister().score(task, observed(task, 2, scale=float("nan")))


@pytest.mark.parametrize(
    ("field", "value"), [("epoch", 0), ("validation_share", 0.6), ("step_size", 0.0), ("rounds", 0)]
)
def test_refuses_values_out_of_range(field: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"selector\.{field} must be"):
        replace(Glister(), **{field: value})
