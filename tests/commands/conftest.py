from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rlsel.commands.requests import RunSettings
from rlsel.data.arrays import Arrays
from rlsel.models.small_cnn import SmallCNN
from rlsel.training.settings import TrainingSettings


@pytest.fixture
def working_folder(tmp_path: Path) -> Path:
    """A folder beside the data and the runs of a test."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


WriteArchive = Callable[..., Path]


@pytest.fixture
def write_archive(tmp_path: Path) -> WriteArchive:
    """Writes noisy 8 x 8 images of three classes, 30 of them for testing, and returns the file."""

    def write(name: str = "images", *, size: int = 90, seed: int = 0) -> Path:
        generator = np.random.default_rng(seed)
        arrays = {}
        for prefix, count in (("", size), ("test_", 30)):
            labels = np.arange(count) % 3
            images = generator.integers(0, 160, (count, 8, 8))
            for label in range(3):
                images[labels == label, :, 2 * label + 1 : 2 * label + 3] += 90
            arrays |= {f"{prefix}images": images.astype(np.uint8), f"{prefix}labels": labels}
        path = tmp_path / f"{name}.npz"
        np.savez(path, **arrays)
        return path

    return write


@pytest.fixture
def settings(write_archive: WriteArchive) -> RunSettings:
    """Two epochs of three steps on 90 images."""
    return RunSettings(
        dataset=Arrays(path=write_archive()),
        model=SmallCNN(width=2),
        training=TrainingSettings(epochs=2, batch_size=32, learning_rate=0.05),
    )
