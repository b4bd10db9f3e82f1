"""Selections that are made up, with names that would break a page that does not escape them."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from rlsel.coreset import Coreset
from rlsel.data.dataset import MemoryImages, Split
from rlsel.export import ResolvedExport, choose
from rlsel.provenance import DatasetRecord, Provenance, RatioRecord, ScoreRecord, SelectorRecord
from rlsel.report.seen import Seen

HOSTILE = ("</script><script>alert(1)</script>", "\"double\" & 'single'", "two\nlines <b>bold</b>")


def selection_of(
    size: int = 90,
    *,
    ratio: float = 0.4,
    names: Sequence[str] = HOSTILE,
    seed: int = 0,
    export: ResolvedExport | None = None,
    thresholded: float | None = None,
    left_out: int = 7,
) -> Coreset:
    """Random scores, the first of the samples no candidates, cut at a ratio."""
    generator = np.random.default_rng(seed)
    labels = np.random.default_rng(0).integers(0, len(names), size)
    scores = generator.normal(size=size).astype(np.float32)
    scores[:left_out] = np.nan
    candidates = np.arange(left_out, size)
    export = export or ResolvedExport()
    chosen = choose(
        scores[candidates],
        kind="logit" if thresholded is not None else "score",
        ratio=ratio,
        settings=export,
        labels=labels[candidates],
        hardness=None,
        seed=0,
        policy=thresholded is not None,
    )
    return Coreset(
        indices=candidates[chosen],
        scores=scores,
        labels=labels,
        provenance=Provenance(
            dataset=DatasetRecord(
                name="made_up",
                size=size,
                candidates=len(candidates),
                num_classes=len(names),
                class_names=tuple(names),
                label_values=tuple(names),
                fingerprint="f" * 64,
            ),
            selector=SelectorRecord(name="some_method", settings={}),
            ratio=RatioRecord(requested=ratio, achieved=len(chosen) / len(candidates), thresholded=thresholded),
            score=ScoreRecord(kind="logit" if thresholded is not None else "score", policy=thresholded is not None),
            export=export,
            seed=0,
            settings_hash="0" * 8,
            versions={},
            wall_seconds=125.0,
            peak_rss_bytes=820_000_000,
        ),
    )


def seen_of(coreset: Coreset, *, side: int = 8) -> Seen:
    """Random features and images of the candidates, with E_c and doubt."""
    generator = torch.Generator().manual_seed(1)
    size = len(coreset.candidates)
    pixels = torch.randint(0, 256, (size, 1, side, side), generator=generator, dtype=torch.uint8)
    labels = torch.from_numpy(coreset.labels[coreset.candidates])
    return Seen(
        features=torch.randn(size, 6, generator=generator),
        origin="made-up features",
        coverage=torch.rand(size, generator=generator),
        label_error=torch.rand(size, generator=generator),
        images=Split(images=MemoryImages(pixels), labels=labels),
        tested=True,
    )


@pytest.fixture
def make_selection() -> Callable[..., Coreset]:
    return selection_of


@pytest.fixture
def make_seen() -> Callable[..., Seen]:
    return seen_of


@pytest.fixture
def coreset() -> Coreset:
    return selection_of()


@pytest.fixture
def seen(coreset: Coreset) -> Seen:
    return seen_of(coreset)
