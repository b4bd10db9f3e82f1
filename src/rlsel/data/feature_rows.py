"""Rows of features that stay in their files: gathered from memory maps, so that they may be larger than memory.

A row is an image of one pixel with D channels, so that all that takes images takes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.data.dataset import ImageStore, MemoryImages
from rlsel.errors import DataError

_BLOCK_BYTES = 8_000_000
"""Of the float32 rows that are looked at together in a pass over all."""

IN_MEMORY_BYTES = 64 * 1024**2
"""Float32 rows up to this size are held in memory, where a batch is gathered fastest."""


@dataclass(frozen=True, eq=False)
class MappedRows:
    """Rows of one or more arrays of (n, D) floats, one after the other; they become float32 as they are read.

    Attributes:
        shards: The arrays, usually memory maps, of any float type.
        positions: (N,) int64 rows in all shards together that are meant, in this order; None for all.
    """

    shards: tuple[NDArray[Any], ...]
    positions: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.shards[0].shape[1], 1, 1

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(len(shard) for shard in self.shards)])

    def __len__(self) -> int:
        return int(self._starts[-1]) if self.positions is None else len(self.positions)

    def batches(self, index_batches: Sequence[Tensor]) -> Iterator[Tensor]:
        return (self.rows(indices)[:, :, None, None] for indices in index_batches)

    def rows(self, indices: Tensor) -> Tensor:
        """Returns the (B, D) float32 rows at (B,) positions."""
        places = (indices if self.positions is None else self.positions[indices]).numpy()
        if len(self.shards) == 1:
            return _as_floats(self.shards[0][places])
        result = torch.empty(len(places), self.shape[0])
        shard_of = np.searchsorted(self._starts, places, side="right") - 1
        for number in np.unique(shard_of):
            inside = np.flatnonzero(shard_of == number)
            result[torch.from_numpy(inside)] = _as_floats(self.shards[number][places[inside] - self._starts[number]])
        return result

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Yields all rows in order, as (n, D) float32 blocks of a few megabytes with the places that they have."""
        size = max(1, _BLOCK_BYTES // (4 * self.shape[0]))
        for start in range(0, len(self), size):
            place = slice(start, min(start + size, len(self)))
            yield place, self.rows(torch.arange(place.start, place.stop))

    def subset(self, indices: Tensor) -> ImageStore:
        chosen = MappedRows(self.shards, indices if self.positions is None else self.positions[indices])
        return chosen.where_it_fits()

    def where_it_fits(self) -> ImageStore:
        """Returns the rows in memory where they are few, else these."""
        if 4 * len(self) * self.shape[0] > IN_MEMORY_BYTES:
            return self
        return MemoryImages(self.rows(torch.arange(len(self)))[:, :, None, None])

    def digest(self) -> bytes:
        """Returns the digest that `MemoryImages` has of the same float32 rows, however they are stored."""
        digest = hashlib.sha256(repr(((len(self), *self.shape), "torch.float32")).encode())
        for _, rows in self.blocks():
            digest.update(rows.numpy().data)
        return digest.digest()


def _as_floats(rows: NDArray[Any]) -> Tensor:
    if rows.dtype in (np.float16, np.float32):
        return torch.from_numpy(np.asarray(rows)).float()
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        return torch.from_numpy(rows.astype(np.float32))


def finite_range(rows: MappedRows, where: str) -> tuple[float, float]:
    """Returns the lowest and the highest number of all rows.

    Args:
        rows: At least one.
        where: What they are and where they come from, for messages.

    Raises:
        DataError: if a number is not finite.
    """
    low, high = np.inf, -np.inf
    for place, block in rows.blocks():
        lowest, highest = (float(extreme) for extreme in torch.aminmax(block))
        if not np.isfinite([lowest, highest]).all():
            row = place.start + int((~torch.isfinite(block).all(dim=1)).nonzero()[0])
            raise DataError(f"{where} must hold finite numbers, got nan or infinity in sample {row}")
        low, high = min(low, lowest), max(high, highest)
    return low, high
