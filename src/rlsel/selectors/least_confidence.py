"""Uncertainty by least confidence (Lewis & Gale 1994; as a coreset method in Coleman et al., ICLR 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.observed import clean_logits, final_pass_needs


def lack_of_confidence(logits: Tensor) -> Tensor:
    """Returns one minus the largest probability: (N,) float32 in [0, 1 − 1/C] of (N, C) logits."""
    probabilities = torch.softmax(logits.double(), dim=1)
    # as the sum of the others: one minus a probability near one has no digits left
    return probabilities.scatter(1, probabilities.argmax(dim=1, keepdim=True), 0.0).sum(dim=1).float()


@dataclass(frozen=True, kw_only=True)
class LeastConfidence:
    """Keeps the samples that the trained model is least sure of; labels play no part."""

    name: ClassVar[str] = "least_confidence"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    uses: ClassVar[Uses] = Uses(features=False)

    def needs(self, task: SelectionTask) -> Needs:
        return final_pass_needs()

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        return Scores(values=lack_of_confidence(clean_logits(observed)))
