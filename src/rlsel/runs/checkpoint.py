"""The checkpoint of a training in a run folder: where it lies, and when it goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rlsel.training.resuming import Checkpointing


def checkpoint_at(folder: Path, digest: str, *, writes: bool = True) -> Checkpointing:
    """Returns the place of the checkpoint of a training with these settings in a run folder.

    Args:
        folder: The run folder.
        digest: Hash of the settings.
        writes: Whether anything is saved there; of several processes that train together, only the first does.
    """
    return Checkpointing(path=folder / f".training-{digest}.ckpt", writes=writes)


@contextmanager
def training_checkpoint(folder: Path, digest: str, *, resume: bool) -> Iterator[Checkpointing]:
    """Gives a training the place of its checkpoint, which goes when the block ends well.

    Whatever the block raises, an interruption above all, leaves the checkpoint for the next attempt.

    Args:
        folder: The run folder; the block makes it where it does not exist.
        digest: Hash of the settings of the training, so that another training does not take it up.
        resume: Whether an interrupted training is taken up again; else its checkpoint goes first.
    """
    checkpointing = checkpoint_at(folder, digest)
    if not resume:
        checkpointing.remove()
    yield checkpointing
    checkpointing.remove()
