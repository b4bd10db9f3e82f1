"""What others may see of a running training: each batch, and the end of each epoch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from rlsel.models.target import TargetModel


@dataclass(frozen=True, kw_only=True)
class BatchObservation:
    """A training batch as the model saw it, augmented and in training mode; no tensor carries a gradient.

    Attributes:
        epoch: Counted from 0.
        step: Optimiser steps done before this batch.
        indices: (B,) int64 positions in the training split.
        labels: (B,) int64.
        logits: (B, C) float32.
        features: (B, D) float32.
        losses: (B,) float32 cross-entropy.
    """

    epoch: int
    step: int
    indices: Tensor
    labels: Tensor
    logits: Tensor
    features: Tensor
    losses: Tensor


@dataclass(frozen=True, kw_only=True)
class CleanPass:
    """All samples of a split under one model: un-augmented, in evaluation mode, in data set order.

    Attributes:
        logits: (N, C) float32, on the CPU.
        features: (N, D) float32, on the CPU.
    """

    logits: Tensor
    features: Tensor

    @property
    def probabilities(self) -> Tensor:
        """(N, C) softmax of the logits."""
        return torch.softmax(self.logits, dim=1)


@dataclass(frozen=True, kw_only=True)
class EpochEnd:
    """The end of an epoch.

    Attributes:
        epoch: Counted from 0.
        epochs: How many there will be.
        complete: False for a last epoch that a budget of steps cut short.
        model: The model as it is now; not to be changed, and copied by whoever wants to keep it.
        clean_pass: Runs the model over the training split; computed once however often it is called.
    """

    epoch: int
    epochs: int
    complete: bool
    model: TargetModel
    clean_pass: Callable[[], CleanPass]


class Observer(Protocol):
    """Sees a training without changing it."""

    def on_batch(self, batch: BatchObservation) -> None:
        """Sees a batch after the forward pass and before the optimiser step."""
        ...

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        """Sees the end of an epoch; returns what it wants in the epoch's line of `metrics.jsonl`."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a resumed training needs, as tensors, numbers, strings, and lists and dicts of them."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned."""
        ...


class Inspection(Protocol):
    """Looks at the model after chosen steps; unlike an observer, between two steps."""

    @property
    def steps(self) -> Collection[int]:
        """Numbers of steps done after which to look."""
        ...

    def look(self, step: int, model: TargetModel) -> None:
        """Receives the steps done and the model, which may be put into evaluation mode."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Returns what was seen, as tensors, numbers, strings, and lists and dicts of them."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned."""
        ...


class PassRule(Protocol):
    """Chooses what each pass over the data trains on, among N samples."""

    @property
    def pass_size(self) -> int:
        """How many samples a pass has, on average."""
        ...

    def choose(self, progress: float, generator: torch.Generator) -> Tensor:
        """Returns the (K,) int64 positions of the next pass, each once, in random order, on the CPU.

        Args:
            progress: Share of the training that is done, in [0, 1).
            generator: Of the CPU.
        """
        ...

    def observe(self, positions: Tensor, logits: Tensor, labels: Tensor) -> Tensor | None:
        """Sees a batch before the optimiser step.

        Args:
            positions: (B,) int64, on the CPU.
            logits: (B, C) float32, without gradient.
            labels: (B,) int64, on the device of the logits.

        Returns:
            (B,) weights of the losses on the same device, 1 on average; None for equal ones.
        """
        ...

    def exchange(self) -> None:
        """Shares what was seen with the other processes of `torch.distributed`, where there are some."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a resumed training needs."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned."""
        ...


Weigh = Callable[[Tensor], Tensor]
"""Gives the (B,) loss weights of the batch at (B,) positions, after the observers have seen it."""


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """What a training calls while it runs.

    Attributes:
        observers: See each batch and each end of an epoch, in this order.
        weigh: Gives the weights of a batch in the loss; None for the plain mean.
        inspection: Looks at the model after chosen steps; None for nothing.
        passes: Chooses what each pass is over, and weights its losses; None for all samples alike.
    """

    observers: Sequence[Observer] = ()
    weigh: Weigh | None = None
    inspection: Inspection | None = None
    passes: PassRule | None = None
