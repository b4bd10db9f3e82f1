"""Named, independent random streams from one seed.

A run has a single `seed`; whoever needs random numbers asks for a stream by name, so that a new consumer never shifts
the numbers of another. Nothing here touches a global generator, except inside `borrowed_global_torch_state`, which
puts it back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def stream(seed: int, *names: str | int | float) -> int:
    """Derives the seed of a named stream.

    Args:
        seed: The run's seed, at least 0.
        *names: What the stream is for, from the general to the particular.

    Returns:
        An integer in [0, 2**63), the same on every machine.
    """
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, *names: str | int | float) -> np.random.Generator:
    """Returns a fresh NumPy generator for the named stream."""
    return np.random.default_rng(stream(seed, *names))


def torch_generator(seed: int, *names: str | int | float) -> torch.Generator:
    """Returns a fresh CPU torch generator for the named stream."""
    import torch

    return torch.Generator().manual_seed(stream(seed, *names))


@contextmanager
def borrowed_global_torch_state(seed: int, *names: str | int | float) -> Iterator[None]:
    """Seeds torch's global generators for the named stream inside the block and restores them after it.

    Layers that take no generator (parameter initialisation, dropout, stochastic depth) draw from the global one.
    """
    import torch

    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    seed = stream(seed, *names)
    # not torch.manual_seed, which takes milliseconds where no GPU is in use, too long for every training step
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)
        yield


@dataclass(frozen=True, kw_only=True)
class Streams:
    """The random streams of one piece of work, such as a training: all have its names before their own.

    Attributes:
        seed: The run's seed.
        names: What the work is, from the general to the particular.
    """

    seed: int
    names: tuple[str | int, ...]

    def generator(self, *names: str | int) -> torch.Generator:
        """Returns a fresh CPU torch generator for the stream that is named so in this work."""
        return torch_generator(self.seed, *self.names, *names)

    def borrowed(self, *names: str | int) -> AbstractContextManager[None]:
        """Seeds torch's global generators for a stream of this work inside a block and restores them after it."""
        return borrowed_global_torch_state(self.seed, *self.names, *names)
