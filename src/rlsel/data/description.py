"""What was read, in words for the user."""

from __future__ import annotations

from collections.abc import Callable

from rlsel.data.dataset import Dataset


def tell(dataset: Dataset, note: Callable[[str], object]) -> None:
    """Says what a data set is, and what the user should know of it.

    A run says it once everything is validated: a refusal is one line, and no other stands before it.

    Args:
        dataset: The data set as it was read.
        note: Takes each line.
    """
    note(describe(dataset))
    for line in dataset.notes:
        note(f"note: {line}")


def describe(dataset: Dataset) -> str:
    """Says in one line what a data set is: "3,000 images, 6 classes, 600 held out, 64 px"."""
    channels, height, width = dataset.image_shape
    features = (height, width) == (1, 1)
    held_out, candidates = len(dataset.held_out), len(dataset.train)
    parts = [f"{len(dataset.source):,} {'rows of features' if features else 'images'}"]
    if candidates + held_out < len(dataset.source):
        parts.append(f"{candidates:,} of them candidates")
    if dataset.labelled:
        parts.append(f"{dataset.num_classes:,} classes")
    if held_out:
        parts.append(f"{held_out:,} held out to measure on")
    elif len(dataset.test):
        parts.append(f"{len(dataset.test):,} more to measure on")
    parts.append(
        f"{channels} dimensions" if features else f"{height} px" if height == width else f"{height} x {width} px"
    )
    return f"{dataset.name}: {', '.join(parts)}"
