"""How a model is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rlsel.checks import int_at_least, number_between, one_of, positive_int


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The recipe of one supervised training.

    Attributes:
        epochs: Passes over the training samples.
        steps: Optimiser steps; wins over `epochs` when given.
        batch_size: Samples in a step.
        optimizer: `sgd` (Nesterov momentum) or `adamw`.
        learning_rate: Peak of the learning rate.
        momentum: Momentum of `sgd`.
        weight_decay: L2 penalty; not on biases and normalisation layers.
        schedule: `cosine` to zero, `step` (times `step_factor` at each of the `step_milestones`), or `constant`.
        step_milestones: Shares of the training after which the `step` schedule lowers the rate.
        step_factor: Factor by which the `step` schedule lowers the rate.
        warmup: Share of the training in which the rate rises linearly from zero.
        label_smoothing: Share of the target that is spread over all classes, in [0, 1).
        augment: Whether the data set's augmentation is applied.
        weighting: `none`, or `policy`: the loss of a sample is weighted by the policy's action.
    """

    epochs: int = 30
    steps: int | None = None
    batch_size: int = 128
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    step_milestones: tuple[float, ...] = (0.3, 0.6, 0.8)
    step_factor: float = 0.2
    warmup: float = 0.05
    label_smoothing: float = 0.0
    augment: bool = True
    weighting: Literal["none", "policy"] = "none"

    def __post_init__(self) -> None:
        positive_int("training.epochs", self.epochs)
        if self.steps is not None:
            positive_int("training.steps", self.steps)
        int_at_least("training.batch_size", self.batch_size, 2)
        one_of("training.optimizer", self.optimizer, ("sgd", "adamw"))
        number_between("training.learning_rate", self.learning_rate, 0, low_open=True)
        number_between("training.momentum", self.momentum, 0, 1, high_open=True)
        number_between("training.weight_decay", self.weight_decay, 0)
        one_of("training.schedule", self.schedule, ("cosine", "step", "constant"))
        for milestone in self.step_milestones:
            number_between("training.step_milestones", milestone, 0, 1)
        number_between("training.step_factor", self.step_factor, 0, 1, low_open=True)
        number_between("training.warmup", self.warmup, 0, 1, high_open=True)
        number_between("training.label_smoothing", self.label_smoothing, 0, 1, high_open=True)
        one_of("training.weighting", self.weighting, ("none", "policy"))

    def steps_per_epoch(self, size: int) -> int:
        """Returns the steps of one pass over `size` samples; a last batch of one sample joins the batch before it."""
        full, rest = divmod(size, self.batch_size)
        return max(1, full + (rest > 1))

    def total_steps(self, size: int) -> int:
        """Returns the optimiser steps of the whole training on `size` samples."""
        return self.steps if self.steps is not None else self.epochs * self.steps_per_epoch(size)

    def total_epochs(self, size: int) -> int:
        """Returns the passes over `size` samples, the last of which may be incomplete."""
        return math.ceil(self.total_steps(size) / self.steps_per_epoch(size))
