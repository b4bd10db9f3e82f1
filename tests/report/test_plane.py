"""Where samples lie on a map, by either of the two layouts."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from rlsel.report import plane as module
from rlsel.report.plane import lay_out, principal_plane


def test_the_plane_is_that_of_the_principal_components() -> None:
    features = torch.randn(50, 7, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 8)
    plane, explained = principal_plane(features)
    reference = PCA(n_components=2).fit(features.double().numpy())
    expected = reference.transform(features.double().numpy())
    # each axis may point either way; the plane is stored in float32
    np.testing.assert_allclose(np.abs(plane), np.abs(expected), rtol=1e-4, atol=1e-4)
    assert explained == pytest.approx(reference.explained_variance_ratio_.sum())


@pytest.mark.parametrize("features", [torch.arange(5.0)[:, None], torch.ones(5, 3)], ids=["one column", "all equal"])
def test_features_without_a_second_direction_lie_on_a_line(features: torch.Tensor) -> None:
    plane, _ = principal_plane(features)
    assert np.isfinite(plane).all()
    assert plane[:, 1] == pytest.approx(0)


class FakeUMAP:
    """Takes the first two columns for a layout, and remembers what it was asked."""

    def __init__(self, **settings: Any) -> None:
        FakeUMAP.settings = settings

    def fit_transform(self, features: np.ndarray) -> np.ndarray:
        return features[:, :2].astype(np.float64)


def test_umap_lays_out_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=FakeUMAP))
    features = torch.arange(1200.0).reshape(300, 4)
    chosen = np.arange(20, 300)
    found = lay_out(features, chosen, distance="cosine", seed=7)
    assert found.places.tolist() == [[4.0 * place, 4.0 * place + 1] for place in range(20, 300)]
    assert found.places.dtype == np.float32
    assert found.method.startswith("their layout by UMAP")
    assert (FakeUMAP.settings["metric"], FakeUMAP.settings["random_state"]) == ("cosine", 7)
    few = lay_out(features, chosen[:50], distance="cosine", seed=7)
    assert few.method.startswith("their first two principal components"), "too few for UMAP"
    monkeypatch.setattr(module, "MOST_FOR_UMAP", 279)
    many = lay_out(features, chosen, distance="cosine", seed=7)
    assert many.method.startswith("their first two principal components"), "too many for UMAP"


def test_without_umap_it_is_the_plane_of_all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    features = torch.randn(250, 5, generator=torch.Generator().manual_seed(0))
    chosen = np.arange(0, 250)[10:]
    found = lay_out(features, chosen, distance="euclidean", seed=0)
    expected, explained = principal_plane(features)
    assert found.places.tolist() == expected[chosen].tolist()
    share = f"{round(100 * explained, 1):g}"
    assert found.method == f"their first two principal components, which hold {share}\u00a0% of the variance"


@pytest.mark.thorough
def test_the_real_umap_keeps_groups_apart() -> None:
    pytest.importorskip("umap", reason="needs umap-learn")
    features = torch.randn(220, 5, generator=torch.Generator().manual_seed(0))
    features[110:] += 50
    places = lay_out(features, np.arange(220), distance="euclidean", seed=0).places
    centres = places[:110].mean(axis=0), places[110:].mean(axis=0)
    spread = max(
        np.linalg.norm(half - centre, axis=1).max()
        for half, centre in zip((places[:110], places[110:]), centres, strict=True)
    )
    assert np.linalg.norm(centres[0] - centres[1]) > spread
