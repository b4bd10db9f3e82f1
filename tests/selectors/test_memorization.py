"""Memorization: the difference that a sample's own presence makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import rlsel.selectors.memorization as memorization_module
from rlsel.errors import ConfigurationError, DataError
from rlsel.models.small_cnn import SmallCNN
from rlsel.randomness import torch_generator
from rlsel.selectors.base import Observed, SelectionTask
from rlsel.selectors.memorization import (
    Memorization,
    draw_subsets,
    left_out_of,
    memorization_scores,
    worst_deviation,
)
from rlsel.selectors.target_training import train_target
from rlsel.training.settings import TrainingSettings

SIZE, WRONG = 60, 6


@pytest.fixture
def task(feature_task: Callable[..., SelectionTask]) -> SelectionTask:
    """Three classes of a bright row each, under noise; the first labels are wrong."""
    truth = torch.arange(SIZE) % 3
    images = 0.5 * torch.randn(SIZE, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    images[torch.arange(SIZE), 0, truth] += 2.0
    labels = truth.clone()
    labels[:WRONG] = (labels[:WRONG] + 1) % 3
    made = feature_task(labels, images=images)
    recipe = TrainingSettings(epochs=15, batch_size=14, learning_rate=0.1, augment=False)
    return replace(made, model=SmallCNN(width=8), training=recipe)


def test_scores_by_hand() -> None:
    included = torch.tensor([[True, False], [True, True], [False, True]])
    outcomes = [torch.tensor([1.0, 0.0]), torch.tensor([0.5, 1.0]), torch.tensor([0.5, 1.0])]
    # first: (1 + 0.5) / 2 - 0.5; second: (1 + 1) / 2 - 0
    torch.testing.assert_close(memorization_scores(outcomes, included), torch.tensor([0.25, 1.0]))


@given(st.integers(1, 40), st.integers(2, 12), st.floats(0.05, 0.95), st.integers(0, 2**20))
@settings(max_examples=50, deadline=None)
def test_everyone_is_left_out_equally_often(size: int, num_models: int, share: float, seed: int) -> None:
    included = draw_subsets(size, num_models, share=share, generator=torch.Generator().manual_seed(seed))
    left_out = (~included).sum(dim=0)
    assert left_out.eq(left_out_of(num_models, share)).all()
    assert 1 <= int(left_out[0]) < num_models
    assert abs(int(left_out[0]) - (1 - share) * num_models) <= 1


def test_subsets_are_independent_between_samples() -> None:
    included = draw_subsets(4000, 10, share=0.7, generator=torch.Generator().manual_seed(0))
    sizes = included.sum(dim=1) / 4000
    # a share of 0.7 with a standard deviation of √(0.21 / 4000) = 0.0072
    torch.testing.assert_close(sizes, torch.full((10,), 0.7), atol=0.03, rtol=0)
    together = (included[:, :2000] == included[:, 2000:]).float().mean()
    # two independent samples agree on a model with probability 0.7² + 0.3² = 0.58, here ± 0.003
    assert float(together) == pytest.approx(0.58, abs=0.015)


def test_subsets_do_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memorization_module, "_COLUMNS", 7)
    included = draw_subsets(20, 5, share=0.6, generator=torch.Generator().manual_seed(0))
    assert (~included).sum(dim=0).eq(2).all()


def test_worst_deviation_by_hand() -> None:
    # 14 models in, 6 out: √((1/14 + 1/6) / 4)
    assert worst_deviation(20, 6) == pytest.approx(0.2440, abs=1e-4)


@pytest.mark.parametrize("soft", [True, False])
def test_agrees_with_a_loop_over_models(task: SelectionTask, soft: bool) -> None:
    task = replace(task, training=replace(task.training, epochs=2))
    values = Memorization(num_models=3, share=0.6, soft=soft).score(task, Observed()).values
    generator = torch_generator(task.seed, "memorization", "subsets")
    included = draw_subsets(SIZE, 3, share=0.6, generator=generator)
    inside: list[list[float]] = [[] for _ in range(SIZE)]
    outside: list[list[float]] = [[] for _ in range(SIZE)]
    for number in range(3):
        model = train_target(task, "memorization", number, indices=included[number].nonzero()[:, 0])
        with torch.no_grad():
            probabilities = model(task.dataset.train.images.pixels).logits.softmax(dim=1)
        for i, label in enumerate(task.labels.tolist()):
            guess = int(probabilities[i].argmax())
            outcome = float(probabilities[i, label]) if soft else float(guess == label)
            (inside if included[number, i] else outside)[i].append(outcome)
    expected = [sum(a) / len(a) - sum(b) / len(b) for a, b in zip(inside, outside, strict=True)]
    torch.testing.assert_close(values, torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_wrong_labels_are_memorized(task: SelectionTask) -> None:
    scores = Memorization(num_models=6).score(task, Observed()).values
    # the chance that a wrong label has a higher score than a right one; one half without any relation
    assert (scores[:WRONG, None] > scores[None, WRONG:]).float().mean() > 0.85
    assert scores[WRONG:].mean() < 0.2 < scores[:WRONG].mean()


def test_tells_how_noisy_it_is(task: SelectionTask, reporter: Any) -> None:
    Memorization(num_models=2, epochs=1).score(task, Observed())
    assert reporter.notes == [
        "memorization: 2 trainings on 70% of the samples; the standard deviation of a score is up to 0.71 (0.02 with "
        "the paper's 2000 trainings)"
    ]


def test_refuses_too_few_samples(feature_task: Callable[..., SelectionTask]) -> None:
    with pytest.raises(DataError, match="got 2 samples in all"):
        Memorization(num_models=2).needs(feature_task(torch.tensor([0, 1])))


@pytest.mark.parametrize(("field", "value"), [("num_models", 1), ("share", 0.0), ("share", 1.0), ("epochs", 0)])
def test_refuses_values_out_of_range(field: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"selector\.{field} must be"):
        replace(Memorization(), **{field: value})
