"""What a selection cost, and what it saves to each training to come."""

from __future__ import annotations

import math

from rlsel.coreset import Coreset


def balance(coreset: Coreset, training_seconds: float) -> str:
    """Says how much is kept, what it took, and after how many trainings it has paid.

    Args:
        coreset: What was selected.
        training_seconds: How long the target training took, of as many passes over all candidates as the training to
            come is taken to make over the coreset; 0 where none was trained.

    Returns:
        A line for the user.
    """
    counts = [count for count in coreset.class_counts if count]
    kept, of, seconds = len(coreset), coreset.provenance.dataset.candidates, coreset.provenance.wall_seconds
    each = f"{min(counts)} to {max(counts)}" if min(counts) != max(counts) else f"{counts[0]}"
    line = f"note: {kept:,} of {of:,} samples are kept, {each} of each class that has any, in {_shown(seconds)}"
    saved = training_seconds * (1 - kept / of)
    if saved <= 0:
        return line
    trainings = math.ceil(seconds / saved)
    return (
        f"{line}; a training like the target's saves about {_shown(saved)} on them where it makes as many passes (none "
        f"where it takes as many steps), so that the selection has paid after {trainings:,}"
    )


def _shown(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"
