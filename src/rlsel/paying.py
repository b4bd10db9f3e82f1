"""How a command that makes coresets ends: what is kept, what it cost and saves, and what to type next."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from rlsel.coreset import Coreset


def closing(coresets: Sequence[Coreset], *, run: Path, training_seconds: float = 0.0) -> str:
    """Says what a command that makes coresets made.

    Args:
        coresets: What it made, at least one.
        run: The folder of the run of one of them.
        training_seconds: As of `balance`.

    Returns:
        A line for the user.
    """
    return balance(coresets[0], training_seconds, run=run) if len(coresets) == 1 else tally(coresets, run=run)


def balance(coreset: Coreset, training_seconds: float, *, run: Path) -> str:
    """Says how much is kept, what it took, after how many trainings it has paid, and what to type next.

    Args:
        coreset: What was selected.
        training_seconds: How long the target training took, of as many passes over all candidates as the training to
            come is taken to make over the coreset; 0 where none was trained.
        run: The folder of the run.

    Returns:
        A line for the user.
    """
    kept, of, seconds = len(coreset), coreset.provenance.dataset.candidates, coreset.provenance.wall_seconds
    line = f"note: {kept:,} of {of:,} samples are kept, {_by_class(coreset)}, in {_shown(seconds)}"
    saved = training_seconds * (1 - kept / of)
    if saved > 0:
        trainings = math.ceil(seconds / saved)
        line += (
            f"; a training like the target's saves about {_shown(saved)} on them where it makes as many passes (none "
            f"where it takes as many steps), so that the selection has paid after {trainings:,}"
        )
    return f"{line}; next: {next_command(run, coreset)}"


def tally(coresets: Sequence[Coreset], *, run: Path) -> str:
    """Says how much is kept in several coresets, what they took, and what to type next.

    Args:
        coresets: What was selected, at least one.
        run: The folder of the run of one of them.

    Returns:
        A line for the user.
    """
    sizes = [len(coreset) for coreset in coresets]
    seconds = max(coreset.provenance.wall_seconds for coreset in coresets)
    return (
        f"note: {len(coresets):,} coresets are made, of {min(sizes):,} to {max(sizes):,} samples, the dearest in "
        f"{_shown(seconds)}; next: {next_command(run, coresets[0])}"
    )


def next_command(run: Path, coreset: Coreset) -> str:
    """Returns what trains on a coreset, as it is typed where the user stands; without labels, what hands it on."""
    here = Path.cwd()
    shown = shlex.quote(str(run.relative_to(here) if run.is_relative_to(here) else run))
    if coreset.provenance.dataset.num_classes == 1:
        return f"rlsel export run={shown} format=csv"
    return f"rlsel train-on-subset coreset={shown}"


def _by_class(coreset: Coreset) -> str:
    counts = {place: count for place, count in enumerate(coreset.class_counts) if count}
    fewest, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[fewest] == counts[most]:
        return f"{counts[most]:,} of each class that has any"
    names = coreset.provenance.dataset.class_names
    return (
        f"fewest of class {names[fewest]!r} ({counts[fewest]:,}) and most of class {names[most]!r} ({counts[most]:,})"
    )


def _shown(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"
