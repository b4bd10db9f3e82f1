"""The keep logits at which a reward with a price is highest, and what they tell a learned policy.

For the reward r_i = (merit_i − price) · (a_i − ½) and an entropy bonus of weight τ, the best Bernoulli policy that may
decide on each sample by itself keeps it with the logit (merit_i − price) / τ. What a policy learns from this reward is
an order of the samples, which it can tell for samples that have no merit too. How far the logits should be apart is
known, while the distance that it ends with depends on how long it learned; a set that is drawn in proportion to
exp(logit) has too few easy samples where it is too large. Small choices need more of them than the optimum gives:
their temperature is higher.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from rlsel.budget import kept_count
from rlsel.policy.rewards import Evidence, Reward

_DEMOTED = 4.0
"""How far the logits of demoted samples are below all others: 50 times less likely to be drawn than the last."""

_OWN = 0.01
"""Weight of the learned logits beside those of the optimum, so that no order is lost where these tie."""


_FEW = 150
"""Kept samples of a class at which a small choice is drawn at twice the additional temperature of a large data set."""


def sampling_temperature(ratio: float, kept_per_class: float) -> float:
    """Returns the temperature that a choice is drawn with: 1 from one half on, more below, most where few are kept.

    A small choice needs easy samples beside the hard ones (README.md beside this file, findings).

    Args:
        ratio: The share to keep.
        kept_per_class: Mean number of samples of a class that it keeps.
    """
    return 1.0 + max(0.0, 0.5 - ratio) * (1.0 + _FEW / kept_per_class)


def optimal_logits(
    reward: Reward, evidence: Evidence, *, temperature: float, ratio: float, num_classes: int, size: int
) -> Tensor:
    """Computes the keep logits at the optimum of a reward, up to the price, at the temperature of a choice.

    Args:
        reward: One with a price.
        evidence: Of M samples.
        temperature: τ, positive.
        ratio: The share to keep.
        num_classes: C.
        size: N, of the samples that are chosen from.

    Returns:
        (M,) float32.
    """
    return reward.merit(evidence) / (temperature * sampling_temperature(ratio, ratio * size / num_classes))


def demote(logits: Tensor, demoted: Tensor) -> Tensor:
    """Moves (N,) logits below all others where the (N,) bool `demoted` says so, close together in their old order."""
    return torch.where(demoted, logits.min() - _DEMOTED + _OWN * (logits - logits.max()), logits)


def spread_like(learned: Tensor, optimum: Tensor, ratio: float) -> Tensor:
    """Gives the order that a policy learned the distances of the optimum, and the threshold that the ratio needs.

    Args:
        learned: (N,) keep logits.
        optimum: (M,) keep logits at the optimum of the reward, of samples like these; any threshold will do.
        ratio: The share of the N that is to be kept.

    Returns:
        (N,) float32 in the order of `learned`, the share above 0 is the ratio.
    """
    order = learned.argsort(descending=True, stable=True)
    descending = optimum.double().sort(descending=True).values
    resized = interpolate(descending[None, None], size=len(learned), mode="linear", align_corners=True)[0, 0]
    spread = resized + _OWN * learned[order].double()
    kept = kept_count(ratio, len(learned))
    below = spread[kept] if kept < len(spread) else spread[-1] - 1.0
    logits = torch.empty_like(spread)
    logits[order] = spread - (spread[kept - 1] + below) / 2
    return logits.float()
