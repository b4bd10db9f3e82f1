"""Images that stay in their files and are decoded by worker processes when a batch needs them."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from rlsel.data.dataset import MemoryImages
from rlsel.data.decoding import UnreadableImageError, decode, failures_together, read_header
from rlsel.errors import DataError

_BLOCK = 64
"""Files that a thread takes at a time."""


class Headers(NamedTuple):
    """What is known of N files without decoding them.

    Attributes:
        sides: (N, 2) int64 height and width.
        file_bytes: (N,) int64 sizes of the files.
    """

    sides: NDArray[np.int64]
    file_bytes: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FileImages:
    """Images in files.

    Attributes:
        root: The folder that the paths are relative to.
        paths: Each image's file.
        file_bytes: (N,) int64 sizes of the files.
        size: (H, W) that every image is brought to: scaled so that it just covers this, then cropped in the middle.
    """

    root: Path
    paths: tuple[str, ...]
    file_bytes: NDArray[np.int64]
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        return 3, *self.size

    def __len__(self) -> int:
        return len(self.paths)

    def batches(self, index_batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yields the (B, 3, H, W) uint8 images of each (B,) batch of positions, decoded ahead by worker processes.

        Raises:
            DataError: if a file cannot be decoded.
        """
        with warnings.catch_warnings():
            # Python 3.12 warns of every fork; the workers only decode, and take no lock of another thread.
            warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
            parts = iter(self._loader(index_batches))
        broken = None
        for part in parts:
            if isinstance(part, str):
                broken = part
                break
            yield part.permute(0, 3, 1, 2)
        # The workers end with the iterator; kept alive by the error's traceback, they would wait for the collector.
        del parts
        if broken is not None:
            raise DataError(broken)

    def subset(self, indices: Tensor) -> FileImages:
        return FileImages(
            root=self.root,
            paths=tuple(self.paths[i] for i in indices.tolist()),
            file_bytes=self.file_bytes[indices.numpy()],
            size=self.size,
        )

    def digest(self) -> bytes:
        digest = hashlib.sha256()
        for path, size in zip(self.paths, self.file_bytes.tolist(), strict=True):
            digest.update(os.fsencode(path) + f"\0{size}\n".encode())
        return digest.digest()

    def _loader(self, index_batches: Sequence[Tensor]) -> DataLoader[Tensor | str]:
        workers = min(4, _cores(), len(index_batches)) if len(index_batches) > 1 else 0
        return DataLoader(
            _BatchDecoder(self),  # type: ignore[arg-type]
            batch_size=None,
            sampler=[batch.numpy() for batch in index_batches],
            num_workers=workers,
            worker_init_fn=_prepare_worker,
            # A fresh interpreter for each worker would import torch again in every epoch.
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
            # The loader draws a seed for its workers; without a generator of its own it would take it from torch's
            # global one and so shift what the model draws.
            generator=torch.Generator(),
        )


@dataclass(frozen=True)
class _BatchDecoder:
    """What a worker process runs; an error travels as its message, since an exception would arrive as a traceback."""

    images: FileImages

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: NDArray[np.int64]) -> Tensor | str:
        height, width = self.images.size
        pixels = torch.empty(len(indices), height, width, 3, dtype=torch.uint8)
        try:
            for row, i in zip(pixels.numpy(), indices.tolist(), strict=True):
                row[...] = decode(self.images.root / self.images.paths[i], self.images.size)
        except UnreadableImageError as error:
            return str(error)
        return pixels


def decode_all(root: Path, paths: Sequence[str], size: tuple[int, int]) -> MemoryImages:
    """Decodes files to memory, as `decode` does.

    Args:
        root: The folder that the paths are relative to.
        paths: N files.
        size: (H, W).

    Returns:
        (N, 3, H, W) uint8.

    Raises:
        DataError: if files cannot be decoded; one error for all.
    """
    pixels = np.empty((len(paths), *size, 3), np.uint8)

    def decode_one(i: int) -> None:
        pixels[i] = decode(root / paths[i], size)

    _in_threads(decode_one, len(paths))
    return MemoryImages(torch.from_numpy(pixels).permute(0, 3, 1, 2))


def read_headers(root: Path, paths: Sequence[str]) -> Headers:
    """Opens every file and reads its header, which finds what is no image without the cost of decoding.

    Args:
        root: The folder that the paths are relative to.
        paths: N files.

    Raises:
        DataError: if files are no images; one error for all.
    """
    headers = np.empty((len(paths), 3), np.int64)

    def read_one(i: int) -> None:
        headers[i] = read_header(root / paths[i])

    _in_threads(read_one, len(paths))
    return Headers(headers[:, :2], headers[:, 2])


def _in_threads(work: Callable[[int], None], count: int) -> None:
    """Runs `work` on each position, blocks of them in threads.

    Raises:
        DataError: once all are done, for those that were unreadable.
    """

    def failures_of(block: range) -> list[UnreadableImageError]:
        failures = []
        for i in block:
            try:
                work(i)
            except UnreadableImageError as failure:
                failures.append(failure)
        return failures

    blocks = [range(start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK)]
    with warnings.catch_warnings(), ThreadPoolExecutor(_cores()) as pool:
        # Pillow warns of odd metadata in files that it decodes well.
        warnings.simplefilter("ignore")
        failures = [failure for part in pool.map(failures_of, blocks) for failure in part]
    if failures:
        raise failures_together(failures)


def _cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepare_worker(worker: int) -> None:  # noqa: ARG001
    """Leaves warnings and Ctrl-C to the main process, which ends the workers when it is done with them."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
