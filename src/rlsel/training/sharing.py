"""How several processes share the batches of a training: each computes its own part, and all see the whole."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rlsel.processes import Processes, lengths_of_parts, rows_of_part


class SharedBatches:
    """Cuts batches into the parts of the processes, and puts together what comes of them."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def rows(self, size: int) -> slice:
        """Returns which samples of a batch are those of this process."""
        lengths = self._lengths(size)
        return slice(0, size) if lengths is None else rows_of_part(lengths, self._processes.rank)

    def parts(self, size: int) -> int:
        """Returns into how many parts a batch is cut; 1 where every process computes all of it."""
        return 1 if self._lengths(size) is None else self._processes.size

    def whole(self, parts: Sequence[Tensor], size: int) -> list[Tensor]:
        """Puts parts of a batch together.

        Args:
            parts: Each (b, ...) float32, of the b samples of this process, without gradient.
            size: B, the samples of the whole batch.

        Returns:
            Each (B, ...), the same in all processes.
        """
        lengths = self._lengths(size)
        if lengths is None:
            return list(parts)
        flat = [part.reshape(len(part), -1) for part in parts]
        widths = [one.shape[1] for one in flat]
        together = self._processes.gather(torch.cat(flat, dim=1), lengths)
        wholes = torch.split(together, widths, dim=1)
        return [one.reshape(size, *part.shape[1:]) for one, part in zip(wholes, parts, strict=True)]

    def own_stream(self, *names: str | int) -> tuple[str | int, ...]:
        """Names a stream of random numbers for this process alone; the first has that of a single process."""
        rank = self._processes.rank
        return (*names, "process", rank) if rank else names

    def _lengths(self, size: int) -> list[int] | None:
        # the layers that normalise a batch need two samples
        count = self._processes.size
        return lengths_of_parts(size, count) if count > 1 and size >= 2 * count else None
