"""CG-score (Nohyun et al., "Data valuation without training of a model", ICLR 2023).

The score of a sample is how much the complexity gap of a wide two-layer network falls without it: with H the kernel of
the samples of a class (labels +1) and as many others (labels -1), score_i = yᵀH⁻¹y - y₋ᵢᵀH₋ᵢ⁻¹y₋ᵢ (their equation 5).
By the inverse of a matrix in blocks that is ((H⁻¹y)_i)² / (H⁻¹)_ii, so that one factorisation serves all samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.checks import int_at_least, positive_int
from rlsel.cover.coverage import class_members
from rlsel.data.loading import load_batches
from rlsel.errors import DataError
from rlsel.export import ExportSettings
from rlsel.randomness import torch_generator
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.costs import announce_cost
from rlsel.selectors.ordering import random_blocks

_JITTER = 1e-6  # on the diagonal, which is 1/2: lets duplicates be factorised
_LARGEST_SIDE = 64  # pixels; larger images are averaged down
_SECONDS_PER_ROW_CUBED = 9e-11  # measured on one core: 5.4 s for 4000 rows
_BYTES_PER_ENTRY = 24  # the kernel, its factor and its inverse in float64


def arc_cosine_kernel(inputs: Tensor) -> Tensor:
    """Computes the neural tangent kernel of the first layer (Nohyun et al. 2023, equation 3).

    H_ij = ⟨x_i, x_j⟩ (π - arccos⟨x_i, x_j⟩) / 2π for unit vectors; products above one by rounding are clamped.

    Args:
        inputs: (n, D); scaled to length one here.

    Returns:
        (n, n) float64 with 1/2 on the diagonal.
    """
    unit = torch.nn.functional.normalize(inputs.double())
    products = (unit @ unit.T).clamp_(-1, 1)
    kernel = torch.acos(products).neg_().add_(math.pi).mul_(products).div_(2 * math.pi)
    return kernel.fill_diagonal_(0.5)


def gap_scores(kernel: Tensor, signs: Tensor) -> Tensor:
    """Computes by how much yᵀH⁻¹y falls when each sample is left out.

    Args:
        kernel: (n, n) float64 symmetric H, positive semi-definite; 1e-6 is added to its diagonal, in place.
        signs: (n,) float64 y, +1 or -1.

    Returns:
        (n,) float64, at least 0.
    """
    kernel.diagonal().add_(_JITTER)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel))
    return (inverse @ signs).square() / inverse.diagonal()


def class_gap_scores(own: Tensor, others: Tensor) -> Tensor:
    """Scores the (n, D) samples of a class against the (m, D) samples of other classes; (n,) float64."""
    signs = torch.ones(len(own) + len(others), dtype=torch.float64)
    signs[len(own) :] = -1
    return gap_scores(arc_cosine_kernel(torch.cat([own, others])), signs)[: len(own)]


def cg_scores(
    load: Callable[[Tensor], Tensor],
    labels: Tensor,
    *,
    num_classes: int,
    repetitions: int,
    max_rows: int,
    generator: torch.Generator,
) -> Tensor:
    """Scores every sample, class by class, against as many samples drawn from the other classes.

    Args:
        load: Returns the (B, D) inputs at (B,) ascending positions.
        labels: (N,) int64 in [0, `num_classes`), of two classes at least.
        num_classes: C.
        repetitions: Draws of the other classes that are averaged; with them the blocks of a large class are drawn anew.
        max_rows: Most rows of one kernel; a class with more than half as many samples is split at random into blocks.
        generator: Draws the blocks and the other samples.

    Returns:
        (N,) float32, high = keep.
    """
    total = torch.zeros(len(labels), dtype=torch.float64)
    for members in class_members(labels, num_classes):
        outside = torch.nonzero(labels != labels[members[0]])[:, 0] if len(members) else members
        for own in _blocks(members, max_rows // 2, repetitions, generator):
            drawn = torch.randperm(len(outside), generator=generator)[: len(own)]
            total[own] += class_gap_scores(load(own), load(outside[drawn.sort().values]))
    return (total / repetitions).float()


def _blocks(members: Tensor, largest: int, repetitions: int, generator: torch.Generator) -> Iterator[Tensor]:
    if len(members):
        for _ in range(repetitions):
            yield from random_blocks(members, largest, generator)


@dataclass(frozen=True, kw_only=True)
class CGScore:
    """Keeps the samples that make their class hard to tell from the others; needs no training.

    It works on normalised pixels, averaged down to 64 x 64 where they are larger, or on the user's features.

    Attributes:
        repetitions: Draws of the other classes that are averaged.
        max_block: Rows of one kernel, half of them of the class; larger classes are split at random.
    """

    name: ClassVar[str] = "cg_score"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk", class_balance="none")
    uses: ClassVar[Uses] = Uses(target=False, target_beside_features=False)

    repetitions: int = 1
    max_block: int = 4000

    def __post_init__(self) -> None:
        positive_int("selector.repetitions", self.repetitions)
        int_at_least("selector.max_block", self.max_block, 4)

    def needs(self, task: SelectionTask) -> Needs:
        if int(task.labels.min()) == int(task.labels.max()):
            raise DataError("cg_score compares a class with the others, got a single class: use another selector")
        return Needs()

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        self._announce(task)
        features = task.features
        values = cg_scores(
            (lambda positions: _pixels(task, positions)) if features is None else (lambda own: features[own]),
            task.labels,
            num_classes=task.dataset.num_classes,
            repetitions=self.repetitions,
            max_rows=self.max_block,
            generator=torch_generator(task.seed, self.name, "others"),
        )
        return Scores(values=values)

    def _announce(self, task: SelectionTask) -> None:
        """Says what the kernels cost, and that classes are split, before a long wait."""
        counts = [count for count in task.dataset.class_counts() if count]
        blocks = [math.ceil(count / (self.max_block // 2)) for count in counts]
        rows = [2 * math.ceil(count / parts) for count, parts in zip(counts, blocks, strict=True)]
        seconds = self.repetitions * _SECONDS_PER_ROW_CUBED * sum(b * r**3 for b, r in zip(blocks, rows, strict=True))
        announce_cost(task.reporter, self.name, seconds=seconds, megabytes=1e-6 * _BYTES_PER_ENTRY * max(rows) ** 2)
        if max(blocks) > 1:
            task.reporter.note(
                f"cg_score: classes above {self.max_block // 2} samples are split at random into blocks, which are "
                "scored apart; raise selector.max_block for fewer, larger ones"
            )


def _pixels(task: SelectionTask, positions: Tensor) -> Tensor:
    """Returns the (B, D) flat normalised pixels of training images, without augmentation."""
    batches = load_batches(
        task.dataset,
        task.dataset.train,
        torch.split(positions, 256),
        device=torch.device("cpu"),
        augmentation=None,
        generator=None,
    )
    return torch.cat([_small(batch.images).flatten(1) for batch in batches])


def _small(images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    if max(height, width) <= _LARGEST_SIDE:
        return images
    size = (min(height, _LARGEST_SIDE), min(width, _LARGEST_SIDE))
    return torch.nn.functional.adaptive_avg_pool2d(images, size)
