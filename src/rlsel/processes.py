"""Several processes that train one model together: who is who, and how work is cut and put together.

Every process runs the same command on the same data. Each takes its own part of a batch, of a pass over the data and
of the distances of E_c; what comes of the parts is put together in every process, so that all of them hold the same
state, and only the first writes files. `torchrun` and `rlsel` itself tell a process its place by the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


def process_count() -> int:
    """Returns how many processes this one works with, itself included, on all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def own_rank() -> int:
    """Returns the number of this process among all of them; the first is 0."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or "0")


class Processes(Protocol):
    """The processes that train one model together; every one of them must make the same calls in the same order."""

    @property
    def rank(self) -> int:
        """The number of this process; the first, which alone writes files, is 0."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def gather(self, own: Tensor, lengths: Sequence[int]) -> Tensor:
        """Puts parts together.

        Args:
            own: (`lengths[rank]`, ...), the part of this process, without gradient.
            lengths: Rows of the part of each process.

        Returns:
            (sum of `lengths`, ...) in the order of the processes, on the device of `own`.
        """
        ...

    def sum(self, own: Tensor) -> Tensor:
        """Returns the sum over the processes of a tensor of one shape."""
        ...

    def any(self, own: bool) -> bool:
        """Returns whether something is true in at least one process."""
        ...

    def take_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Replaces tensors, in place, by those of the first process."""
        ...


class Alone:
    """A process that shares its model with no other."""

    rank = 0
    size = 1

    def gather(self, own: Tensor, lengths: Sequence[int]) -> Tensor:
        return own

    def sum(self, own: Tensor) -> Tensor:
        return own

    def any(self, own: bool) -> bool:
        return own

    def take_from_first(self, tensors: Iterable[Tensor]) -> None:
        return


ALONE = Alone()


def lengths_of_parts(number: int, parts: int) -> list[int]:
    """Cuts `number` items into parts in order, of lengths that differ by one at most, the longer ones first."""
    return [number // parts + (part < number % parts) for part in range(parts)]


def rows_of_part(lengths: Sequence[int], part: int) -> slice:
    """Returns which items are in a part."""
    start = sum(lengths[:part])
    return slice(start, start + lengths[part])
