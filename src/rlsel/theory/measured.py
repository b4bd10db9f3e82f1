"""The results of a verification, as plain data that JSON can hold."""

from __future__ import annotations

from dataclasses import dataclass

from rlsel.theory.envelopes import Envelope
from rlsel.theory.groups import GroupEffect
from rlsel.theory.measured_trainings import EpochResult, GroupRemovals, SetValue
from rlsel.theory.pairs import Kind

Numbers = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Points:
    """Some of the pairs, evenly spaced in the order of their distances, as a figure shows them.

    Attributes:
        distances: Their ε.
        output: Differences, as in `PairDifferences`.
        loss: Likewise.
        gradient: Likewise.
        cosine: Likewise.
    """

    distances: Numbers
    output: Numbers
    loss: Numbers
    gradient: Numbers
    cosine: Numbers


@dataclass(frozen=True, kw_only=True)
class FullGradients:
    """A sample of the pairs under the gradients of all parameters.

    Attributes:
        distances: Their ε.
        gradient: Norms of the differences.
        cosine: Cosines.
    """

    distances: Numbers
    gradient: Numbers
    cosine: Numbers


@dataclass(frozen=True, kw_only=True)
class PairResult:
    """The propositions on one kind of pairs.

    Attributes:
        kind: Which pairs.
        pairs: How many.
        output: The envelope of Proposition 1; None where there are too few pairs for one, as of the two below.
        loss: That of Proposition 2.
        gradient: That of Proposition 3, of the last layer.
        cosine_near: Mean cosine of the last layer's gradients over the nearest tenth of the pairs; None without pairs.
        cosine_far: Over the farthest tenth.
        points: Some of the pairs.
        full: Fewer still, under all parameters.
        full_gradient: The envelope of Proposition 3 under all parameters.
    """

    kind: Kind
    pairs: int
    output: Envelope | None
    loss: Envelope | None
    gradient: Envelope | None
    cosine_near: float | None
    cosine_far: float | None
    points: Points
    full: FullGradients
    full_gradient: Envelope | None


@dataclass(frozen=True, kw_only=True)
class ClassNet:
    """The bend of a class.

    Attributes:
        size: Samples of the class.
        bend: Points of the greedy ε-net where its curve bends.
        epsilon: The ε there.
    """

    size: int
    bend: int
    epsilon: float


@dataclass(frozen=True, kw_only=True)
class NetResult:
    """How many samples cover the data.

    Attributes:
        classes: One for each class that has samples.
        epsilons: Rising ε, over the range that the curves of all classes have.
        shares: Points of the ε-nets of all classes over the samples, at each.
        bend_ratio: Points at the bends of all classes over the samples: the ratio that the curves suggest.
    """

    classes: tuple[ClassNet, ...]
    epsilons: Numbers
    shares: Numbers
    bend_ratio: float


@dataclass(frozen=True, kw_only=True)
class Removals:
    """Removals from the convex head: as estimated, and as refitted.

    Attributes:
        size: Samples that go at once.
        estimated: Changes of the loss by the influence function.
        exact: By refits.
        shifts: Norms of the changes of the weights, by refits.
        rank_correlation: Spearman's, of estimated and exact; None where either is constant.
    """

    size: int
    estimated: Numbers
    exact: Numbers
    shifts: Numbers
    rank_correlation: float | None


@dataclass(frozen=True, kw_only=True)
class Shifts:
    """How far the removal of one covered sample moves the weights of the convex head, as estimated.

    Attributes:
        dropped: Mean norm of the change, of samples that the run dropped.
        kept: Likewise, of samples that it kept.
        difference: `dropped` less `kept`.
        difference_low: Lower end of its 95 % bootstrap interval.
        difference_high: Upper end.
    """

    dropped: float
    kept: float
    difference: float
    difference_low: float
    difference_high: float


@dataclass(frozen=True, kw_only=True)
class InfluenceResult:
    """The claim that dropped and kept covered samples have similar effects, on the convex head.

    Attributes:
        covered_epsilon: A sample counts as covered where another of its class is at most this far: the median distance
            to the nearest other. None where no class has two samples.
        dropped: Covered samples that the run dropped.
        kept: Covered samples that it kept.
        dropped_effect: Mean absolute estimated change of the loss when one of them is removed; None without any.
        kept_effect: Likewise.
        difference: `dropped_effect` less `kept_effect`; None where one is missing.
        difference_low: Lower end of its 95 % bootstrap interval.
        difference_high: Upper end.
        shifts: What the removals do to the weights, of as many drawn samples as there are refits; None where the run
            dropped or kept none that is covered.
        single: Single removals.
        grouped: Removals of groups.
    """

    covered_epsilon: float | None
    dropped: int
    kept: int
    dropped_effect: float | None
    kept_effect: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    shifts: Shifts | None
    single: Removals
    grouped: Removals


@dataclass(frozen=True, kw_only=True)
class NamedGroup:
    """The group effect of one group.

    Attributes:
        name: `dropped` and `kept` of the run, or the score whose top tenth it is.
        effect: None for fewer than two samples.
    """

    name: str
    effect: GroupEffect | None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was measured on a run.

    Attributes:
        samples: N, the candidates of the run.
        measured_on: The split whose loss the removals change: `test`, or `train` where there is no test split.
        propositions: One for each kind of pairs.
        net: The cover's size.
        influence: What removals do.
        groups: Whether removals add up.
        epochs: The propositions while the target model was trained; none where that was not asked for.
        left_out: Trainings without groups of samples; None where they were not asked for.
        subsets: Proxies of the value of drawn subsets; None likewise.
    """

    samples: int
    measured_on: str
    propositions: tuple[PairResult, ...]
    net: NetResult
    influence: InfluenceResult
    groups: tuple[NamedGroup, ...]
    epochs: tuple[EpochResult, ...]
    left_out: GroupRemovals | None
    subsets: SetValue | None
