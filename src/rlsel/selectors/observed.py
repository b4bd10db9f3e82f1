"""What the methods that read training dynamics or clean passes share: asking for them, and taking them."""

from __future__ import annotations

import torch
from torch import Tensor

from rlsel.checks import refuse
from rlsel.errors import DataError
from rlsel.selectors.base import FINAL, Needs, Observed, SelectionTask
from rlsel.training.dynamics import TrainingDynamics


def dynamics_needs(task: SelectionTask, *, least_epochs: int = 1) -> Needs:
    """Asks for the shared training, which must have so many complete epochs.

    Raises:
        ConfigurationError: if it is too short for the method.
    """
    settings, size = task.training, len(task)
    per_epoch = settings.steps_per_epoch(size)
    if least_epochs > 1 and settings.total_steps(size) < least_epochs * per_epoch:
        name, allowed, given = "training.epochs", f"at least {least_epochs} for this selector", settings.epochs
        if settings.steps is not None:
            name, given = "training.steps", settings.steps
            allowed = f"at least {least_epochs * per_epoch}, which are {least_epochs} epochs, for this selector"
        raise refuse(name, allowed, given, "its score compares epochs")
    return Needs(training=True)


def recorded_dynamics(observed: Observed) -> TrainingDynamics:
    """Returns the dynamics that `dynamics_needs` asked for.

    Raises:
        DataError: if the training diverged.
    """
    if observed.dynamics is None:
        raise ValueError("the selector asked for a training, but none was observed")
    _require_finite(observed.dynamics.probability)
    return observed.dynamics


def final_pass_needs() -> Needs:
    """Asks for a clean pass of the trained model."""
    return Needs(training=True, clean_epochs=frozenset({FINAL}))


def clean_logits(observed: Observed, epoch: int = FINAL) -> Tensor:
    """Returns the (N, C) logits of the clean pass after an epoch, which the selector's needs asked for.

    Raises:
        DataError: if the training diverged.
    """
    return _require_finite(observed.clean[epoch].logits)


def _require_finite(outputs: Tensor) -> Tensor:
    if not torch.isfinite(outputs).all():
        raise DataError(
            "the target model's outputs must be finite numbers, got NaN or infinity: its training diverged, "
            "lower training.learning_rate"
        )
    return outputs
