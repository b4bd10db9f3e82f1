"""The actor and the critic: three linear layers each (RL-Selector, section "Overall architecture")."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu


class _Unfilled(nn.Linear):
    """A linear layer that is filled by whoever makes it: the usual filling draws from the global generator."""

    def reset_parameters(self) -> None:
        """Leaves the parameters as they are."""


class ThreeLayers(nn.Module):
    """Three linear layers with leaky ReLU between them and orthogonal initial weights.

    The authors' ReLU can be off in every unit for a large part of the samples: their logits are then one number, which
    no price on keeping can divide. A slope of 0.01 below zero keeps them apart, and lets them learn.

    The last layer starts a hundred times smaller, so that a fresh actor is undecided and a fresh critic expects little.
    """

    def __init__(self, inputs: int, hidden: tuple[int, int], outputs: int, *, generator: torch.Generator) -> None:
        """Makes the layers `inputs` → `hidden` → `outputs`."""
        super().__init__()
        sizes = (inputs, *hidden, outputs)
        self.layers = nn.ModuleList(_Unfilled(a, b) for a, b in itertools.pairwise(sizes))
        for layer, gain in zip(self.layers, (math.sqrt(2), math.sqrt(2), 0.01), strict=True):
            nn.init.orthogonal_(layer.weight, gain=gain, generator=generator)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, states: Tensor) -> Tensor:
        """Maps (B, `inputs`) to (B, `outputs`)."""
        first, second, _ = self.layers
        return self.last(leaky_relu(second(leaky_relu(first(states)))))  # type: ignore[no-any-return]

    @property
    def last(self) -> nn.Linear:
        """The layer that gives the outputs."""
        layer = self.layers[-1]
        if not isinstance(layer, nn.Linear):
            raise TypeError(f"the last layer must be linear, got {type(layer).__name__}")
        return layer


def actor(state_size: int, outputs: int, *, generator: torch.Generator) -> ThreeLayers:
    """The paper's actor: state → 128 → 64 → head."""
    return ThreeLayers(state_size, (128, 64), outputs, generator=generator)


def critic(state_size: int, *, generator: torch.Generator) -> ThreeLayers:
    """The paper's critic: state → 128 → 128 → 1."""
    return ThreeLayers(state_size, (128, 128), 1, generator=generator)
