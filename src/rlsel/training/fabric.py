"""What a training needs to know of where it is computed: the part of Lightning Fabric that rlsel uses.

A float32 run in one process is `OneProcess`, a few lines. Lightning Fabric itself imports `torch._dynamo` and with it
thousands of modules, a third of a short run; so it is imported where there is something for it to do.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class Fabric(Protocol):
    """Where a model is trained, and in which precision."""

    @property
    def device(self) -> torch.device:
        """Where this process keeps its tensors."""
        ...

    def setup(self, model: nn.Module, optimizer: Optimizer, /) -> tuple[nn.Module, Optimizer]:
        """Moves a model to the device, and returns it and its optimiser as a training is to call them."""
        ...

    def autocast(self) -> AbstractContextManager[None]:
        """Returns a context that computes in the precision."""
        ...

    def backward(self, loss: Tensor, /) -> None:
        """Computes the gradients of a scalar loss."""
        ...


@dataclass(frozen=True, kw_only=True)
class OneProcess:
    """One device in float32.

    Attributes:
        device: Where tensors are kept.
    """

    device: torch.device

    def setup(self, model: nn.Module, optimizer: Optimizer, /) -> tuple[nn.Module, Optimizer]:
        return model.to(self.device), optimizer

    def autocast(self) -> AbstractContextManager[None]:
        return nullcontext()

    def backward(self, loss: Tensor, /) -> None:
        torch.autograd.backward(loss)
