"""Small data sets that the tests of `rlsel.data` share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rlsel.data.dataset import Dataset, MemoryImages, Split


@pytest.fixture
def dataset_of() -> Callable[..., Dataset]:
    """Makes a data set in memory of given labels; each image says which sample it is."""

    def make(labels: torch.Tensor, *, shape: tuple[int, int, int] = (1, 6, 6), test: int = 0) -> Dataset:
        def split(targets: torch.Tensor) -> Split:
            generator = torch.Generator().manual_seed(len(targets))
            pixels = torch.randint(0, 256, (len(targets), *shape), dtype=torch.uint8, generator=generator)
            pixels[:, 0, 0, 0] = torch.arange(len(targets)) % 256
            return Split(images=MemoryImages(pixels), labels=targets, paths=tuple(map(str, range(len(targets)))))

        classes = int(labels.max()) + 1
        return Dataset(
            name="planted",
            train=split(labels),
            test=split(torch.arange(test) % classes),
            class_names=tuple(f"class {c}" for c in range(classes)),
            mean=(0.5,) * shape[0],
            std=(0.25,) * shape[0],
        )

    return make


@pytest.fixture
def write_image() -> Callable[..., np.ndarray]:
    """Writes an image with pixels of its own, and returns them as (H, W, 3) or (H, W)."""

    def write(path: Path, *, size: tuple[int, int] = (8, 8), seed: int = 0, mode: str = "RGB") -> np.ndarray:
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = size if mode == "L" else (*size, len(mode))
        pixels = np.random.default_rng([seed, *size]).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return pixels

    return write


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives each test a cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rlsel"
