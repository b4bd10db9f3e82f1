"""What tests of several packages share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings

from rlsel.data.arrays import Arrays
from rlsel.models.small_cnn import SmallCNN
from rlsel.runs.settings import RunSettings
from rlsel.training.settings import TrainingSettings

# the first example of a test pays for imports, and a busy machine for everything: time is no property of the code
hypothesis_settings.register_profile("rlsel", deadline=None)
hypothesis_settings.load_profile("rlsel")


@dataclass
class NotesReporter:
    """Keeps the notes, and the titles of the trainings that it is told of."""

    notes: list[str] = field(default_factory=list)
    trainings: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def start(self, task: str, epochs: int, steps: int) -> None:
        self.trainings.append(task)

    def step(self, done: int) -> None:
        return

    def epoch(self, measurements: Mapping[str, float]) -> None:
        return

    def finish(self) -> None:
        return


@pytest.fixture
def reporter() -> NotesReporter:
    return NotesReporter()


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
