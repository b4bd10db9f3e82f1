"""The influence on a network against the Gauss-Newton matrix written down, and the one drawn for a convex head."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from rlsel.randomness import torch_generator
from rlsel.theory.network_influence import network_effects

INPUTS = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.arange(40) % 3


def at(positions: Tensor) -> Tensor:
    return INPUTS[positions]


def small(hidden: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        layers = [nn.Linear(3, hidden), nn.Tanh(), nn.Linear(hidden, 3)] if hidden else [nn.Linear(3, 3)]
        return nn.Sequential(*layers).double()


def by_definition(network: nn.Module) -> Tensor:
    """g_i · G⁺ · mean g / N, every matrix written down."""
    parameters = {name: value.detach() for name, value in network.named_parameters()}

    def logits(values: dict[str, Tensor]) -> Tensor:
        return functional_call(network, values, (INPUTS,))

    jacobian = torch.cat([part.flatten(2) for part in jacrev(logits)(parameters).values()], dim=2)
    probabilities = logits(parameters).softmax(dim=1)
    hessians = torch.diag_embed(probabilities) - probabilities[:, :, None] * probabilities[:, None, :]
    curvature = torch.einsum("ncp,ncd,ndq->pq", jacobian, hessians, jacobian) / len(INPUTS)
    gradients = torch.einsum("ncp,nc->np", jacobian, probabilities - nn.functional.one_hot(LABELS))
    return gradients @ torch.linalg.pinv(curvature, hermitian=True, rtol=1e-12) @ gradients.mean(0) / len(INPUTS)


@pytest.mark.parametrize("hidden", [0, 2])
def test_effects_are_those_of_the_matrix_written_down(hidden: int) -> None:
    network = small(hidden)
    found = network_effects(network, (at, LABELS), (at, LABELS), generator=torch_generator(0, "g"), damping=0.0)
    expected = by_definition(network)
    assert expected.abs().max() > 1e-3
    # conjugate gradients to a residual of 1e-10, over a condition of at most about 1e5
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_damping_shrinks_the_effects() -> None:
    def effects(damping: float) -> Tensor:
        generator = torch_generator(0, "g")
        return network_effects(small(2), (at, LABELS), (at, LABELS), generator=generator, damping=damping)

    # with a large λ, (G + λ)⁻¹ is nearly 1 / λ: ten times the damping is a tenth of the effects
    weak, strong = effects(1e4), effects(1e5)
    torch.testing.assert_close(weak, 10 * strong, rtol=0, atol=1e-2 * float(weak.abs().max()))


def test_the_images_are_asked_for_in_batches() -> None:
    sizes: list[int] = []

    def watched(rows: Tensor) -> Callable[[Tensor], Tensor]:
        def images(positions: Tensor) -> Tensor:
            sizes.append(len(positions))
            return rows[positions]

        return images

    inputs = INPUTS.repeat(8, 1)
    labels = LABELS.repeat(8)
    effects = network_effects(
        small(0), (watched(inputs), labels), (at, LABELS), generator=torch_generator(0, "g"), most=10
    )
    assert len(effects) == 320
    assert max(sizes) == 256
    # eight copies of each sample have the same effect each
    torch.testing.assert_close(effects.reshape(8, 40), effects[:40].expand(8, 40))
