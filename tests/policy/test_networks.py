from __future__ import annotations

import pytest
import torch
from torch import nn

from rlsel.policy.networks import ThreeLayers, actor, critic


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sizes(network: ThreeLayers) -> list[tuple[int, int]]:
    return [(layer.in_features, layer.out_features) for layer in network.layers if isinstance(layer, nn.Linear)]


def test_the_papers_sizes() -> None:
    made = actor(512, 2, generator=generator())
    assert sizes(made) == [(512, 128), (128, 64), (64, 2)]
    judge = critic(512, generator=generator())
    assert sizes(judge) == [(512, 128), (128, 128), (128, 1)]
    # 512·128 + 128 + 128·64 + 64 + 64·2 + 2, and 512·128 + 128 + 128·128 + 128 + 128 + 1: "light"
    assert sum(value.numel() for value in made.parameters()) == 74_050
    assert sum(value.numel() for value in judge.parameters()) == 82_305


def test_three_layers_with_leaky_relu_between_them() -> None:
    network = ThreeLayers(2, (2, 1), 1, generator=generator())
    weights = ([[1.0, 0.0], [0.0, -1.0]], [[2.0, 3.0]], [[-5.0]])
    with torch.no_grad():
        for layer, weight in zip(network.layers, weights, strict=True):
            layer.weight.copy_(torch.tensor(weight))
        network.last.bias += 1
    # (1, −2) → (1, 2) → 2 + 6 = 8 → −40 + 1: the last layer has no ReLU
    # (−1, 2) → (−1, −2), leaking (−0.01, −0.02) → −0.02 − 0.06 = −0.08, leaking −0.0008 → 0.004 + 1
    assert network(torch.tensor([[1.0, -2.0], [-1.0, 2.0]])).flatten().tolist() == pytest.approx([-39, 1.004])


def test_samples_for_which_every_unit_is_off_stay_apart() -> None:
    network = ThreeLayers(1, (2, 2), 1, generator=generator())
    with torch.no_grad():
        for layer in network.layers[:2]:
            layer.weight.copy_(torch.eye(2)[:, : layer.in_features].abs() + 1)
        network.last.weight.fill_(1.0)
    assert len(network(-torch.arange(1.0, 6.0)[:, None]).unique()) == 5


def test_initial_weights_are_orthogonal_and_the_output_is_small() -> None:
    network = actor(200, 2, generator=generator())
    first, second, last = network.layers
    # rows at right angles, of length √2, √2 and 0.01; float32 rounding of sums of 200 terms
    torch.testing.assert_close(first.weight @ first.weight.T, 2 * torch.eye(128), atol=1e-5, rtol=0)
    torch.testing.assert_close(second.weight @ second.weight.T, 2 * torch.eye(64), atol=1e-5, rtol=0)
    torch.testing.assert_close(last.weight @ last.weight.T, 1e-4 * torch.eye(2), atol=1e-9, rtol=0)
    assert all(not layer.bias.any() for layer in network.layers)
    assert network(torch.randn(50, 200, generator=generator(1))).abs().max() < 0.5


def test_weights_follow_the_generator_and_no_other() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (critic(5, generator=generator(seed)).layers[0].weight for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)
