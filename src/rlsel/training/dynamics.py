"""Training dynamics: how each sample behaved in each epoch, recorded once for every score that is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlsel.training.observation import BatchObservation, EpochEnd

_ROWS = ("probability", "margin", "error_norm", "correct", "divergence")

_LOWEST = -100.0  # below it exp() is zero in float32; keeps a lost class from an infinite divergence


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """Each training sample in each complete epoch, as its batch was seen: augmented and in training mode.

    With E complete epochs and N samples, in data set order, on the CPU:

    Attributes:
        probability: (E, N) float32 softmax probability of the label.
        margin: (E, N) float32 probability of the label minus the highest other one.
        error_norm: (E, N) float32 Euclidean norm of the softmax minus the one-hot label.
        correct: (E, N) bool, whether the label had the highest logit.
        divergence: (E, N) float32 absolute contributions to the Kullback-Leibler divergence between the softmax of
            this epoch and the one before, summed over classes; zero in the first.
    """

    probability: Tensor
    margin: Tensor
    error_norm: Tensor
    correct: Tensor
    divergence: Tensor

    @property
    def epochs(self) -> int:
        return len(self.probability)


def sample_dynamics(logits: Tensor, labels: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
    """Measures a batch.

    Args:
        logits: (B, C) float32.
        labels: (B,) int64.
        before: (B, C) log-softmax of the same samples one epoch ago; None in the first epoch.

    Returns:
        (5, B) float32, the attributes of `Dynamics` in their order, and the (B, C) log-softmax.
    """
    log_probabilities = torch.log_softmax(logits, dim=1).clamp_min_(_LOWEST)
    probabilities = log_probabilities.exp()
    columns = labels[:, None]
    of_label = probabilities.gather(1, columns).squeeze(1)
    # the error of the label is the sum of the others: one minus a probability near one has no digits left
    others = probabilities.scatter(1, columns, 0.0)
    error_norm = (others.sum(dim=1).square() + others.square().sum(dim=1)).sqrt()
    correct = (logits.argmax(dim=1) == labels).to(logits.dtype)
    if before is None:
        divergence = torch.zeros_like(of_label)
    else:
        divergence = (probabilities * (log_probabilities - before).abs_()).sum(dim=1)
    measured = torch.stack([of_label, of_label - others.amax(dim=1), error_norm, correct, divergence])
    return measured, log_probabilities


class DynamicsRecorder:
    """An observer that fills `Dynamics`.

    A last epoch that a budget of steps cut short does not count, unless it is the only one; a sample that it did not
    reach then has what a model without any knowledge gives: every class equally probable, and the answer wrong.

    The rows of the running epoch and the log-softmax of the last one stay on the training device, (N, C) in half
    precision: a relative error of 5e-4 of a logarithm, far below what augmentation adds from epoch to epoch.
    """

    def __init__(self, size: int, num_classes: int) -> None:
        """Prepares for `size` training samples of `num_classes` classes."""
        uniform = 1 / num_classes
        neutral = torch.tensor([uniform, 0.0, (1 - uniform) ** 0.5, 0.0, 0.0])
        self._neutral = neutral[:, None].expand(len(_ROWS), size)
        self._row = self._neutral.clone()
        self._before = torch.zeros(size, num_classes, dtype=torch.float16)
        self._epochs: list[Tensor] = []

    def on_batch(self, batch: BatchObservation) -> None:
        device = batch.logits.device
        self._row, self._before = self._row.to(device), self._before.to(device)
        indices = batch.indices.to(device)
        before = self._before[indices].float() if self._epochs else None
        measured, log_probabilities = sample_dynamics(batch.logits, batch.labels, before)
        self._row[:, indices] = measured
        self._before[indices] = log_probabilities.half()

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        if end.complete or not self._epochs:
            self._epochs.append(self._row.cpu().clone())
        self._row = self._neutral.to(self._row.device).clone()
        return {}

    def dynamics(self) -> Dynamics:
        """Returns what was recorded so far; before the end of the first epoch, E is zero."""
        if not self._epochs:
            empty = torch.zeros(0, self._neutral.shape[1])
            return Dynamics(probability=empty, margin=empty, error_norm=empty, correct=empty.bool(), divergence=empty)
        probability, margin, error_norm, correct, divergence = torch.stack(self._epochs, dim=1)
        return Dynamics(
            probability=probability,
            margin=margin,
            error_norm=error_norm,
            correct=correct.bool(),
            divergence=divergence,
        )

    def state_dict(self) -> dict[str, Any]:
        return {"row": self._row, "before": self._before, "epochs": list(self._epochs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._row, self._before, self._epochs = state["row"], state["before"], list(state["epochs"])
