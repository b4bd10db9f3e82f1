"""The propositions on networks whose constants are known."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rlsel.randomness import torch_generator
from rlsel.theory.envelopes import fit_envelope
from rlsel.theory.pairs import Pairs, sample_pairs
from rlsel.theory.propositions import full_gradient_differences, pair_differences

GENERATOR = torch.Generator().manual_seed(0)
FEATURES = torch.randn(400, 6, generator=GENERATOR, dtype=torch.float64)
LABELS = torch.arange(400) % 4
HEAD = torch.randn(4, 6, generator=GENERATOR, dtype=torch.float64)
NORM = float(torch.linalg.matrix_norm(HEAD, ord=2))


def same_class() -> Pairs:
    return sample_pairs(FEATURES, LABELS, "same class", count=1500, generator=torch_generator(0, "pairs"))


def test_a_linear_network_differs_by_at_most_its_spectral_norm() -> None:
    pairs = same_class()
    found = pair_differences(pairs, FEATURES, FEATURES @ HEAD.T, LABELS)
    output = fit_envelope(pairs.distances, found.output, generator=torch_generator(0, "fit"))
    loss = fit_envelope(pairs.distances, found.loss, generator=torch_generator(0, "fit"))
    assert output is not None
    assert loss is not None
    assert 0.7 * NORM < output.slope_low <= output.slope <= output.slope_high <= output.largest <= NORM * (1 + 1e-12)
    # the gradient of the cross-entropy is p - y, of norm at most √2
    assert 0 < loss.largest <= math.sqrt(2) * NORM
    assert output.holds_up_to == float(pairs.distances[-1]), "a linear network is linear everywhere"


def test_the_spectral_norm_is_reached_along_its_direction() -> None:
    direction = torch.linalg.svd(HEAD).Vh[0]
    line = torch.rand(100, 1, generator=GENERATOR, dtype=torch.float64) * direction
    labels = torch.zeros(100, dtype=torch.int64)
    pairs = sample_pairs(line, labels, "same class", count=300, generator=torch_generator(0, "pairs"))
    found = pair_differences(pairs, line, line @ HEAD.T, labels)
    envelope = fit_envelope(pairs.distances, found.output, generator=torch_generator(0, "fit"))
    assert envelope is not None
    # float64 differences of numbers near 1, over distances from about 1e-4
    assert envelope.slope == pytest.approx(NORM, rel=1e-9)
    assert envelope.slope_low == pytest.approx(NORM, rel=1e-9)


def test_a_law_that_bends_upwards_stops_holding_where_it_does() -> None:
    distances = torch.linspace(0.01, 1, 2000, dtype=torch.float64)
    noise = 0.8 + 0.2 * torch.rand(2000, generator=GENERATOR, dtype=torch.float64)
    bent = torch.where(distances < 0.95, distances, 4 * distances) * noise
    envelope = fit_envelope(distances, bent, generator=torch_generator(0, "fit"))
    straight = fit_envelope(distances, distances * noise, generator=torch_generator(0, "fit"))
    assert envelope is not None
    assert straight is not None
    assert straight.holds_up_to == 1
    # 95 % of uniform numbers from 0.8 to 1 are below 0.99
    assert straight.slope == pytest.approx(0.99, abs=0.005)
    low_edge = 0.01 + 0.99 * 11 / 12
    assert straight.edges[11] == pytest.approx(low_edge, abs=0.001)


def test_a_root_law_holds_nowhere() -> None:
    distances = torch.linspace(1e-4, 1, 2000, dtype=torch.float64)
    noise = 0.9 + 0.1 * torch.rand(2000, generator=GENERATOR, dtype=torch.float64)
    envelope = fit_envelope(distances, distances.sqrt() * noise, generator=torch_generator(0, "fit"))
    assert envelope is not None
    assert envelope.holds_up_to == 0


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_exponent_of_a_law_is_found(exponent: float) -> None:
    distances = torch.logspace(-2, 0, 2000, dtype=torch.float64)
    noise = torch.rand(2000, generator=GENERATOR, dtype=torch.float64)
    envelope = fit_envelope(distances, 3 * distances**exponent * noise, generator=torch_generator(0, "fit"))
    assert envelope is not None
    assert envelope.power is not None
    # 167 uniform numbers in a bin: its 95 % quantile has a standard error of 2 %, over two decades
    assert envelope.power.exponent == pytest.approx(exponent, abs=0.03)
    assert envelope.power.low <= exponent <= envelope.power.high


def test_equal_outputs_have_no_exponent() -> None:
    distances = torch.linspace(0.1, 1, 100, dtype=torch.float64)
    envelope = fit_envelope(distances, torch.zeros_like(distances), generator=torch_generator(0, "fit"))
    assert envelope is not None
    assert (envelope.slope, envelope.power) == (0, None)


def test_too_few_pairs_have_no_envelope() -> None:
    assert fit_envelope(torch.arange(20.0), torch.arange(20.0), generator=torch_generator(0, "fit")) is None


def gradient_by_autograd(head: nn.Linear, feature: Tensor, label: Tensor) -> Tensor:
    loss = cross_entropy(head(feature[None]), label[None])
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(head.parameters()))])


def test_gradients_are_those_of_autograd() -> None:
    head = nn.Linear(6, 4).double()
    pairs = same_class().at(torch.tensor([0, 400, 800]))
    with torch.no_grad():
        found = pair_differences(pairs, FEATURES, head(FEATURES), LABELS)
    sides = [(FEATURES[side], LABELS[side]) for side in (pairs.first, pairs.second)]
    full, cosines = full_gradient_differences(head, *sides)
    for place in range(3):
        own, other = (gradient_by_autograd(head, features[place], labels[place]) for features, labels in sides)
        assert found.gradient[place] == pytest.approx(float((own - other).norm()))
        assert found.cosine[place] == pytest.approx(float(own @ other / (own.norm() * other.norm())))
        assert full[place] == pytest.approx(float((own - other).norm()))
        assert cosines[place] == pytest.approx(float(found.cosine[place]))
