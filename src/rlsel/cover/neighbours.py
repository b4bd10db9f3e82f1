"""Exact nearest neighbours in tiles: what graph methods and nearest-kept coverage build on.

The distances come from matrix products, which are fast but lose the small ones to rounding. The products therefore
only choose a few candidates more than are asked for; their distances are then computed again from differences, so that
what is returned is exact to the last bits, and zero between duplicates.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from rlsel.checks import refuse
from rlsel.cover.cells import cells
from rlsel.cover.coverage import class_members

_TILE_ELEMENTS = 16_000_000  # of the largest array of a tile: 64 MB in float32
MOST_PAIRS = 5_000_000_000
"""Pairs within classes that are all looked at: a minute or two on one core."""

CELL = 5000
"""Most samples of a cell, where there are more pairs."""

_MARGIN = 8  # candidates beyond k: neighbours that rounding may have put a few places too far back


class Neighbours(NamedTuple):
    """The nearest references of each query, the nearest first.

    Attributes:
        distances: (Q, k).
        indices: (Q, k) int64 positions among the references.
    """

    distances: Tensor
    indices: Tensor


def nearest_neighbours(
    queries: Tensor,
    references: Tensor,
    k: int,
    *,
    distance: Literal["euclidean", "cosine"] = "euclidean",
    exclude_self: bool = False,
) -> Neighbours:
    """Finds the k nearest references of each query; no array but the result is larger than 64 MB.

    Args:
        queries: (Q, D).
        references: (R, D).
        k: At most R, or R - 1 with `exclude_self`.
        distance: `euclidean`, or `cosine` for one minus the cosine similarity (a zero vector is at distance one from
            everything).
        exclude_self: Whether query i is reference i and must not find itself.

    Returns:
        Distances of the features' dtype and indices, both (Q, k). References at equal distance come in the order of
        their position.

    Raises:
        ConfigurationError: if there are not k references.
    """
    available = len(references) - exclude_self
    if not 1 <= k <= available:
        raise refuse("k", f"in [1, {available}], the number of other samples", k)
    rows, columns = _prepare(queries, references, distance)
    candidates = min(available, k + _MARGIN)
    tile = max(1, _TILE_ELEMENTS // max(len(columns), candidates * columns.shape[1]))
    found = [
        _tile_neighbours(rows, columns, start, min(start + tile, len(rows)), k, candidates, distance, exclude_self)
        for start in range(0, len(rows), tile)
    ]
    if not found:
        return Neighbours(queries.new_empty(0, k), torch.empty(0, k, dtype=torch.int64, device=queries.device))
    return Neighbours(torch.cat([part.distances for part in found]), torch.cat([part.indices for part in found]))


class Rows(Protocol):
    """N rows of features, (N, D): a tensor, or what computes rows when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, positions: Tensor, /) -> Tensor:
        """Returns the (B, D) rows at (B,) positions."""
        ...


def nearest_neighbours_by_class(
    features: Rows,
    labels: Tensor,
    k: int,
    *,
    num_classes: int,
    distance: Literal["euclidean", "cosine"] = "euclidean",
) -> Neighbours:
    """Finds the k nearest other samples of the same class for each sample.

    The rows of one class are held at a time. Where the classes have more than `MOST_PAIRS` pairs in all, those above
    `CELL` samples are parted into cells (`rlsel.cover.cells`), and a neighbour is one of the same cell.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        k: At least 1.
        num_classes: C.
        distance: See `nearest_neighbours`.

    Returns:
        Distances and positions in the data set, both (N, k). Where a class has fewer than k other samples, the places
        left over hold the sample itself at distance infinity.
    """
    like = features[torch.arange(min(1, len(features)))]
    distances = like.new_full((len(features), k), math.inf)
    indices = torch.arange(len(features), device=like.device)[:, None].repeat(1, k)
    classes = class_members(labels, num_classes)
    pairs = sum(len(members) ** 2 for members in classes)
    largest = CELL if pairs > MOST_PAIRS else max(2, len(features))
    for members in classes:
        if len(members) < 2:
            continue
        of_class = features[members.to(like.device)]
        for cell in cells(of_class, largest):
            inside, own = members[cell].to(like.device), of_class[cell.to(like.device)]
            width = min(k, len(cell) - 1)
            found = nearest_neighbours(own, own, width, distance=distance, exclude_self=True)
            distances[inside, :width] = found.distances
            indices[inside, :width] = inside[found.indices]
    return Neighbours(distances, indices)


def _prepare(queries: Tensor, references: Tensor, distance: Literal["euclidean", "cosine"]) -> tuple[Tensor, Tensor]:
    """Returns unit vectors, or vectors around the references' mean: rounding grows with the distance from zero."""
    same = queries is references
    if distance == "cosine":
        columns = torch.nn.functional.normalize(references)
        return columns if same else torch.nn.functional.normalize(queries), columns
    centre = references.mean(dim=0)
    columns = references - centre
    return columns if same else queries - centre, columns


def _tile_neighbours(
    rows: Tensor,
    columns: Tensor,
    start: int,
    stop: int,
    k: int,
    candidates: int,
    distance: Literal["euclidean", "cosine"],
    exclude_self: bool,
) -> Neighbours:
    tile = rows[start:stop]
    # what depends on the query alone does not change the order
    offsets = columns.square().sum(dim=1) if distance == "euclidean" else columns.new_zeros(len(columns))
    ranking = torch.addmm(offsets, tile, columns.T, alpha=-2)
    if exclude_self:
        own = torch.arange(stop - start, device=rows.device)
        ranking[own, own + start] = math.inf
    nearest = ranking.topk(candidates, dim=1, largest=False, sorted=False).indices.sort(dim=1).values
    exact = _exact_distances(tile, columns[nearest], distance)
    ordered = exact.sort(dim=1, stable=True)
    return Neighbours(ordered.values[:, :k], nearest.gather(1, ordered.indices[:, :k]))


def _exact_distances(tile: Tensor, chosen: Tensor, distance: Literal["euclidean", "cosine"]) -> Tensor:
    """Returns the (T, c) distances between (T, D) rows and the (T, c, D) vectors chosen for each of them."""
    squares = (chosen - tile[:, None]).square_().sum(dim=2)
    if distance == "euclidean":
        return squares.sqrt_()
    # half the squared distance of unit vectors; a zero vector lacks half a unit on its side
    missing_rows = (tile == 0).all(dim=1).to(squares.dtype)
    missing_chosen = (chosen == 0).all(dim=2).to(squares.dtype)
    return squares.add_(missing_rows[:, None]).add_(missing_chosen).div_(2)
