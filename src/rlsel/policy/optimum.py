"""The keep logits at which a reward with a price is highest, and what they tell a learned policy.

For the reward r_i = (merit_i − price) · (a_i − ½) and an entropy bonus of weight τ, the best Bernoulli policy that may
decide on each sample by itself keeps it with the logit (merit_i − price) / τ. What a policy learns from this reward is
an order of the samples, which it can tell for samples that have no merit too. How far the logits should be apart is
known, while the distance that it ends with depends on how long it learned; a set that is drawn in proportion to
exp(logit) has too few easy samples where it is too large. Small choices need more of them than the optimum gives: all
logits are divided by a further temperature T.

    symbol   here
    τ        `entropy_weight`
    T        `calibration_temperature`; the user's `export.temperature` multiplies it, where the set is drawn
"""

from __future__ import annotations

from dataclasses import dataclass

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
"""Kept samples of a class at which T is twice as far above 1 for a small choice as in a large data set."""


def calibration_temperature(ratio: float, kept_per_class: float) -> float:
    """Returns T of a choice: 1 for a ratio of one half and more, higher below, and highest where few are kept.

    A small choice needs easy samples beside the hard ones (README.md beside this file, findings).

    Args:
        ratio: The share to keep.
        kept_per_class: Mean number of samples of a class that it keeps.
    """
    return 1.0 + max(0.0, 0.5 - ratio) * (1.0 + _FEW / kept_per_class)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How far apart the keep logits of a choice should be, and which of its samples come last.

    Attributes:
        reward: What a decision earns.
        entropy_weight: τ; 0 for a policy without an entropy bonus, whose optimum has no finite logits.
        ratio: The share to keep.
        num_classes: C.
        size: N, the number of samples that are chosen from.
    """

    reward: Reward
    entropy_weight: float
    ratio: float
    num_classes: int
    size: int

    def optimum(self, evidence: Evidence) -> Tensor:
        """Computes the keep logits at the optimum of a reward with a price, demoted samples below all others.

        Args:
            evidence: What is known of the N samples.

        Returns:
            (N,) float32, up to the price.
        """
        return demote(self._distances(evidence), self.reward.demoted(evidence, self.ratio))

    def known(self, learned: Tensor, evidence: Evidence) -> Tensor:
        """Calibrates what a policy says of the samples that it learned on.

        Args:
            learned: (N,) keep logits, with the threshold where the ratio has it.
            evidence: What is known of the same samples.

        Returns:
            (N,) float32; `learned` itself for a reward without a price and for a policy without an entropy bonus.
        """
        if not self.reward.priced or self.entropy_weight == 0:
            return learned
        demoted = self.reward.demoted(evidence, self.ratio)
        return spread_like(demote(learned, demoted), self.optimum(evidence), self.ratio)

    def unseen(self, learned: Tensor, evidence: Evidence) -> Tensor:
        """Calibrates what a policy says of samples that it has not seen, of which there is no evidence.

        Args:
            learned: (N,) keep logits, with any threshold.
            evidence: What is known of the M samples that the policy learned on, taken to be like these.

        Returns:
            (N,) float32, the share above 0 is the ratio; `learned` itself for a reward without a price, as then the
            threshold stays where the policy ended.
        """
        if not self.reward.priced:
            return learned
        alike = learned if self.entropy_weight == 0 else self._distances(evidence)
        return spread_like(learned, alike, self.ratio)

    def _distances(self, evidence: Evidence) -> Tensor:
        temperature = calibration_temperature(self.ratio, self.ratio * self.size / self.num_classes)
        return self.reward.merit(evidence) / (self.entropy_weight * temperature)


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
