"""Subsets that are drawn with many tilts, ratios and shares of wrong labels, to hold proxies of their value against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rlsel.export import ResolvedExport, choose
from rlsel.randomness import numpy_generator, stream, torch_generator

RATIOS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
TILTS = (-2.0, -1.0, 0.0, 1.0, 2.0)
NOISES = (0.0, 0.0, 0.1, 0.3)
"""What is drawn, each with equal probability: half of the subsets have the labels as they are."""


@dataclass(frozen=True, kw_only=True)
class DrawnSubset:
    """A subset of T candidates.

    Attributes:
        order: Name of the score that it was drawn by.
        tilt: The probability of a sample is proportional to exp(tilt · standardised score); 0 is a random choice.
        ratio: Share of the candidates.
        noise: Share of its labels that became another class.
        places: (K,) int64 positions, ascending.
        labels: (T,) int64, those of all candidates with the wrong ones of the subset.
    """

    order: str
    tilt: float
    ratio: float
    noise: float
    places: Tensor
    labels: Tensor


def draw_subset(
    number: int, scores: Mapping[str, Tensor], labels: Tensor, *, num_classes: int, seed: int
) -> DrawnSubset:
    """Draws the subset of a number; more subsets are drawn without another first one.

    Args:
        number: Which, from 0.
        scores: (T,) of each name, at least one.
        labels: (T,) int64 in [0, `num_classes`).
        num_classes: C, at least 2 where labels become wrong.
        seed: The seed of all.
    """
    generator = numpy_generator(seed, "drawn subset", number)
    order = str(generator.choice(sorted(scores)))
    ratio, tilt, noise = (float(generator.choice(values)) for values in (RATIOS, TILTS, NOISES))
    score = scores[order].double()
    chosen = choose(
        (tilt * (score - score.mean()) / score.std().clamp_min(1e-12)).float().numpy(),
        kind="logit",
        ratio=ratio,
        settings=ResolvedExport(mode="sample"),
        labels=labels.numpy(),
        hardness=None,
        seed=stream(seed, "drawn subset", number),
        policy=True,
    )
    places = torch.from_numpy(chosen)
    return DrawnSubset(
        order=order,
        tilt=tilt,
        ratio=ratio,
        noise=noise,
        places=places,
        labels=_with_wrong_labels(labels, places, noise, num_classes, torch_generator(seed, "wrong labels", number)),
    )


def _with_wrong_labels(
    labels: Tensor, places: Tensor, noise: float, num_classes: int, generator: torch.Generator
) -> Tensor:
    if num_classes < 2:
        return labels
    wrong = places[torch.randperm(len(places), generator=generator)[: round(noise * len(places))]]
    changed = labels.clone()
    changed[wrong] = (labels[wrong] + torch.randint(1, num_classes, (len(wrong),), generator=generator)) % num_classes
    return changed
