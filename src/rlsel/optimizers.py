"""The optimisers of torch without what only a compiled program needs of them.

The methods of a `torch.optim.Optimizer` are wrapped so that `torch.compile` leaves them alone, and the wrappers import
`torch._dynamo` at the first call: thousands of modules, a third of a short run. Here the same methods are called as
they stand below the wrappers, so that every number stays what it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch


class _Eager(torch.optim.Optimizer):
    """The methods of an optimiser below their wrappers."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        inspect.unwrap(super().add_param_group)(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        inspect.unwrap(super().zero_grad)(self, set_to_none)

    def step(self, closure: Callable[[], float] | None = None) -> Any:  # noqa: ANN401 - whatever the closure returns
        with torch.no_grad():  # as the wrapper does
            return inspect.unwrap(super().step)(self, closure)

    def state_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = inspect.unwrap(super().state_dict)(self)
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        inspect.unwrap(super().load_state_dict)(self, state_dict)


class SGD(_Eager, torch.optim.SGD):
    """`torch.optim.SGD`."""


class Adam(_Eager, torch.optim.Adam):
    """`torch.optim.Adam`."""


class AdamW(_Eager, torch.optim.AdamW):
    """`torch.optim.AdamW`."""
