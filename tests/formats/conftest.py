"""A coreset of image files with names that are hard to write down, saved and loaded again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rlsel.coreset import Coreset
from rlsel.export import ResolvedExport
from rlsel.provenance import DatasetRecord, Provenance, RatioRecord, ScoreRecord, SelectorRecord

PLAIN = ["train/cats, big/a.png", 'train/cats, big/b "quoted".png', "train/dögs/ü 猫.png", "train/dögs/nested/d.png"]
BROKEN = [*PLAIN, "train/cats, big/line\nbreak.png"]
"""With a name that no line holds."""

MakeCoreset = Callable[..., Coreset]


def coreset_of(folder: Path, paths: Sequence[str] | None = PLAIN, *, names: tuple[str, ...] | None = None) -> Coreset:
    """Saves a coreset and loads it: of the samples 0, 1, 2, …, those at even places are kept, the last is left out."""
    names = names or ("cats, big", "dögs")
    size = 5 if paths is None else len(paths) + 1
    labels = np.array([0, 0, 1, 1, 0, 0][:size], dtype=np.int64)
    scores = np.array([0.1, -2.5, 3.25, 1e-8, 7.0, 8.0][:size], dtype=np.float32)
    scores[-1] = np.nan
    indices = np.arange(0, size - 1, 2, dtype=np.int64)
    provenance = Provenance(
        dataset=DatasetRecord(
            name="imagefolder",
            size=size,
            candidates=size - 1,
            num_classes=2,
            class_names=names,
            label_values=("0", "1"),
            fingerprint="f" * 64,
        ),
        selector=SelectorRecord(name="el2n", settings={}),
        ratio=RatioRecord(requested=0.5, achieved=len(indices) / (size - 1), thresholded=None),
        score=ScoreRecord(),
        export=ResolvedExport(),
        seed=3,
        settings_hash="0123abcd",
        versions={},
        wall_seconds=1.5,
        peak_rss_bytes=2**20,
    )
    given = None if paths is None else [*paths, "train/cats, big/held out.png"]
    made = Coreset(
        indices=indices,
        scores=scores,
        labels=labels,
        held_out=np.array([size - 1], dtype=np.int64),
        provenance=provenance,
        paths=given,
    )
    made.save(folder)
    return Coreset.load(folder)


@pytest.fixture
def plain() -> list[str]:
    """Paths of samples 0, 1, 2 and 3: commas, quotes, unicode."""
    return PLAIN


@pytest.fixture
def broken() -> list[str]:
    """The same, and one of sample 4 with a line end."""
    return BROKEN


@pytest.fixture
def coreset(tmp_path: Path) -> MakeCoreset:
    """Makes a coreset of paths, or of none."""

    def make(paths: Sequence[str] | None = PLAIN, names: tuple[str, ...] | None = None) -> Coreset:
        return coreset_of(tmp_path / "run", paths, names=names)

    return make


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The images of all these paths; each has a grey of its own."""
    for number, path in enumerate(BROKEN):
        file = tmp_path / "images" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), 10 * number, np.uint8)).save(file)
    return tmp_path / "images"
