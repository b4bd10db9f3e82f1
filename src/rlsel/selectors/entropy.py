"""Uncertainty by entropy (Coleman et al., "Selection via Proxy", ICLR 2020, arXiv 1906.11829)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.observed import clean_logits, final_pass_needs


def prediction_entropy(logits: Tensor) -> Tensor:
    """Returns −Σ_c p_c log p_c of the softmax of (N, C) logits: (N,) float32 in [0, log C]."""
    log_probabilities = torch.log_softmax(logits.double(), dim=1)
    return -(log_probabilities.exp() * log_probabilities).sum(dim=1).float()


@dataclass(frozen=True, kw_only=True)
class Entropy:
    """Keeps the samples whose prediction by the trained model has the largest entropy; labels play no part."""

    name: ClassVar[str] = "entropy"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    uses: ClassVar[Uses] = Uses(features=False)

    def needs(self, task: SelectionTask) -> Needs:
        return final_pass_needs()

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        return Scores(values=prediction_entropy(clean_logits(observed)))
