"""At which epoch of the target training an early look is taken."""

from __future__ import annotations

from rlsel.checks import refuse
from rlsel.selectors.base import SelectionTask

_EARLY = 0.1  # of the training: epoch 20 of 200 in "Deep learning on a data diet", section 3


def check_epoch(epoch: int | None, *, reason: str) -> None:
    """Checks a field `epoch` that leaves the choice to `early_epoch` where it is None.

    Args:
        epoch: The value of the field.
        reason: Why the model before the training will not do.

    Raises:
        ConfigurationError: if it is not an integer of at least 1.
    """
    if epoch is not None and (isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 1):
        raise refuse("selector.epoch", "an integer of at least 1", epoch, reason)


def early_epoch(task: SelectionTask, epoch: int | None) -> int:
    """Returns after how many epochs to look: as told, or after a tenth of the training, at least one.

    Raises:
        ConfigurationError: if the training has fewer epochs.
    """
    total = task.training.total_epochs(len(task))
    if epoch is None:
        return max(1, round(_EARLY * total))
    if epoch > total:
        allowed = f"at most {total}, the epochs of the training"
        raise refuse("selector.epoch", allowed, epoch, "lower it or raise training.epochs")
    return epoch
