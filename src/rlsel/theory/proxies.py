"""Cheap guesses of what a subset is worth, none of which trains the network on it but one, and that for a few steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from rlsel.cover.nearest_kept import nearest_kept
from rlsel.selectors.held_out import calibrated_losses
from rlsel.theory.drawn_subsets import DrawnSubset
from rlsel.theory.influence import ConvexHead, Probe, fit_head

RIDGE = 1e-2
"""λ of the ridge head, on standardised features, of the mean squared error."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What the proxies know: a model that was trained on all T candidates, and V samples that it has not seen.

    Attributes:
        features: (T, D).
        labels: (T,) int64 in [0, C).
        scores: (T,) scores of each name, high = keep.
        held_out_features: (V, D).
        held_out_labels: (V,) int64.
        num_classes: C.
    """

    features: Tensor
    labels: Tensor
    scores: Mapping[str, Tensor]
    held_out_features: Tensor
    held_out_labels: Tensor
    num_classes: int


def cheap_proxies(material: Material) -> Callable[[DrawnSubset], dict[str, float]]:
    """Prepares what all subsets share, and returns what gives each proxy of a subset, high = worth more.

    `ratio`                 the size alone, which any other must beat
    `mean …`                the mean of a score over the subset
    `cover`                 less the mean distance of all candidates to the nearest of their class in the subset
    `influence`             less the change of the calibrated held-out loss that the influence function of a convex
                            head gives for the removal of the rest, and for the wrong labels
    `ridge head`            less the held-out loss of a ridge regression on the features, calibrated

    Args:
        material: What is known.
    """
    head, probe = fit_head(
        material.features,
        material.labels,
        material.held_out_features,
        material.held_out_labels,
        num_classes=material.num_classes,
    )
    temperature = best_temperature(probe.inputs @ head.weights.T, probe.labels)
    effects = label_effects(head, probe, temperature=temperature)

    def proxies(subset: DrawnSubset) -> dict[str, float]:
        means = {f"mean {name}": float(score[subset.places].mean()) for name, score in material.scores.items()}
        return {
            "ratio": subset.ratio,
            **means,
            "cover": -_cover(material, subset),
            "influence": _influence(effects, material.labels, subset),
            "ridge head": -_ridge_loss(head, probe, subset),
        }

    return proxies


def label_effects(head: ConvexHead, probe: Probe, *, temperature: float) -> Tensor:
    """Returns (T, C) estimated changes of the probe's loss when a sample that has each label is removed.

    The errors (p - y) ⊗ [h, 1] are linear in the label y, so that one solve serves all labels.

    Args:
        head: Fitted on the T samples.
        probe: What the loss is measured on.
        temperature: What the logits are divided by in that loss. At the best one, the loss does not gain by weights
            that are smaller in all; at 1, a head that is too confident gains by wrong labels.
    """
    logits = probe.inputs @ head.weights.T / temperature
    errors = logits.softmax(dim=1) - one_hot(probe.labels, logits.shape[1])
    response = head.solve(errors.T @ probe.inputs / (temperature * len(probe.inputs)))
    along = head.inputs @ response.T
    probabilities = (head.inputs @ head.weights.T).softmax(dim=1)
    return ((probabilities * along).sum(dim=1, keepdim=True) - along) / len(head.inputs)


def best_temperature(logits: Tensor, labels: Tensor) -> float:
    """Returns what (V, C) logits are best divided by, for their mean cross-entropy with (V,) labels to be lowest."""
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        return float(cross_entropy(logits / math.exp(logarithm), labels))

    return math.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x)


def _influence(effects: Tensor, labels: Tensor, subset: DrawnSubset) -> float:
    """Returns the estimated fall of the loss from nothing to the subset, less that of all, up to a constant."""
    return float(effects[subset.places, subset.labels[subset.places]].sum() - effects.gather(1, labels[:, None]).sum())


def _cover(material: Material, subset: DrawnSubset) -> float:
    kept = torch.zeros(len(material.labels), dtype=torch.bool)
    kept[subset.places] = True
    found = nearest_kept(material.features, subset.labels, kept, num_classes=material.num_classes)
    distances = torch.where(kept, 0.0, found.distances)
    reached = torch.isfinite(distances)
    # a class that has nothing in the subset is as far as the farthest that is covered
    return float(torch.where(reached, distances, distances[reached].max()).mean())


def _ridge_loss(head: ConvexHead, probe: Probe, subset: DrawnSubset) -> float:
    from sklearn.linear_model import Ridge

    inputs = head.inputs[subset.places, :-1].numpy()
    answers = one_hot(subset.labels[subset.places], head.targets.shape[1]).double().numpy()
    ridge = Ridge(alpha=RIDGE * len(inputs)).fit(inputs, answers)
    logits = torch.from_numpy(ridge.predict(probe.inputs[:, :-1].numpy()))
    return mean_calibrated_loss(logits, probe.labels)


def mean_calibrated_loss(logits: Tensor, labels: Tensor) -> float:
    """Returns the mean cross-entropy at the best temperature, for (V, C) logits and (V,) labels."""
    even = torch.full((len(labels),), 1 / len(labels), dtype=torch.float64)
    return float(calibrated_losses(logits.double(), labels, even).mean())
