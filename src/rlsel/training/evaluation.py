"""Passes over a split that change nothing: outputs of all samples, and accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rlsel.data.dataset import Dataset, Split
from rlsel.data.loading import load_batches
from rlsel.models.target import TargetModel
from rlsel.processes import lengths_of_parts, rows_of_part
from rlsel.training.fabric import Fabric
from rlsel.training.observation import CleanPass

_CPU_BATCH, _BATCH = 128, 512
"""Images in a batch on a CPU and elsewhere. The outputs of the layers of a residual network for 512 images do not fit
into the caches of a CPU, where a pass with such batches takes twice as long."""

_ROWS = 4096
"""Rows of features in a batch of `feature_pass`."""


def clean_pass(model: TargetModel, dataset: Dataset, split: Split, *, fabric: Fabric) -> CleanPass:
    """Runs a model over a split: un-augmented, in evaluation mode, in order.

    Args:
        model: Keeps the mode that it was in.
        dataset: Says how images are normalised.
        split: N samples.
        fabric: The device and the precision.

    Returns:
        Logits (N, C) and features (N, D), float32 on the CPU.
    """
    was_training = model.training
    model.eval()
    logits, features = [], []
    index_batches = torch.split(torch.arange(len(split)), _CPU_BATCH if fabric.device.type == "cpu" else _BATCH)
    processes = fabric.processes
    processes.take_from_first(model.buffers())
    # whole batches, so that no sum is rounded in another way than by one process; a process without any would not know
    # the widths of what it is given
    shared = len(index_batches) >= processes.size
    parts = lengths_of_parts(len(index_batches), processes.size)
    lengths = [sum(map(len, index_batches[rows_of_part(parts, part)])) for part in range(processes.size)]
    own = index_batches[rows_of_part(parts, processes.rank)] if shared else index_batches
    # no_grad and not inference_mode: others may compute gradients with what is returned
    with torch.no_grad(), fabric.autocast():
        for batch in load_batches(dataset, split, own, device=fabric.device, augmentation=None, generator=None):
            output = model(batch.images)
            logits.append(output.logits.float().cpu())
            features.append(output.features.float().cpu())
    model.train(was_training)
    seen = [torch.cat(logits), torch.cat(features)]
    if shared:
        seen = [processes.gather(one, lengths) for one in seen]
    return CleanPass(logits=seen[0], features=seen[1])


def feature_pass(model: TargetModel, dataset: Dataset, positions: Tensor, *, fabric: Fabric) -> Tensor:
    """Computes the features of some training samples as `clean_pass` does; no array but the result grows with them.

    Args:
        model: In evaluation mode.
        dataset: Says how images are normalised.
        positions: (B,) int64 in its training split.
        fabric: The device and the precision.

    Returns:
        (B, D) float32 on the CPU.
    """
    features = torch.empty(len(positions), 0)
    done = 0
    with torch.no_grad(), fabric.autocast():
        for batch in load_batches(
            dataset,
            dataset.train,
            torch.split(positions, _ROWS),
            device=fabric.device,
            augmentation=None,
            generator=None,
        ):
            of_batch = model(batch.images).features.float().cpu()
            if not features.shape[1]:
                features = torch.empty(len(positions), of_batch.shape[1])
            features[done : done + len(of_batch)] = of_batch
            done += len(of_batch)
    return features


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How often the label is among the first guesses; fractions in [0, 1].

    Attributes:
        top1: Over all samples.
        top5: Over all samples; 1 where there are at most five classes.
        by_class: (C,) top-1 of each class; NaN for a class without samples.
    """

    top1: float
    top5: float
    by_class: tuple[float, ...]


def accuracy(logits: Tensor, labels: Tensor) -> Accuracy:
    """Measures the accuracy of (N, C) logits against (N,) labels."""
    classes = logits.shape[1]
    best = right_guesses(logits, labels[:, None])
    right = best[:, 0].double()
    counts = torch.bincount(labels, minlength=classes).double()
    by_class = torch.bincount(labels, weights=right, minlength=classes) / counts
    return Accuracy(
        top1=float(right.mean()),
        top5=float(best.any(dim=1).double().mean()),
        by_class=tuple(by_class.tolist()),
    )


def right_guesses(logits: Tensor, answers: Tensor, *, among: Tensor | None = None) -> Tensor:
    """Says which of the first five guesses are right.

    Args:
        logits: (N, C).
        answers: (N, L) classes that are right for each sample; -1 stands for none.
        among: (C,) bool, the classes that may be guessed, the answers among them; None for all.

    Returns:
        (N, 5) bool, the first guess first; (N, C) where there are fewer classes.
    """
    if among is not None:
        logits = logits.masked_fill(~among, -torch.inf)
    guesses = logits.topk(min(5, logits.shape[1]), dim=1).indices
    return (guesses[:, :, None] == answers[:, None, :]).any(dim=2)
