"""Propositions 1 to 3 of the paper on a trained model: outputs, losses and gradients of pairs against their distance.

paper                    here
ε                        `Pairs.distances`, between penultimate features
|f(x_i) - f(x_j)|        `PairDifferences.output`, of the logits (Proposition 1)
|ℓ_i - ℓ_j|              `PairDifferences.loss` (Proposition 2)
|∇ℓ_i - ∇ℓ_j|            `PairDifferences.gradient`, of the last layer; `full_gradient_differences` (Proposition 3)
the constant in O(ε)     `rlsel.theory.envelopes.Envelope.slope`
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from rlsel.theory.pairs import Pairs


@dataclass(frozen=True, kw_only=True)
class PairDifferences:
    """How much two samples differ in what the model makes of them.

    Attributes:
        output: (P,) Euclidean norms of the differences of the logits.
        loss: (P,) absolute differences of the cross-entropies, each with its own label, in nats.
        gradient: (P,) norms of the differences of the gradients of the last layer, weights and bias.
        cosine: (P,) cosines between these gradients; 0 where one is zero.
    """

    output: Tensor
    loss: Tensor
    gradient: Tensor
    cosine: Tensor


def pair_differences(pairs: Pairs, features: Tensor, logits: Tensor, labels: Tensor) -> PairDifferences:
    """Measures pairs; the gradient of the last layer in closed form, (p - y) ⊗ [f, 1].

    Args:
        pairs: P pairs.
        features: (N, D), the input of the last layer.
        logits: (N, C).
        labels: (N,) int64.

    Returns:
        All of it in float64.
    """
    outputs = [logits[side].double() for side in (pairs.first, pairs.second)]
    answers = [labels[side] for side in (pairs.first, pairs.second)]
    losses = [cross_entropy(*side, reduction="none") for side in zip(outputs, answers, strict=True)]
    errors = [
        output.softmax(dim=1) - one_hot(answer, logits.shape[1])
        for output, answer in zip(outputs, answers, strict=True)
    ]
    inputs = [with_bias(features[side]) for side in (pairs.first, pairs.second)]
    of_errors, of_inputs = errors[0] - errors[1], inputs[0] - inputs[1]
    # e_i h_i - e_j h_j = (e_i - e_j) h_i + e_j (h_i - h_j): no difference of nearly equal squares
    squares = (
        of_errors.square().sum(1) * inputs[0].square().sum(1)
        + errors[1].square().sum(1) * of_inputs.square().sum(1)
        + 2 * (of_errors * errors[1]).sum(1) * (inputs[0] * of_inputs).sum(1)
    )
    products = (errors[0] * errors[1]).sum(1) * (inputs[0] * inputs[1]).sum(1)
    norms = errors[0].norm(dim=1) * inputs[0].norm(dim=1) * errors[1].norm(dim=1) * inputs[1].norm(dim=1)
    return PairDifferences(
        output=(outputs[0] - outputs[1]).norm(dim=1),
        loss=(losses[0] - losses[1]).abs(),
        gradient=squares.clamp_min(0).sqrt(),
        cosine=torch.where(norms > 0, products / norms, 0.0).clamp(-1, 1),
    )


def with_bias(features: Tensor) -> Tensor:
    """Returns (N, D) features in float64 with a column of ones, which the bias of a linear layer multiplies."""
    return torch.cat([features.double(), features.new_ones(len(features), 1, dtype=torch.float64)], dim=1)


def full_gradient_differences(
    network: nn.Module, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Measures the gradients of all parameters, one pair after the other, as each is as large as the network.

    Args:
        network: Gives (B, C) logits; in the mode in which it is to be measured.
        first: (P, ...) inputs and (P,) labels.
        second: Those of the partners.

    Returns:
        (P,) norms of the differences, and (P,) cosines, 0 where a gradient is zero; on the CPU, float64.
    """
    parameters = {name: value.detach() for name, value in network.named_parameters()}
    buffers = dict(network.named_buffers())

    def loss(values: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        logits = torch.func.functional_call(network, (values, buffers), (image[None],))
        return cross_entropy(logits, label[None])

    gradient = torch.func.grad(loss)

    def flat(image: Tensor, label: Tensor) -> Tensor:
        return torch.cat([part.flatten() for part in gradient(parameters, image, label).values()]).double()

    differences, cosines = [], []
    for image, label, other_image, other_label in zip(*first, *second, strict=True):
        own, other = flat(image, label), flat(other_image, other_label)
        norms = own.norm() * other.norm()
        differences.append(float((own - other).norm()))
        cosines.append(float(own @ other / norms) if norms > 0 else 0.0)
    return torch.tensor(differences, dtype=torch.float64), torch.tensor(cosines, dtype=torch.float64)
