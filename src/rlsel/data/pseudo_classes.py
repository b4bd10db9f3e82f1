"""Pseudo-classes of rows of features without labels: clusters of k-means, which a model can learn to tell apart.

With a single class there is nothing to learn, and every measure within a class would be one over all samples. The
centres are found by mini-batches on a sample (Sculley, WWW 2010); rows are assigned to the nearest one in blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rlsel.data.dataset import Dataset, ImageStore
from rlsel.data.labels import NamedLabels
from rlsel.randomness import stream

_SAMPLE = 25_600
"""Most rows that centres are found on."""

_BLOCK = 4096

_MOST = 256


class Scale(NamedTuple):
    """What rows are normalised with, before they are compared; each (D,)."""

    mean: Tensor
    std: Tensor


def usual_clusters(size: int) -> int:
    """Returns how many clusters N samples get unless the user says otherwise: half the root of N, from 2 to 256."""
    return min(_MOST, max(2, round(math.sqrt(size) / 2)), max(1, size // 2))


def pseudo_classes(images: ImageStore, scale: Scale, clusters: int | None, *, seed: int = 0) -> NamedLabels:
    """Finds clusters of rows of features.

    Args:
        images: N rows, as images of one pixel.
        scale: What each column is normalised with.
        clusters: How many; None for `usual_clusters`. There are fewer where some would have fewer than two rows.
        seed: The data set's own.

    Returns:
        (N,) the cluster of each row, and the names of the clusters.
    """
    wanted = usual_clusters(len(images)) if clusters is None else min(clusters, max(1, len(images) // 2))
    positions = torch.arange(min(_SAMPLE, len(images))) * len(images) // min(_SAMPLE, len(images))
    centres = _centres(torch.cat(list(_rows(images, scale, positions))), wanted, seed)
    labels = _nearest(images, scale, centres)
    counts = torch.bincount(labels, minlength=len(centres))
    if (counts < 2).any():
        centres = centres[counts >= 2]
        labels = _nearest(images, scale, centres)
    return NamedLabels(labels, tuple(f"cluster {number}" for number in range(len(centres))))


def with_pseudo_classes(dataset: Dataset, clusters: int | None) -> Dataset:
    """Gives rows of features without labels pseudo-classes, and says so in a note.

    Args:
        dataset: Rows of features, of which all are candidates.
        clusters: How many clusters; None for as many as their number suggests.
    """
    scale = Scale(torch.tensor(dataset.mean), torch.tensor(dataset.std))
    labels, names = pseudo_classes(dataset.train.images, scale, clusters)
    return replace(
        dataset,
        train=replace(dataset.train, labels=labels),
        class_names=names,
        label_values=("",) * len(names),
        notes=(*dataset.notes, f"no labels were given: {len(names)} clusters of k-means stand for classes"),
    )


def _rows(images: ImageStore, scale: Scale, positions: Tensor) -> Iterator[Tensor]:
    for batch in images.batches(torch.split(positions, _BLOCK)):
        yield (batch.flatten(1) - scale.mean) / scale.std


def _centres(rows: Tensor, clusters: int, seed: int) -> Tensor:
    from sklearn.cluster import MiniBatchKMeans

    search = MiniBatchKMeans(
        n_clusters=clusters,
        batch_size=2048,
        max_iter=8,
        n_init=1,
        init_size=max(3 * clusters, min(len(rows), 5000)),
        random_state=stream(seed, "data", "pseudo_classes") % 2**32,
    )
    return torch.from_numpy(search.fit(rows.numpy()).cluster_centers_.astype(np.float32))


def _nearest(images: ImageStore, scale: Scale, centres: Tensor) -> Tensor:
    """Returns the (N,) nearest of the centres; what depends on the row alone does not change which that is."""
    offsets = centres.square().sum(dim=1)
    nearest = torch.empty(len(images), dtype=torch.int64)
    start = 0
    for rows in _rows(images, scale, torch.arange(len(images))):
        nearest[start : start + len(rows)] = torch.addmm(offsets, rows, centres.T, alpha=-2).argmin(dim=1)
        start += len(rows)
    return nearest
