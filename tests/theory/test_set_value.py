"""Drawn subsets, and the proxies of their value."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from rlsel.theory.correlations import rank_correlation_interval
from rlsel.theory.drawn_subsets import RATIOS, DrawnSubset, draw_subset
from rlsel.theory.influence import estimated_effects, fit_head
from rlsel.theory.proxies import Material, best_temperature, cheap_proxies, label_effects

PIXELS, TARGETS = (torch.from_numpy(part) for part in load_digits(n_class=4, return_X_y=True))
SCORES = {"rising": torch.arange(400.0)}


@pytest.fixture(scope="module")
def drawn() -> list[DrawnSubset]:
    return [draw_subset(number, SCORES, TARGETS[:400], num_classes=4, seed=0) for number in range(60)]


def test_subsets_have_the_size_the_labels_and_the_tilt_that_they_say(drawn: list[DrawnSubset]) -> None:
    assert {subset.ratio for subset in drawn} == set(RATIOS)
    for subset in drawn:
        assert len(subset.places) == math.floor(subset.ratio * 400 + 0.5)
        changed = (subset.labels != TARGETS[:400]).nonzero()[:, 0]
        assert len(changed) == round(subset.noise * len(subset.places))
        assert torch.isin(changed, subset.places).all()
    small = [subset for subset in drawn if subset.ratio <= 0.3]
    up, down = (
        torch.cat([subset.places for subset in small if subset.tilt * sign > 0]).double().mean() for sign in (1, -1)
    )
    # the mean of all is 199.5, and the weights e^(±score) move it by far more than the error of so many samples
    assert up > 250
    assert down < 150


def test_a_subset_depends_on_its_number_alone(drawn: list[DrawnSubset]) -> None:
    again = draw_subset(7, SCORES, TARGETS[:400], num_classes=4, seed=0)
    assert again.places.tolist() == drawn[7].places.tolist()
    assert again.labels.tolist() == drawn[7].labels.tolist()


def material(labels: torch.Tensor) -> Material:
    return Material(
        features=PIXELS[:400, 16:40].float(),
        labels=labels,
        scores=SCORES,
        held_out_features=PIXELS[400:600, 16:40].float(),
        held_out_labels=TARGETS[400:600],
        num_classes=4,
    )


def whole(places: torch.Tensor, labels: torch.Tensor) -> DrawnSubset:
    return DrawnSubset(order="rising", tilt=0.0, ratio=0.5, noise=0.0, places=places, labels=labels)


def test_effects_of_the_own_labels_are_those_of_the_influence_function() -> None:
    head, probe = fit_head(PIXELS[:400, 16:40], TARGETS[:400], PIXELS[400:600, 16:40], TARGETS[400:600], num_classes=4)
    found = label_effects(head, probe, temperature=1.0)
    torch.testing.assert_close(found.gather(1, TARGETS[:400, None])[:, 0], estimated_effects(head, probe))


def test_the_best_temperature_is_that_which_the_logits_were_made_too_large_by() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20000, 3, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    assert best_temperature(5 * logits, labels) == pytest.approx(5, rel=0.03)


def test_proxies_prefer_right_labels_and_more_of_the_classes() -> None:
    labels = TARGETS[:400]
    proxies = cheap_proxies(material(labels))
    even = torch.arange(0, 400, 2)
    right = proxies(whole(even, labels))
    wrong_labels = labels.clone()
    wrong_labels[even[:80]] = (labels[even[:80]] + 1) % 4
    wrong = proxies(whole(even, wrong_labels))
    few = proxies(whole(even[labels[even] < 2], labels))
    for name in ("influence", "ridge head"):
        assert right[name] > wrong[name]
    for name in ("cover", "ridge head"):
        assert right[name] > few[name]
    assert right["mean rising"] == 199
    assert right["cover"] == pytest.approx(-mean_distance_to_kept(even), rel=1e-5)


def mean_distance_to_kept(places: torch.Tensor) -> float:
    """By every distance there is."""
    features, labels = PIXELS[:400, 16:40].numpy(), TARGETS[:400].numpy()
    kept = places.numpy()
    distances = cdist(features, features[kept])
    return float(np.where(labels[:, None] == labels[kept], distances, np.inf).min(axis=1).mean())


def test_an_interval_of_a_rank_correlation() -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(200, generator=generator)
    other = one + torch.randn(200, generator=generator)
    low, high = rank_correlation_interval(one.tolist(), other.tolist(), generator)
    assert low is not None
    assert high is not None
    # Pearson's is 1 / √2, Spearman's of normal numbers 6 / π · asin(1 / (2 √2)) = 0.690, with an error of about 0.04
    assert low < 0.69 < high
    assert 2.5 * 0.04 < high - low < 5.5 * 0.04
    assert rank_correlation_interval([1, 1, 1], [1, 2, 3], generator) == (None, None)
