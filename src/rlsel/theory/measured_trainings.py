"""The results of those measurements that train again, as plain data that JSON can hold."""

from __future__ import annotations

from dataclasses import dataclass

from rlsel.theory.envelopes import Envelope


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """The propositions on pairs of one class, in the middle of the training of the target model.

    Attributes:
        epoch: Passes done.
        accuracy: Of the model on the samples, a fraction.
        median_distance: Of the pairs, the scale of ε.
        output: The envelope of Proposition 1; None where there are too few pairs for one, as of the two below.
        loss: That of Proposition 2.
        gradient: That of Proposition 3, of the last layer.
        cosine_near: Mean cosine of the last layer's gradients over the nearest tenth of the pairs; None without pairs.
        cosine_far: Over the farthest tenth.
    """

    epoch: int
    accuracy: float
    median_distance: float | None
    output: Envelope | None
    loss: Envelope | None
    gradient: Envelope | None
    cosine_near: float | None
    cosine_far: float | None


@dataclass(frozen=True, kw_only=True)
class GroupRemovals:
    """Real trainings without groups.

    Attributes:
        rounds: Trainings without each group.
        sizes: Samples of each group.
        kinds: The kind of each.
        estimated: Sums of the estimates for the network, in nats of the mean loss.
        estimated_head: Sums of the estimates for the convex head.
        exact: Means over the rounds of the loss without the group less that of all samples.
        rank_correlation: Spearman's, of estimated and exact; None where either is constant.
        low: Lower end of its 95 % bootstrap interval over groups.
        high: Upper end.
        head_rank_correlation: That of `estimated_head`.
        between_rounds: Rank correlation of the effects of the first and the second round: the noise of the truth.
        difference: Mean effect of leaving out dropped covered samples less that of as many kept ones, by retraining.
        difference_low: Lower end of its 95 % bootstrap interval, over groups.
        difference_high: Upper end.
        single_difference: Mean absolute estimated effect of one dropped covered sample less that of a kept one.
        single_low: Lower end of its interval, over samples.
        single_high: Upper end.
        single_kept: That of a kept one, to compare with.
    """

    rounds: int
    sizes: tuple[int, ...]
    kinds: tuple[str, ...]
    estimated: tuple[float, ...]
    estimated_head: tuple[float, ...]
    exact: tuple[float, ...]
    rank_correlation: float | None
    low: float | None
    high: float | None
    head_rank_correlation: float | None
    between_rounds: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    single_difference: float | None
    single_low: float | None
    single_high: float | None
    single_kept: float | None


@dataclass(frozen=True, kw_only=True)
class ProxyResult:
    """How well a proxy orders subsets.

    Attributes:
        name: The proxy.
        loss: Spearman's rank correlation with less the calibrated loss of the trained networks; None where constant.
        low: Lower end of its 95 % bootstrap interval over subsets.
        high: Upper end.
        accuracy: Rank correlation with the accuracy.
        within_ratio: Mean, by size, of the rank correlations with the loss among subsets of one ratio each.
    """

    name: str
    loss: float | None
    low: float | None
    high: float | None
    accuracy: float | None
    within_ratio: float | None


@dataclass(frozen=True, kw_only=True)
class SetValue:
    """Proxies against trainings.

    Attributes:
        subsets: How many were drawn.
        steps: Optimiser steps of each real training.
        few_steps: Those of the proxy `few steps`.
        measured_on: The split that the trained networks were measured on.
        proxies: The best first.
        repeated: Rank correlation of the losses of two trainings on one subset, over those that were trained on twice:
            the noise of the truth itself; None for fewer than two.
        losses: (S,) calibrated losses, in nats.
        accuracies: (S,) fractions.
        best: (S,) of the best proxy.
    """

    subsets: int
    steps: int
    few_steps: int
    measured_on: str
    proxies: tuple[ProxyResult, ...]
    repeated: float | None
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    best: tuple[float, ...]
