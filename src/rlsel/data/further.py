"""Images that a trained model is measured on, besides the test split of what it was trained on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from rlsel.data.dataset import Split


@dataclass(frozen=True, kw_only=True)
class FurtherSplit:
    """A split with its right answers.

    Attributes:
        name: The name in messages and results.
        split: The N images; its labels are the first of the answers.
        answers: (N, L) int64 classes that are right for each image, in the numbering of the data set that was
            trained on; -1 where an image has fewer than L.
        among: (C,) bool, the classes that a model may choose from; None for all.
    """

    name: str
    split: Split
    answers: Tensor
    among: Tensor | None = None
