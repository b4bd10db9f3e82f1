"""What a page sees of the candidates of a selection besides the coreset itself: features, E_c, doubt, images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from rlsel.coreset import Coreset
from rlsel.data.dataset import Dataset, Split
from rlsel.errors import ConfigurationError
from rlsel.policy.label_errors import label_error_probability
from rlsel.report.contact_sheets import most_suspected
from rlsel.report.opinions import labels_instead
from rlsel.runs.reader import Run
from rlsel.training.fabric import Fabric

PIXEL_SIDE = 16
"""Pixels on a side that images are shrunk to before their distances are taken."""

MOST_IMAGES = 100_000
"""Images that are read for their pixels; beyond, a run without stored features has no distances and no map."""

_BATCH = 1024


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is known of the M candidates, in ascending order of their positions.

    Attributes:
        features: (M, D) float32; None for nothing to measure distances in.
        origin: What the features are, as it reads after "distances in"; empty without any.
        distance: How they are compared.
        coverage: (M,) E_c; None where the run stored none.
        label_error: (M,) probability that the label is wrong; None where nothing is known.
        instead: By place of a sample whose label is most suspected, the class that the target model gives it when the
            label is no choice; empty where no model was asked.
        images: The images; None where the data set cannot be read, or has none.
        pixel_range: Lowest and highest pixel that is not uint8.
        tested: Whether there is data to measure on; None where that is not known.
        notes: What cannot be shown, and why, a sentence each.
    """

    features: Tensor | None = None
    origin: str = ""
    distance: Literal["euclidean", "cosine"] = "euclidean"
    coverage: Tensor | None = None
    label_error: Tensor | None = None
    instead: Mapping[int, int] = field(default_factory=dict)
    images: Split | None = None
    pixel_range: tuple[float, float] = (0.0, 1.0)
    tested: bool | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)


def look(run: Run, coreset: Coreset, dataset: Dataset | None, *, fabric: Fabric, unread: str = "") -> Seen:
    """Collects what the run stored of the candidates, and their pixels where it stored no features.

    Args:
        run: A finished selection.
        coreset: Its coreset.
        dataset: What was selected from, with the same candidates; None where it cannot be read.
        fabric: Where the target model is asked for its opinion of suspected labels.
        unread: Why it cannot.

    Raises:
        CoresetError: if a file of the run is damaged.
    """
    policy, size = run.policy, len(coreset.candidates)
    stored = policy is not None and len(policy.features) == size
    notes = [f"There are no pictures: {unread}."] if dataset is None and unread else []
    features, origin = None, ""
    if policy is not None and stored:
        features = policy.features.float()
        origin = f"the {features.shape[1]} features of the target model"
    elif dataset is not None:
        features, origin, told = _from_data(dataset)
        notes += told
    else:
        notes.append("There are no distances and no map: the run stored no features, and the data cannot be read.")
    evidence = policy.evidence if policy is not None and len(policy.evidence.coverage) == size else None
    behaviour = None if evidence is None else evidence.behaviour
    label_error = None if behaviour is None else label_error_probability(behaviour.label_p_value)
    instead: Mapping[int, int] = {}
    if dataset is not None and label_error is not None and run.target is not None:
        try:
            instead = labels_instead(run, dataset, most_suspected(label_error.numpy()).tolist(), fabric)
        except ConfigurationError as error:
            notes.append(f"What the target model would call samples is missing: {error}.")
    return Seen(
        features=features,
        origin=origin,
        distance="cosine" if run.settings.get("cover", {}).get("distance") == "cosine" else "euclidean",
        coverage=None if evidence is None else evidence.coverage,
        label_error=label_error,
        instead=instead,
        images=None if dataset is None or _is_rows(dataset) else dataset.train,
        pixel_range=(0.0, 1.0) if dataset is None else dataset.pixel_range,
        tested=None if dataset is None else len(dataset.test) > 0,
        notes=tuple(notes),
    )


def _is_rows(dataset: Dataset) -> bool:
    """Returns whether the samples are rows of features, of which there is no picture."""
    return dataset.train.images.shape[1:] == (1, 1)


def _from_data(dataset: Dataset) -> tuple[Tensor | None, str, list[str]]:
    """Returns features that the data itself gives, what they are, and what must be said of that."""
    if _is_rows(dataset):
        return pixel_features(dataset.train), "the given rows of features", []
    if len(dataset.train) > MOST_IMAGES:
        told = f"There are no distances and no map: the run stored no features of its {len(dataset.train):,} images."
        return None, "", [told]
    told = (
        "The run stored no features. Distances are therefore those of pixels, which see brightness and place more than "
        "content."
    )
    return pixel_features(dataset.train), "pixels", [told]


def pixel_features(split: Split) -> Tensor:
    """Returns the (M, D) float32 pixels of M images, averaged to at most 16 x 16 places; bytes are scaled to [0, 1]."""
    _, height, width = split.images.shape
    side = min(height, PIXEL_SIDE), min(width, PIXEL_SIDE)
    rows = []
    for batch in split.images.batches(torch.split(torch.arange(len(split)), _BATCH)):
        pixels = batch.float() / 255 if batch.dtype == torch.uint8 else batch.float()
        rows.append(adaptive_avg_pool2d(pixels, side).flatten(1))
    return torch.cat(rows)
