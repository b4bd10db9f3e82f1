"""Influence against refits by another optimiser, and interactions of samples that stand in for each other."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.datasets import load_digits

from rlsel.randomness import torch_generator
from rlsel.theory.correlations import rank_correlation
from rlsel.theory.effects import difference_interval, removal_result
from rlsel.theory.groups import group_effect
from rlsel.theory.influence import (
    L2,
    ConvexHead,
    Probe,
    estimated_effects,
    estimated_shifts,
    exact_effect,
    fit_head,
    hessian_solver,
)


@pytest.fixture(scope="module")
def fitted() -> tuple[ConvexHead, Probe]:
    pixels, labels = load_digits(n_class=4, return_X_y=True)
    features, targets = torch.from_numpy(pixels)[:, 16:40], torch.from_numpy(labels)
    return fit_head(features[:250], targets[:250], features[250:600], targets[250:600], num_classes=4)


def by_scipy(head: ConvexHead, removed: list[int]) -> torch.Tensor:
    """The optimum without some samples, from the formula, by L-BFGS from zero."""
    keep = [place for place in range(len(head.inputs)) if place not in removed]
    inputs, targets = head.inputs[keep].numpy(), head.targets[keep].numpy()
    shape = (targets.shape[1], inputs.shape[1])

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape)
        logits = inputs @ weights.T
        logits -= logits.max(axis=1, keepdims=True)
        probabilities = np.exp(logits)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        loss = -np.log((probabilities * targets).sum(axis=1)).sum() / len(head.inputs) + L2 / 2 * (weights**2).sum()
        return loss, ((probabilities - targets).T @ inputs / len(head.inputs) + L2 * weights).ravel()

    found = minimize(
        objective,
        np.zeros(shape[0] * shape[1]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 5000, "maxfun": 20000, "ftol": 0, "gtol": 1e-9},
    )
    return torch.from_numpy(found.x.reshape(shape))


@pytest.mark.parametrize("removed", [[], [3], [1, 5, 9, 20, 77]])
def test_a_refit_is_the_optimum(fitted: tuple[ConvexHead, Probe], removed: list[int]) -> None:
    head, _ = fitted
    found = head.without(torch.tensor(removed, dtype=torch.int64))
    # gradients of at most about 1e-8 over a curvature of at least L2
    torch.testing.assert_close(found, by_scipy(head, removed), atol=2e-5, rtol=0)


def test_influence_orders_removals_as_refits_do(fitted: tuple[ConvexHead, Probe]) -> None:
    head, probe = fitted
    effects = estimated_effects(head, probe)
    singles = removal_result(head, probe, effects, [torch.tensor([place]) for place in range(0, 250, 5)])
    assert singles.rank_correlation is not None
    assert singles.rank_correlation >= 0.99
    groups = torch.randperm(250, generator=torch_generator(0, "groups"))[:240].reshape(30, 8)
    grouped = removal_result(head, probe, effects, list(groups))
    assert grouped.rank_correlation is not None
    assert grouped.rank_correlation >= 0.9


def test_the_estimated_change_of_the_weights_is_that_of_the_hessian_by_autograd(
    fitted: tuple[ConvexHead, Probe],
) -> None:
    head, _ = fitted

    def losses(weights: torch.Tensor) -> torch.Tensor:
        return -((head.inputs @ weights.T).log_softmax(dim=1) * head.targets).sum(dim=1)

    def objective(weights: torch.Tensor) -> torch.Tensor:
        return losses(weights).mean() + L2 / 2 * weights.square().sum()

    size = head.weights.numel()
    hessian = torch.func.jacrev(torch.func.jacrev(objective))(head.weights).reshape(size, size)
    gradients = torch.func.jacrev(losses)(head.weights).reshape(-1, size)
    places = torch.tensor([3, 40, 100])
    expected = torch.linalg.solve(hessian, gradients[places].T).norm(dim=0) / 250
    torch.testing.assert_close(estimated_shifts(head, places), expected)


def test_conjugate_gradients_solve_as_the_factor_does(fitted: tuple[ConvexHead, Probe]) -> None:
    head, probe = fitted
    wanted = probe.gradient(head.weights)
    by_products = hessian_solver(head.inputs, head.weights, direct=0)(wanted)
    # a residual of 1e-10 over a curvature of at least L2
    torch.testing.assert_close(by_products, head.solve(wanted), atol=1e-7, rtol=1e-6)


def test_twins_have_a_larger_group_effect_than_strangers() -> None:
    pixels, labels = load_digits(n_class=4, return_X_y=True)
    features, targets = torch.from_numpy(pixels)[:, 16:40], torch.from_numpy(labels)
    # 50 samples, the last of them a copy of number 2
    own = torch.cat([torch.arange(49), torch.tensor([2])])
    head, probe = fit_head(features[own], targets[own], features[250:600], targets[250:600], num_classes=4)
    generator = torch_generator(0, "group")
    twins = group_effect(head, probe, torch.tensor([2, 49]), pairs=1, generator=generator)
    together = exact_effect(head, probe, torch.tensor([2, 49]))[0]
    apart = sum(exact_effect(head, probe, torch.tensor([place]))[0] for place in (2, 49))
    assert twins is not None
    assert twins.share is not None
    assert twins.share == pytest.approx(abs(together - apart) / abs(apart))
    others = (targets[own] != targets[2]).nonzero()[:5, 0]
    strangers = [
        group_effect(head, probe, torch.tensor([2, int(other)]), pairs=1, generator=generator) for other in others
    ]
    shares = [effect.share for effect in strangers if effect is not None and effect.share is not None]
    assert len(shares) == 5
    assert twins.share > max(shares)
    assert group_effect(head, probe, torch.tensor([4]), pairs=3, generator=generator) is None


def test_an_interval_holds_the_difference_of_two_means() -> None:
    values = torch.arange(200, dtype=torch.float64)
    low, high = difference_interval(values, values - 30, torch_generator(0, "interval"))
    # the standard error of the difference is √2 · 57.7 / √200 = 5.8
    assert low == pytest.approx(30 - 1.96 * 5.8, abs=2)
    assert high == pytest.approx(30 + 1.96 * 5.8, abs=2)


def test_rank_correlation() -> None:
    assert rank_correlation([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)  # 1 - 6 · 2 / (4 · 15)
    assert rank_correlation([1, 1], [1, 2]) is None
