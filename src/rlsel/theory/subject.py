"""What a verification looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from rlsel.models.target import TargetModel


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A target model, what it makes of the candidates, and what a run made of them.

    Attributes:
        model: In evaluation mode.
        images: Returns the (P, ...) normalised images at (P,) positions, on the model's device.
        features: (N, D) on the CPU.
        logits: (N, C) on the CPU.
        labels: (N,) int64 in [0, C).
        probe_images: As `images`, of the split on which removals are judged.
        probe_features: (M, D) of that split.
        probe_labels: (M,) int64.
        measured_on: Its name.
        kept: (N,) bool.
        scores: (N,), high = keep.
    """

    model: TargetModel
    images: Callable[[Tensor], Tensor]
    features: Tensor
    logits: Tensor
    labels: Tensor
    probe_images: Callable[[Tensor], Tensor]
    probe_features: Tensor
    probe_labels: Tensor
    measured_on: str
    kept: Tensor
    scores: Tensor

    @property
    def num_classes(self) -> int:
        """C."""
        return self.logits.shape[1]


class LogitsOnly(nn.Module):
    """A target model that returns its logits alone."""

    def __init__(self, model: TargetModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images).logits
        return logits
