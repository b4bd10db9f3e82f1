"""Batch normalisation over the whole batch of several processes, as one process computes it.

Over its own part alone, each process would normalise with the spread of fewer samples, and another model would come of
it. `torch.nn.SyncBatchNorm` does the same on GPUs only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


def share_batch_norms(model: nn.Module) -> None:
    """Replaces, in place, the batch normalisations of a model; parameters, buffers and their names stay."""
    for name, child in model.named_children():
        if isinstance(child, _BatchNorm) and child.track_running_stats:
            setattr(model, name, WholeBatchNorm(child))
        else:
            share_batch_norms(child)


class WholeBatchNorm(_BatchNorm):
    """A batch normalisation over the (B, C, ...) batches of all processes; in evaluation mode, as any other."""

    def __init__(self, like: _BatchNorm) -> None:
        """Takes over the parameters and the buffers of `like`."""
        super().__init__(like.num_features, like.eps, like.momentum, affine=like.affine)
        self._parameters, self._buffers = like._parameters, like._buffers
        self.training = like.training

    def forward(self, batch: Tensor) -> Tensor:
        """Normalises (B, C, ...), B the part of this process."""
        if not self.training:
            return super().forward(batch)
        others = [dimension for dimension in range(batch.dim()) if dimension != 1]
        shape = [-1 if dimension == 1 else 1 for dimension in range(batch.dim())]
        size = _sum(torch.tensor([batch.numel() / batch.shape[1]], device=batch.device))
        mean = _sum(batch.float().sum(dim=others)) / size
        centred = batch.float() - mean.view(shape)
        variance = _sum(centred.square().sum(dim=others)) / size
        self._follow(mean.detach(), variance.detach() * size / (size - 1))
        normalised = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(batch.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Moves the running statistics towards those of a batch."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - the name that torch gives it
        return


class _Sum(torch.autograd.Function):
    """The sum over the processes; the gradient of each part is that of the sum, summed alike."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:  # noqa: ANN401, ARG004 - as torch calls it
        total = own.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401, ARG004
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


def _sum(own: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(own)
    return total
