"""Training dynamics: how each sample behaved in each epoch, recorded once for every score that is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlsel.training.observation import BatchObservation, EpochEnd

_ROWS = ("probability", "margin", "error_norm", "correct", "divergence", "other_margin")

_LOWEST = -100.0  # below it exp() is zero in float32; keeps a lost class from an infinite divergence


@dataclass(frozen=True, kw_only=True)
class TrainingDynamics:
    """Each training sample in each complete epoch, as its batch was seen: augmented and in training mode.

    With E complete epochs and N samples, in data set order, on the CPU:

    Attributes:
        probability: (E, N) float32 softmax probability of the label.
        margin: (E, N) float32 probability of the label minus the highest other one.
        error_norm: (E, N) float32 Euclidean norm of the softmax minus the one-hot label.
        correct: (E, N) bool, whether the label had the highest logit.
        divergence: (E, N) float32 absolute contributions to the Kullback-Leibler divergence between the softmax of
            this epoch and the one before, summed over classes; zero in the first.
        other_margin: (E, N) float32 margin that the sample's one other label had (`other_labels`).
    """

    probability: Tensor
    margin: Tensor
    error_norm: Tensor
    correct: Tensor
    divergence: Tensor
    other_margin: Tensor

    @property
    def epochs(self) -> int:
        return len(self.probability)


def other_labels(labels: Tensor, positions: Tensor, num_classes: int) -> Tensor:
    """Gives each sample one label that is not its own, evenly spread over the other classes.

    Args:
        labels: (B,) int64.
        positions: (B,) in the data set, which decide.
        num_classes: C; with a single class, the label itself.
    """
    return (labels + 1 + positions % max(1, num_classes - 1)) % num_classes


def sample_dynamics(logits: Tensor, labels: Tensor, others: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
    """Measures a batch.

    Args:
        logits: (B, C) float32.
        labels: (B,) int64.
        others: (B,) int64, `other_labels`.
        before: (B, C) log-softmax of the same samples one epoch ago; None in the first epoch.

    Returns:
        (6, B) float32, the attributes of `TrainingDynamics` in their order, and the (B, C) log-softmax.
    """
    log_probabilities = torch.log_softmax(logits, dim=1).clamp_min_(_LOWEST)
    probabilities = log_probabilities.exp()
    columns = labels[:, None]
    of_label = probabilities.gather(1, columns).squeeze(1)
    # the error of the label is the sum of the others: one minus a probability near one has no digits left
    rest = probabilities.scatter(1, columns, 0.0)
    error_norm = (rest.sum(dim=1).square() + rest.square().sum(dim=1)).sqrt()
    correct = (logits.argmax(dim=1) == labels).to(logits.dtype)
    if before is None:
        divergence = torch.zeros_like(of_label)
    else:
        divergence = (probabilities * (log_probabilities - before).abs_()).sum(dim=1)
    other_columns = others[:, None]
    other_rest = probabilities.scatter(1, other_columns, 0.0).amax(dim=1)
    other_margin = probabilities.gather(1, other_columns).squeeze(1) - other_rest
    measured = torch.stack([of_label, of_label - rest.amax(dim=1), error_norm, correct, divergence, other_margin])
    return measured, log_probabilities


class DynamicsRecorder:
    """An observer that fills `TrainingDynamics`.

    A last epoch that a budget of steps cut short does not count, unless it is the only one; a sample that it did not
    reach then has what a model without any knowledge gives: every class equally probable, and the answer wrong.

    The rows of the running epoch and the log-softmax of the last one stay on the training device, (N, C) in half
    precision: a relative error of 5e-4 of a logarithm, far below what augmentation adds from epoch to epoch.
    """

    def __init__(self, size: int, num_classes: int) -> None:
        """Prepares for `size` training samples of `num_classes` classes."""
        uniform = 1 / num_classes
        neutral = torch.tensor([uniform, 0.0, (1 - uniform) ** 0.5, 0.0, 0.0, 0.0])
        self._num_classes = num_classes
        self._neutral = neutral[:, None].expand(len(_ROWS), size)
        self._row = self._neutral.clone()
        self._before = torch.zeros(size, num_classes, dtype=torch.float16)
        self._epochs: list[Tensor] = []

    def on_batch(self, batch: BatchObservation) -> None:
        device = batch.logits.device
        self._row, self._before = self._row.to(device), self._before.to(device)
        indices = batch.indices.to(device)
        before = self._before[indices].float() if self._epochs else None
        others = other_labels(batch.labels, indices, self._num_classes)
        measured, log_probabilities = sample_dynamics(batch.logits, batch.labels, others, before)
        self._row[:, indices] = measured
        self._before[indices] = log_probabilities.half()

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        if end.complete or not self._epochs:
            self._epochs.append(self._row.cpu().clone())
        self._row = self._neutral.to(self._row.device).clone()
        return {}

    def dynamics(self) -> TrainingDynamics:
        """Returns what was recorded so far; before the end of the first epoch, E is zero."""
        rows = torch.stack(self._epochs, dim=1) if self._epochs else self._neutral[:, None, :][:, :0]
        probability, margin, error_norm, correct, divergence, other_margin = rows
        return TrainingDynamics(
            probability=probability,
            margin=margin,
            error_norm=error_norm,
            correct=correct.bool(),
            divergence=divergence,
            other_margin=other_margin,
        )

    def state_dict(self) -> dict[str, Any]:
        return {"row": self._row, "before": self._before, "epochs": list(self._epochs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._row, self._before, self._epochs = state["row"], state["before"], list(state["epochs"])
