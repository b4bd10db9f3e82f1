"""Where samples lie on a map: by UMAP where that is installed, in the plane of the principal components elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.report.verdict import percent

LEAST_FOR_UMAP, MOST_FOR_UMAP = 200, 20_000
"""Samples that UMAP lays out: fewer have hardly neighbours to keep, and more take minutes (2 ms each, and once a minute
to compile)."""

_APART = 0.7
"""UMAP's `min_dist`: at its usual 0.1 a class is a blot in which kept samples hide dropped ones."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A layout of S samples.

    Attributes:
        places: (S, 2) float32, across and up.
        method: How it came about and what it shows, to follow a colon.
    """

    places: NDArray[np.float32]
    method: str


def lay_out(
    features: Tensor, chosen: NDArray[np.int64], *, distance: Literal["euclidean", "cosine"], seed: int
) -> Plane:
    """Lays samples out in the plane.

    Args:
        features: (M, D) of all candidates.
        chosen: (S,) places of those to lay out.
        distance: How features are compared.
        seed: Of the run.
    """
    umap = _umap() if LEAST_FOR_UMAP <= len(chosen) <= MOST_FOR_UMAP else None
    if umap is not None:
        layout = umap(n_components=2, min_dist=_APART, metric=distance, random_state=seed, n_jobs=1)
        places = layout.fit_transform(features[torch.from_numpy(chosen)].numpy())
        return Plane(
            places=np.asarray(places, dtype=np.float32),
            method="their layout by UMAP, which keeps neighbours together; distances across the map say little",
        )
    plane, explained = principal_plane(features)
    return Plane(
        places=plane[chosen],
        method=f"their first two principal components, which hold {percent(explained)} of the variance",
    )


def _umap() -> Callable[..., Any] | None:
    """Returns uniform manifold approximation and projection (McInnes, Healy & Melville 2018), where installed."""
    with warnings.catch_warnings():
        # it says at import that a part of it that is not used here needs TensorFlow
        warnings.simplefilter("ignore", ImportWarning)
        try:
            from umap import UMAP
        except ImportError:
            return None
    return UMAP  # type: ignore[no-any-return] # it has no annotations


def principal_plane(features: Tensor) -> tuple[NDArray[np.float32], float]:
    """Returns the two principal components of (M, D) features, and the share of the variance that they explain.

    Each component is turned so that its largest weight is positive; where the features have no second direction, it is
    zero.
    """
    centred = features.double() - features.double().mean(dim=0)
    variances, directions = torch.linalg.eigh(centred.T @ centred)
    plane = torch.zeros(len(features), 2, dtype=torch.float64)
    for column in range(min(2, features.shape[1])):
        direction = directions[:, -1 - column]
        plane[:, column] = centred @ (direction * direction[direction.abs().argmax()].sign())
    total = float(variances.sum())
    explained = float(variances[-2:].sum()) / total if total > 0 else 0.0
    return plane.float().numpy(), explained
