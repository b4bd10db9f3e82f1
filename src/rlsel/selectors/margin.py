"""Uncertainty by margin (Scheffer et al. 2001; as a coreset method in Coleman et al., ICLR 2020, arXiv 1906.11829)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.observed import clean_logits, final_pass_needs


def margin_uncertainty(logits: Tensor) -> Tensor:
    """Returns one minus the difference of the two largest probabilities: (N,) float32 in [0, 1] of (N, C) logits."""
    probabilities = torch.softmax(logits.double(), dim=1)
    second = probabilities.topk(2, dim=1).values[:, 1]
    others = probabilities.scatter(1, probabilities.argmax(dim=1, keepdim=True), 0.0).sum(dim=1)
    # one minus the first plus the second, without the digits that one minus a probability near one loses
    return (others + second).float()


@dataclass(frozen=True, kw_only=True)
class Margin:
    """Keeps the samples that the trained model decides on by the smallest margin; labels play no part."""

    name: ClassVar[str] = "margin"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    uses: ClassVar[Uses] = Uses(features=False)

    def needs(self, task: SelectionTask) -> Needs:
        return final_pass_needs()

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        return Scores(values=margin_uncertainty(clean_logits(observed)))
