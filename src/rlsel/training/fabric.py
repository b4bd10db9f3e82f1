"""What a training needs to know of where it is computed: the part of Lightning Fabric that rlsel uses.

A float32 run in one process is `OneProcess`, a few lines. Lightning Fabric itself imports `torch._dynamo` and with it
thousands of modules, a third of a short run; so it is imported where there is something for it to do: other
precisions, and several processes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from rlsel.errors import ProcessError
from rlsel.processes import ALONE, Alone, Processes, own_rank, process_count

if TYPE_CHECKING:
    import lightning_fabric

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]


class Fabric(Protocol):
    """Where a model is trained, in which precision, and by how many processes."""

    @property
    def device(self) -> torch.device:
        """Where this process keeps its tensors."""
        ...

    @property
    def processes(self) -> Processes:
        """Those that train the model together."""
        ...

    def setup(self, model: nn.Module, optimizer: Optimizer, /) -> tuple[nn.Module, Optimizer]:
        """Moves a model to the device, and returns it and its optimiser as a training is to call them."""
        ...

    def autocast(self) -> AbstractContextManager[None]:
        """Returns a context that computes in the precision."""
        ...

    def backward(self, loss: Tensor, /) -> None:
        """Computes the gradients of a scalar loss; of several processes, the mean of theirs."""
        ...


@dataclass(frozen=True, kw_only=True)
class OneProcess:
    """One device in float32.

    Attributes:
        device: Where tensors are kept.
    """

    device: torch.device

    @property
    def processes(self) -> Alone:
        return ALONE

    def setup(self, model: nn.Module, optimizer: Optimizer, /) -> tuple[nn.Module, Optimizer]:
        return model.to(self.device), optimizer

    def autocast(self) -> AbstractContextManager[None]:
        return nullcontext()

    def backward(self, loss: Tensor, /) -> None:
        torch.autograd.backward(loss)


class ByLightning:
    """A device, a precision and processes that Lightning Fabric takes care of."""

    def __init__(self, fabric: lightning_fabric.Fabric) -> None:
        self._fabric = fabric
        self.device = fabric.device
        self.processes: Processes = Together(fabric.device) if process_count() > 1 else ALONE

    def setup(self, model: nn.Module, optimizer: Optimizer, /) -> tuple[nn.Module, Optimizer]:
        ready: tuple[nn.Module, Optimizer] = self._fabric.setup(model, optimizer)
        return ready

    def autocast(self) -> AbstractContextManager[None]:
        context: AbstractContextManager[None] = self._fabric.autocast()
        return context

    def backward(self, loss: Tensor, /) -> None:
        self._fabric.backward(loss)


@contextmanager
def by_lightning(accelerator: str, precision: Precision, processes: int) -> Iterator[Fabric]:
    """Gives a Fabric; of several processes, joins them, and leaves them behind the block.

    Args:
        accelerator: `cpu`, `cuda` or `mps`.
        precision: See `rlsel.training.devices.DeviceSettings`.
        processes: How many train together on this machine.

    Raises:
        ProcessError: if another process of the same run is gone.
    """
    import lightning_fabric
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    # it advises to compute matrix products with fewer digits, in which the distances of near duplicates drown
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if process_count() == 1:
        yield ByLightning(lightning_fabric.Fabric(accelerator=accelerator, devices=1, precision=precision))
        return
    fabric = lightning_fabric.Fabric(
        accelerator=accelerator,
        devices=processes,
        num_nodes=process_count() // processes,
        strategy="ddp",
        precision=precision,
        plugins=[TorchElasticEnvironment()],
    )
    try:
        fabric.launch()
        yield ByLightning(fabric)
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        raise ProcessError(
            f"one of the {process_count()} processes that train together is gone, which ends the others: start the "
            "same command again, which goes on from its last checkpoint"
        ) from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _is_lost_connection(error: RuntimeError) -> bool:
    # of gloo, torch tells by the text alone
    return isinstance(error, distributed.DistError) or "gloo" in str(error) or "Connection" in str(error)


class Together:
    """The processes of torch's default group."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.rank, self.size = own_rank(), process_count()

    def gather(self, own: Tensor, lengths: Sequence[int]) -> Tensor:
        longest = max(lengths)
        padded = own.new_zeros((longest, *own.shape[1:]), device=self._device)
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in lengths]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)]).to(own.device)

    def sum(self, own: Tensor) -> Tensor:
        total = own.to(self._device, copy=True)
        distributed.all_reduce(total)
        return total.to(own.device)

    def any(self, own: bool) -> bool:
        return bool(self.sum(torch.tensor(float(own))))

    def take_from_first(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            shared = tensor.to(self._device).contiguous()
            distributed.broadcast(shared, src=0)
            tensor.copy_(shared)
