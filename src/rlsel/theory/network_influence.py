"""What the removal of a sample does to a trained network, as the influence function estimates it.

The Hessian of a network that is not at an optimum has negative eigenvalues, so that the generalised Gauss-Newton matrix
G = Jᵀ H_ℓ J takes its place, J being the Jacobian of the logits and H_ℓ the Hessian of the cross-entropy in them, with
a damping λ (Martens, "New Insights and Perspectives on the Natural Gradient Method", section 8.1). Products with G
take one pass forwards and one backwards, and (G + λ)⁻¹ ∇L(probe) one solve by conjugate gradients, the solver of the
convex head; it serves all samples, whose effects are its products with their gradients.

No library does this better for what is asked here: kronfluence (EK-FAC) had its last release in July 2024, brings
accelerate and further packages, and treats linear and convolutional layers only; pyDVL asks for numpy below 2, dask
and cvxpy; captum is well kept and light, but takes the true Hessian.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp, vjp
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from rlsel.theory.influence import conjugate_gradients

DAMPING = 1e-2
"""λ, as a share of the mean eigenvalue of G."""

_BATCH, _STEPS = 256, 40
_TRACE_DRAWS = 4

Parameters = dict[str, Tensor]
Images = Callable[[Tensor], Tensor]


def network_effects(
    network: nn.Module,
    samples: tuple[Images, Tensor],
    probe: tuple[Images, Tensor],
    *,
    generator: torch.Generator,
    most: int = 2000,
    damping: float = DAMPING,
) -> Tensor:
    """Estimates the change of the probe's mean loss when each sample is removed alone.

    Args:
        network: Gives (B, C) logits, in evaluation mode.
        samples: What returns the images at (B,) positions of the N samples on the network's device, and their (N,)
            int64 labels on the CPU.
        probe: Likewise, of the M samples whose loss is looked at.
        generator: A CPU generator, which draws samples of the curvature.
        most: Samples that the curvature is the mean over.
        damping: λ as a share of the mean eigenvalue of G.

    Returns:
        (N,) float64, on the CPU, in nats.
    """
    parameters = {name: value.detach() for name, value in network.named_parameters() if value.requires_grad}
    drawn = torch.randperm(len(samples[1]), generator=generator)[:most]
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):  # the one of attention with forward derivatives
        # torch scripts its forward derivatives, which it deprecates itself
        warnings.filterwarnings("ignore", message=".*torch.jit.*")
        wanted = _mean_gradient(network, parameters, *probe)

        def curvature(vector: Tensor) -> Tensor:
            return _gauss_newton(network, parameters, samples[0], drawn, vector)

        shift = damping * _mean_eigenvalue(curvature, wanted, generator)
        response = conjugate_gradients(lambda vector: curvature(vector) + shift * vector, wanted, steps=_STEPS)
        along = _per_sample_products(network, parameters, *samples, response)
    return along / len(along)


def _loaded(images: Images, positions: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for places in torch.split(positions, _BATCH):
        yield images(places), places


def _named(parameters: Parameters, vector: Tensor) -> Parameters:
    """Cuts a (P,) vector into parts like the parameters."""
    parts = torch.split(vector, [value.numel() for value in parameters.values()])
    return {name: part.view(value.shape) for (name, value), part in zip(parameters.items(), parts, strict=True)}


def _flat(parts: Parameters) -> Tensor:
    return torch.cat([part.flatten() for part in parts.values()])


def _mean_gradient(network: nn.Module, parameters: Parameters, images: Images, labels: Tensor) -> Tensor:
    total = torch.zeros(())
    for batch, places in _loaded(images, torch.arange(len(labels))):
        answers = labels[places].to(batch.device)

        def loss(values: Parameters, batch: Tensor = batch, answers: Tensor = answers) -> Tensor:
            return cross_entropy(functional_call(network, values, (batch,)), answers, reduction="sum")

        total = total.to(batch.device) + _flat(torch.func.grad(loss)(parameters))
    return total / len(labels)


def _gauss_newton(
    network: nn.Module, parameters: Parameters, images: Images, positions: Tensor, vector: Tensor
) -> Tensor:
    """Returns G v, G being the mean over the samples at some positions."""
    direction, total = _named(parameters, vector), torch.zeros_like(vector)
    for batch, _ in _loaded(images, positions):

        def logits(values: Parameters, batch: Tensor = batch) -> Tensor:
            found: Tensor = functional_call(network, values, (batch,))
            return found

        pushed = jvp(logits, (parameters,), (direction,))
        outputs, moved = pushed[0], pushed[1]
        probabilities = outputs.softmax(dim=1)
        slopes = probabilities * (moved - (probabilities * moved).sum(dim=1, keepdim=True))
        back = vjp(logits, parameters)[1]
        total += _flat(back(slopes)[0])
    return total / len(positions)


def _mean_eigenvalue(product: Callable[[Tensor], Tensor], like: Tensor, generator: torch.Generator) -> float:
    """Estimates trace / P by Hutchinson's method."""
    found = []
    for _ in range(_TRACE_DRAWS):
        signs = (2.0 * torch.randint(2, like.shape, generator=generator) - 1).to(like)
        found.append(float(signs @ product(signs)) / len(like))
    return sum(found) / len(found)


def _per_sample_products(
    network: nn.Module, parameters: Parameters, images: Images, labels: Tensor, vector: Tensor
) -> Tensor:
    """Returns the (N,) products of the gradients of the samples with a vector, by one forward derivative each batch."""
    direction, found = _named(parameters, vector), []
    for batch, places in _loaded(images, torch.arange(len(labels))):
        answers = labels[places].to(batch.device)

        def losses(values: Parameters, batch: Tensor = batch, answers: Tensor = answers) -> Tensor:
            return cross_entropy(functional_call(network, values, (batch,)), answers, reduction="none")

        found.append(jvp(losses, (parameters,), (direction,))[1].double().cpu())
    return torch.cat(found)
