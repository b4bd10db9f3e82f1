"""Gradients of the loss of single samples, reduced to norms and inner products before they fill the memory.

The loss is the cross-entropy ℓ. Two kinds of gradient:

- of the last layer, ∇_{W,b} ℓ_i = (p_i - y_i) ⊗ (h_i, 1) with p the softmax, y the one-hot label and h the penultimate
  features; kept as its two factors, so that N samples take N (C + D) numbers and not N C (D + 1);
- of all parameters, computed for a few samples at a time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from rlsel.data.dataset import Dataset, Split
from rlsel.data.loading import load_batches
from rlsel.errors import DataError
from rlsel.models.target import TargetModel
from rlsel.training.observation import CleanPass
from rlsel.training.reporting import Reporter

_CHUNK_BYTES = {"cpu": 256 * 2**20, "cuda": 2 * 2**30}  # what the gradients of one chunk may take
_LARGEST_CHUNK = 128  # above it nothing gets faster
_MEAN_BATCH = 256
_WORTH_SAYING = 30.0  # seconds

_Gradients = tuple[Tensor, ...]
_Reduce = Callable[[_Gradients], Tensor]


@dataclass(frozen=True, kw_only=True)
class LastLayerGradients:
    """The gradient of each sample with respect to the weights and biases of the last layer, in factors.

    Attributes:
        errors: (N, C) softmax minus the one-hot label.
        features: (N, D) penultimate features; the 1 that the bias sees is left out.
    """

    errors: Tensor
    features: Tensor

    def norms(self) -> Tensor:
        """(N,) Euclidean norms, ‖p - y‖ √(1 + ‖h‖²)."""
        lengths: Tensor = torch.linalg.vector_norm(self.features, dim=1)
        errors: Tensor = torch.linalg.vector_norm(self.errors, dim=1)
        return errors * (1 + lengths.square()).sqrt()

    def total(self) -> Tensor:
        """(C, D + 1) sum over the samples; the last column belongs to the bias."""
        return torch.cat([self.errors.T @ self.features, self.errors.sum(dim=0)[:, None]], dim=1)

    def mean(self) -> Tensor:
        """(C, D + 1) mean over the samples."""
        return self.total() / len(self.errors)

    def products(self, direction: Tensor) -> Tensor:
        """Returns the (N,) inner products with a (C, D + 1) gradient G: (p - y)ᵀ G (h, 1)."""
        seen = torch.addmm(direction[:, -1], self.features, direction[:, :-1].T)
        return seen.mul_(self.errors).sum(dim=1)

    def at(self, indices: Tensor) -> LastLayerGradients:
        """Returns those of the samples at (K,) positions."""
        return LastLayerGradients(errors=self.errors[indices], features=self.features[indices])


def last_layer_gradients(clean: CleanPass, labels: Tensor) -> LastLayerGradients:
    """Returns the last-layer gradients of N samples.

    Args:
        clean: Logits (N, C) and features (N, D) of the samples.
        labels: (N,) int64 in [0, C).
    """
    return LastLayerGradients(errors=softmax_errors(clean.logits, labels), features=clean.features)


def softmax_errors(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns the (N, C) softmax of the logits minus the one-hot (N,) labels, the gradient at the logits."""
    # the error of the label is the sum of the others: one minus a probability near one has no digits left
    others = torch.softmax(logits, dim=1).scatter_(1, labels[:, None], 0)
    return others.scatter_(1, labels[:, None], -others.sum(dim=1, keepdim=True))


def mean_gradient(model: TargetModel, dataset: Dataset, split: Split, *, device: torch.device) -> _Gradients:
    """Returns the gradient of the mean loss of a split, without augmentation and in evaluation mode.

    Args:
        model: Keeps the mode that it was in.
        dataset: Says how images are normalised.
        split: N samples.
        device: Where the model is.

    Returns:
        One tensor for each parameter that is trained, in the order of `model.parameters()`.
    """
    parameters = _trained_parameters(model)
    sums = [torch.zeros_like(value) for value in parameters.values()]
    index_batches = torch.split(torch.arange(len(split)), _MEAN_BATCH)
    with _evaluating(model):
        for batch in load_batches(dataset, split, index_batches, device=device, augmentation=None, generator=None):
            loss = nn.functional.cross_entropy(model(batch.images).logits, batch.labels, reduction="sum")
            for total, gradient in zip(sums, torch.autograd.grad(loss, list(parameters.values())), strict=True):
                total += gradient
    return tuple(total / len(split) for total in sums)


def gradient_norms(
    model: TargetModel, dataset: Dataset, split: Split, *, device: torch.device, reporter: Reporter | None = None
) -> Tensor:
    """Returns the (N,) norms of the gradients of all parameters, one for each sample.

    Args:
        model: The model in any mode; it is evaluated in evaluation mode, in which batch normalisation treats each
            sample on its own.
        dataset: Says how images are normalised.
        split: N samples.
        device: Where the model is.
        reporter: Told how long it takes, if that is long.

    Returns:
        float32, on the CPU.
    """

    def reduce(gradients: _Gradients) -> Tensor:
        return _inner_product(gradients, gradients)[None]

    return _reduced_gradients(model, dataset, split, reduce, device=device, reporter=reporter)[:, 0].sqrt()


def gradient_norms_and_products(
    model: TargetModel,
    dataset: Dataset,
    split: Split,
    *,
    direction: Sequence[Tensor],
    device: torch.device,
    reporter: Reporter | None = None,
) -> tuple[Tensor, Tensor]:
    """Returns what `gradient_norms` does, and the (N,) inner products of the same gradients with a given one.

    Args:
        model: The model in any mode, as in `gradient_norms`.
        dataset: Says how images are normalised.
        split: N samples.
        direction: A gradient, in the form that `mean_gradient` returns.
        device: Where the model is.
        reporter: Told how long it takes, if that is long.
    """

    def reduce(gradients: _Gradients) -> Tensor:
        return torch.stack([_inner_product(gradients, gradients), _inner_product(gradients, direction)])

    reduced = _reduced_gradients(model, dataset, split, reduce, device=device, reporter=reporter)
    return reduced[:, 0].sqrt(), reduced[:, 1]


def require_finite(values: Tensor) -> Tensor:
    """Returns `values` if none is NaN or infinite.

    Raises:
        DataError: otherwise.
    """
    if not torch.isfinite(values).all():
        raise DataError(
            "gradients must be finite numbers, got NaN or infinity: the training diverged, lower training.learning_rate"
        )
    return values


def _trained_parameters(model: TargetModel) -> dict[str, Tensor]:
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def _inner_product(left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    # dot keeps no elementwise product, which would be another chunk of gradients
    products = [torch.dot(a.flatten(), b.flatten()) for a, b in zip(left, right, strict=True)]
    return torch.stack(products).sum()


def _reduced_gradients(
    model: TargetModel,
    dataset: Dataset,
    split: Split,
    reduce: _Reduce,
    *,
    device: torch.device,
    reporter: Reporter | None,
) -> Tensor:
    """Returns the (N, k) reductions to k numbers of each sample's gradient, computed a chunk of samples at a time."""
    parameters = {name: value.detach() for name, value in _trained_parameters(model).items()}

    def loss(values: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(model, values, (image[None],)).logits
        return nn.functional.cross_entropy(logits, label[None])

    def one(image: Tensor, label: Tensor) -> Tensor:
        return reduce(tuple(grad(loss)(parameters, image, label).values()))

    several = vmap(one)
    rows: list[Tensor] = []
    with _evaluating(model), _without_batching_warnings(), sdpa_kernel(SDPBackend.MATH):
        chunk = _chunk_size(model, dataset, split, device=device)
        index_batches = torch.split(torch.arange(len(split)), chunk)
        started = time.monotonic()
        for batch in load_batches(dataset, split, index_batches, device=device, augmentation=None, generator=None):
            rows.append(several(batch.images, batch.labels).cpu())
            if len(rows) == 1:
                started = time.monotonic()  # the first is slow, it warms up
            elif len(rows) == 2 and reporter is not None:
                _tell_duration(reporter, (time.monotonic() - started) * len(index_batches), len(split))
    return torch.cat(rows)


def _tell_duration(reporter: Reporter, seconds: float, size: int) -> None:
    if seconds > _WORTH_SAYING:
        reporter.note(
            f"gradients of {size} samples, one by one: about {seconds / 60:.1f} min; selector.fast=true is quick"
        )


def _chunk_size(model: TargetModel, dataset: Dataset, split: Split, *, device: torch.device) -> int:
    """Returns for how many samples at a time gradients and activations fit into the memory set aside."""
    parameters = sum(value.numel() for value in _trained_parameters(model).values())
    elements = 0

    def count(module: nn.Module, inputs: object, output: object) -> None:  # noqa: ARG001 - the form of a hook
        nonlocal elements
        if isinstance(output, Tensor):
            elements += output.numel()

    leaves = [module for module in model.modules() if not any(module.children())]
    hooks = [leaf.register_forward_hook(count) for leaf in leaves]
    first = next(load_batches(dataset, split, [torch.arange(1)], device=device, augmentation=None, generator=None))
    with torch.no_grad():
        model(first.images)
    for hook in hooks:
        hook.remove()
    # a gradient and a copy in another layout; an activation, its gradient and one more in between
    bytes_each = 4 * (2 * parameters + 3 * elements)
    return max(1, min(_LARGEST_CHUNK, _CHUNK_BYTES.get(device.type, _CHUNK_BYTES["cpu"]) // bytes_each))


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@contextmanager
def _without_batching_warnings() -> Iterator[None]:
    """Hides what torch says of operations that it runs sample by sample: the result is the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
        yield
