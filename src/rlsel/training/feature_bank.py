"""The last features of every sample, as the training batches gave them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rlsel.training.observation import BatchObservation, EpochEnd


class FeatureBank:
    """An observer that keeps the newest features of each sample: free, but up to one epoch old.

    Attributes:
        features: (N, D) float32 on the training device; zero for a sample not seen yet.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.features = torch.zeros(size, 0)

    def on_batch(self, batch: BatchObservation) -> None:
        device = batch.features.device
        if self.features.shape[1] != batch.features.shape[1]:
            self.features = torch.zeros(self._size, batch.features.shape[1], device=device)
        self.features = self.features.to(device)  # a saved state was read on the CPU
        self.features[batch.indices.to(device)] = batch.features

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        # a training that was interrupted before the end of an epoch goes on without a batch
        self.features = self.features.to(next(end.model.parameters(), self.features).device)
        return {}

    def state_dict(self) -> dict[str, Tensor]:
        return {"features": self.features}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.features = state["features"]
