"""What a sample does to a convex head: removed exactly, and as the influence function estimates it.

The head is a softmax regression of the labels on the features, with the objective J(W) = Σ_i ℓ_i(W) / N + λ/2 ‖W‖². A
removed sample has weight zero and N stays, so that the optimum moves by H⁻¹ Σ_{i ∈ S} ∇ℓ_i / N to first order, H being
the Hessian at the optimum (Koh and Liang, "Understanding Black-box Predictions via Influence Functions", equation 2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from rlsel.theory.propositions import with_bias

L2 = 1e-3
"""λ, for features that are standardised."""

_DIRECT = 4000
"""Parameters up to which the Hessian is written down and factored; beyond, conjugate gradients."""

_TOLERANCE = 1e-10  # of the norm of the gradient at an optimum, whose effects of one sample are near 1e-4
_MOST_STEPS = 100


@dataclass(frozen=True, kw_only=True)
class ConvexHead:
    """A softmax regression at its optimum.

    Attributes:
        inputs: (N, D + 1) float64 standardised features with a column of ones.
        targets: (N, C) float64, one-hot labels.
        weights: (C, D + 1), the optimum.
        solve: Returns H⁻¹ V for a (C, D + 1) V, H being the Hessian at the optimum.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor
    solve: Callable[[Tensor], Tensor]

    def errors(self, weights: Tensor) -> Tensor:
        """Returns the (N, C) probabilities less the targets."""
        return (self.inputs @ weights.T).softmax(dim=1) - self.targets

    def without(self, removed: Tensor) -> Tensor:
        """Returns the (C, D + 1) optimum where some samples have weight zero, exact to the tolerance.

        Each step solves with the Hessian at the first optimum, from which that without a few samples differs little;
        a step that does not lower the gradient is halved.

        Args:
            removed: (R,) positions.
        """
        keep = torch.ones(len(self.inputs), 1, dtype=torch.float64)
        keep[removed] = 0
        weights = self.weights
        gradient = self._gradient(weights, keep)
        for _ in range(_MOST_STEPS):
            if gradient.norm() <= _TOLERANCE:
                break
            step = self.solve(gradient)
            for _ in range(20):
                moved = self._gradient(weights - step, keep)
                if moved.norm() < gradient.norm():
                    break
                step = step / 2
            weights, gradient = weights - step, moved
        return weights

    def _gradient(self, weights: Tensor, keep: Tensor) -> Tensor:
        return (keep * self.errors(weights)).T @ self.inputs / len(self.inputs) + L2 * weights


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Samples whose mean loss says what a removal did.

    Attributes:
        inputs: (M, D + 1) float64, standardised like those of the head.
        labels: (M,) int64.
    """

    inputs: Tensor
    labels: Tensor

    def loss(self, weights: Tensor) -> float:
        """Returns the mean cross-entropy under (C, D + 1) weights, in nats."""
        return float(cross_entropy(self.inputs @ weights.T, self.labels))

    def gradient(self, weights: Tensor) -> Tensor:
        """Returns its (C, D + 1) gradient."""
        errors = (self.inputs @ weights.T).softmax(dim=1) - one_hot(self.labels, len(weights))
        return errors.T @ self.inputs / len(self.inputs)


def fit_head(
    features: Tensor, labels: Tensor, probe_features: Tensor, probe_labels: Tensor, *, num_classes: int
) -> tuple[ConvexHead, Probe]:
    """Fits the head by Newton's method with halved steps.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        probe_features: (M, D).
        probe_labels: (M,) int64, likewise.
        num_classes: C.
    """
    mean, std = features.double().mean(dim=0), features.double().std(dim=0, correction=0)
    std = torch.where(std > 1e-8, std, 1.0)  # a dead unit is a column of zeros
    inputs, others = (with_bias((side.double() - mean) / std) for side in (features, probe_features))
    targets = one_hot(labels, num_classes).double()

    def objective(weights: Tensor) -> float:
        return float(cross_entropy(inputs @ weights.T, labels)) + L2 / 2 * float(weights.square().sum())

    weights = torch.zeros(num_classes, inputs.shape[1], dtype=torch.float64)
    solve = hessian_solver(inputs, weights)
    for _ in range(_MOST_STEPS):
        errors = (inputs @ weights.T).softmax(dim=1) - targets
        gradient = errors.T @ inputs / len(inputs) + L2 * weights
        if gradient.norm() <= _TOLERANCE:
            break
        step, before = solve(gradient), objective(weights)
        # within rounding the objective cannot fall, where the gradient still can
        for _ in range(20):
            if objective(weights - step) <= before + 1e-14:
                break
            step = step / 2
        weights = weights - step
        solve = hessian_solver(inputs, weights)
    head = ConvexHead(inputs=inputs, targets=targets, weights=weights, solve=solve)
    return head, Probe(inputs=others, labels=probe_labels)


def hessian_solver(inputs: Tensor, weights: Tensor, *, direct: int = _DIRECT) -> Callable[[Tensor], Tensor]:
    """Returns what solves with the Hessian of J at (C, D + 1) weights.

    Args:
        inputs: (N, D + 1).
        weights: (C, D + 1).
        direct: Parameters up to which the Hessian is factored; beyond, conjugate gradients need only its products.
    """
    probabilities = (inputs @ weights.T).softmax(dim=1)
    if weights.numel() <= direct:
        factor = torch.linalg.cholesky(_hessian(inputs, probabilities))
        return lambda vector: torch.cholesky_solve(vector.reshape(-1, 1), factor).reshape(vector.shape)

    def product(vector: Tensor) -> Tensor:
        moved = inputs @ vector.T
        slopes = probabilities * (moved - (probabilities * moved).sum(dim=1, keepdim=True))
        return slopes.T @ inputs / len(inputs) + L2 * vector

    return lambda vector: conjugate_gradients(product, vector)


def _hessian(inputs: Tensor, probabilities: Tensor) -> Tensor:
    """Returns the (C (D + 1), C (D + 1)) Hessian in closed form, class by class."""
    classes, width = probabilities.shape[1], inputs.shape[1]
    hessian = torch.empty(classes, width, classes, width, dtype=torch.float64)
    for row in range(classes):
        for column in range(row + 1):
            factors = probabilities[:, row] * (float(row == column) - probabilities[:, column])
            block = (factors[:, None] * inputs).T @ inputs / len(inputs)
            hessian[row, :, column], hessian[column, :, row] = block, block
    flat = hessian.reshape(classes * width, classes * width)
    flat.diagonal().add_(L2)
    return flat


def conjugate_gradients(product: Callable[[Tensor], Tensor], wanted: Tensor, *, steps: int = 1000) -> Tensor:
    """Solves A x = b for a symmetric positive definite A.

    Args:
        product: Returns A v.
        wanted: b, of any shape.
        steps: At most.

    Returns:
        x, with a residual of at most 1e-10 of the norm of b unless the steps did not suffice.
    """
    solution, residual = torch.zeros_like(wanted), wanted
    direction, square = residual, residual.square().sum()
    enough = 1e-20 * square
    for _ in range(steps):
        if square <= enough:
            break
        image = product(direction)
        length = square / (direction * image).sum()
        solution, residual = solution + length * direction, residual - length * image
        square, before = residual.square().sum(), square
        direction = residual + square / before * direction
    return solution


def estimated_effects(head: ConvexHead, probe: Probe) -> Tensor:
    """Returns the (N,) changes of the probe's loss that the influence function gives for each sample removed alone."""
    response = head.solve(probe.gradient(head.weights))
    per_sample = (head.errors(head.weights) * (head.inputs @ response.T)).sum(dim=1)
    return per_sample / len(head.inputs)


def estimated_shifts(head: ConvexHead, places: Tensor) -> Tensor:
    """Returns the (R,) norms of the changes of the weights when each sample at (R,) positions is removed alone."""
    errors = head.errors(head.weights)
    moved = [head.solve(errors[place][:, None] * head.inputs[place]) for place in places.tolist()]
    return torch.stack([change.norm() for change in moved]) / len(head.inputs)


def exact_effect(head: ConvexHead, probe: Probe, removed: Tensor) -> tuple[float, float]:
    """Refits the head without some samples.

    Args:
        head: The head with all.
        probe: What the loss is measured on.
        removed: (R,) positions.

    Returns:
        The change of the probe's loss, and the norm of the change of the weights.
    """
    weights = head.without(removed)
    return probe.loss(weights) - probe.loss(head.weights), float((weights - head.weights).norm())
