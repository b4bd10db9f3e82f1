"""The optimiser and the course of its learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn

from rlsel.optimizers import SGD, AdamW
from rlsel.training.settings import TrainingSettings


def build_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Makes the optimiser of a training; biases and normalisation layers are not decayed."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.optimizer == "adamw":
        return AdamW(groups, lr=settings.learning_rate)
    return SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, nesterov=settings.momentum > 0)


def learning_rate_factor(step: int, total: int, settings: TrainingSettings) -> float:
    """Returns what the peak learning rate is multiplied with in a step.

    Args:
        step: Steps done before this one, in [0, total).
        total: Steps of the whole training.
        settings: The schedule.

    Returns:
        A factor in (0, 1].
    """
    warmup_steps = round(settings.warmup * total)
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, total - warmup_steps)))
    if settings.schedule == "step":
        return settings.step_factor ** sum(step >= milestone * total for milestone in settings.step_milestones)
    return 1.0


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Gives every parameter group the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
