"""What the commands that make coresets have in common: only what is not there yet is made, from data read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rlsel.budget import kept_count
from rlsel.data.dataset import Dataset
from rlsel.runs.checkpoint import checkpoint_at
from rlsel.runs.datasets import read_dataset
from rlsel.runs.folder import common_parent, note_damage, to_make
from rlsel.runs.plan import Planned
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.training.fabric import Fabric
from rlsel.training.reporting import Reporter

Work = Callable[[Sequence[Planned], Dataset, Fabric], None]
"""Checks what is left to check, then makes coresets of a data set on a device, and saves them."""


def make_missing(
    planned: Sequence[Planned],
    work: Work,
    *,
    settings: RunSettings,
    options: RunOptions,
    reporter: Reporter,
    needs_labels: bool = True,
) -> Path:
    """Makes the planned coresets that do not exist yet.

    Args:
        planned: All that was asked for.
        work: Makes what is missing.
        settings: Name the data set.
        options: Where and on what.
        reporter: Told what was complete already, and what is made again since it is damaged.
        needs_labels: Whether something is to be trained on the labels.

    Returns:
        The run folder; the folder that holds all of them where there are several.

    Raises:
        RlselError: for a user's mistake.
    """
    missing = to_make(planned, again=options.resume == "never")
    if missing:
        dataset = read_dataset(settings, needs_labels=needs_labels)
        for one in planned:
            kept_count(one.wanted.ratio, len(dataset.train))
        note_damage([one.folder for one in missing], reporter.note)
        with options.device.computing() as fabric:
            work(missing, dataset, fabric)
    for one in planned:
        if one not in missing:
            # a process that was killed right after its end left it
            checkpoint_at(one.folder.path, one.folder.digest).remove()
    if len(missing) < len(planned):
        reporter.note(taken(len(planned) - len(missing), of=len(planned)))
    return common_parent(planned, options.run_dir)


def taken(number: int = 1, *, of: int = 1) -> str:
    """Says that runs were complete already, in a line for the user.

    Args:
        number: How many were.
        of: How many were asked for.
    """
    if of == 1:
        return "note: the run is complete already and is taken as it is: resume=never makes it anew"
    return (
        f"note: {number:,} of {of:,} runs are complete already and are taken as they are: resume=never makes all anew"
    )
