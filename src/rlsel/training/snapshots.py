"""Copies of the model from the middle of a training, for what is measured on them afterwards."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from rlsel.models.target import TargetModel
from rlsel.training.observation import BatchObservation, EpochEnd


class SnapshotRecorder:
    """An observer that copies the parameters and buffers of the model at the end of chosen epochs.

    Attributes:
        snapshots: The state of the model, on the CPU, by the number of epochs done (1 = after the first).
    """

    def __init__(self, epochs: Collection[int]) -> None:
        """Prepares for the epochs with these numbers, counted from 1."""
        self._epochs = frozenset(epochs)
        self.snapshots: dict[int, dict[str, Tensor]] = {}

    def on_batch(self, batch: BatchObservation) -> None:
        return

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        if end.epoch + 1 in self._epochs:
            state = end.model.state_dict()
            # clone: on the CPU, a detached tensor would go on changing with the model
            self.snapshots[end.epoch + 1] = {name: value.detach().cpu().clone() for name, value in state.items()}
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {"snapshots": self.snapshots}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.snapshots = dict(state["snapshots"])

    def restore(self, model: TargetModel, epoch: int) -> TargetModel:
        """Returns a copy of `model` as it was after `epoch` epochs, on its device and in evaluation mode."""
        restored = copy.deepcopy(model)
        restored.load_state_dict(self.snapshots[epoch])
        return restored.eval()
