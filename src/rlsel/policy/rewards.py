"""What a decision earns (RL-Selector, section "Reward function").

    paper    here
    r1       `ratio_reward`: highest where the share kept meets the ratio, "normalised for symmetry"
    r2       what keeping a sample earns for its redundancy: E_c ⊙ π
    r        r1 + r2

A reward has two parts: the *merit* of each sample, measured when its features move, and the reward of a decision,
computed in each batch. Two of the four are the paper's words taken literally, for comparison:

- `paper` adds r1, one number for all, to the vector E_c ⊙ π. E_c is positive, so that keeping always earns more than
  dropping: the policy drifts to keeping everything.
- `paper_scalar` gives every sample of a batch the same number, r1 plus the mean of E_c ⊙ π over the data set, as the
  only public code does. A sample's own effect on it vanishes in the effect of all the others: the policy learns a
  share and nothing about single samples.

The other two give each sample the credit for its own action, and put the ratio term where each sample feels it in the
right direction: as a price on keeping, which rises while too many are kept and falls while too few are (the multiplier
of the constraint "share kept = ratio"):

    r_i = (merit_i − price) · (a_i − ½)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from rlsel.checks import number_between
from rlsel.policy.label_errors import label_error_probability


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How each sample behaved so far while the target trained; each (N,) float32.

    Attributes:
        forgetting: How often the sample went from right to wrong.
        error_norm: Mean over the epochs of the norm of softmax minus one-hot label, in [0, √2].
        margin: Mean over the epochs of the label's probability minus the highest other, in [−1, 1].
        variability: Standard deviation over the epochs of the label's probability, in [0, ½].
        label_p_value: Share of wrong labels that are not taken better than the sample's own; see
            `rlsel.policy.label_errors`.
    """

    forgetting: Tensor
    error_norm: Tensor
    margin: Tensor
    variability: Tensor
    label_p_value: Tensor


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of all samples.

    Attributes:
        coverage: (N,) E_c of the newest features, raw.
        mean_cover: (N,) E_c standardised within its class, averaged over the measurements so far: a single
            measurement depends on the state that the target happens to be in, their mean far less.
        behaviour: What the target training showed; None without one.
    """

    coverage: Tensor
    mean_cover: Tensor
    behaviour: Behaviour | None = None

    def columns(self) -> Tensor:
        """Returns (N, 1) or (N, 7) columns of mean 0 and standard deviation 1, as a part of a state."""
        columns = [self.mean_cover]
        if self.behaviour is not None:
            known = self.behaviour
            columns += [
                known.forgetting.log1p(),
                known.error_norm,
                known.error_norm.clamp_min(1e-3).log(),
                known.margin,
                known.variability,
                label_error_probability(known.label_p_value),
            ]
        stacked = torch.stack(columns, dim=1)
        return (stacked - stacked.mean(dim=0)) / stacked.std(dim=0).clamp_min(1e-6)


@dataclass(frozen=True, kw_only=True)
class Account:
    """Where the whole training split stands; what a reward does not ask for is not computed.

    Attributes:
        keep_probability: (N,) the newest of each sample.
        all_merits: (N,).
        ratio: The target share.
        price: The price on keeping; (B,) where each sample of the batch has its own.
    """

    keep_probability: Tensor
    all_merits: Tensor
    ratio: float
    price: float | Tensor

    @property
    def share(self) -> float:
        """Share of the keep probabilities above one half."""
        return float((self.keep_probability > 0.5).float().mean())

    @property
    def kept_merit(self) -> float:
        """Mean over all N samples of merit times keep probability."""
        return float((self.all_merits * self.keep_probability).mean())


class Reward(Protocol):
    """A reward: a frozen dataclass of its weights."""

    name: ClassVar[str]
    """The name on the command line and in `conf/reward/`."""

    priced: ClassVar[bool]
    """Whether the ratio acts through a price on keeping."""

    def merit(self, evidence: Evidence) -> Tensor:
        """Returns (N,) float32, how much keeping each sample is worth."""
        ...

    def reward(self, merit: Tensor, actions: Tensor, account: Account) -> Tensor:
        """Returns the (B,) rewards of the (B,) actions on samples of the (B,) merits."""
        ...

    def demoted(self, evidence: Evidence, ratio: float) -> Tensor:
        """Returns (N,) bool, which samples must not be kept whatever their merit, as long as others are left."""
        ...

    def variants(self) -> Mapping[str, Reward]:
        """Returns what a trial compares, by name; nothing but itself for a reward without a price.

        The first is always the reward itself, as `reward`. With a price there is `random`, which finds all samples
        alike, and others for trainings in which hard samples are lost.
        """
        ...


def _none_demoted(evidence: Evidence) -> Tensor:
    return torch.zeros(len(evidence.coverage), dtype=torch.bool)


def ratio_reward(share: float, ratio: float, scale: float) -> float:
    """Computes r1 = Δ · (1 − |share − ratio| / d), with d = 1 − ratio above the ratio and d = ratio below it.

    Args:
        share: Share kept, in [0, 1].
        ratio: Target share, in (0, 1].
        scale: Δ, the reward at the target; it falls to 0 at both extremes, whatever the ratio.
    """
    gap = share - ratio
    extreme = (1 - ratio) if gap > 0 else ratio
    return scale * (1 - abs(gap) / extreme)


def priced_reward(merit: Tensor, actions: Tensor, price: float | Tensor) -> Tensor:
    """Computes r_i = (merit_i − price) · (a_i − ½) for (B,) merits and actions, and one price or (B,)."""
    return (merit - price) * (actions - 0.5)


@dataclass(frozen=True, kw_only=True)
class Cover:
    """The cover, with credit for each sample: merit is the mean cover, E_c standardised within its class.

    Attributes:
        cap: Largest absolute merit, so that a few outliers do not rule.
        tilt: Factor of the merit; below 0, what is redundant is preferred.
    """

    name: ClassVar[str] = "cover"
    priced: ClassVar[bool] = True

    cap: float = 3.0
    tilt: float = 1.0

    def __post_init__(self) -> None:
        number_between("reward.cap", self.cap, 0, low_open=True)
        number_between("reward.tilt", self.tilt, -10, 10)

    def merit(self, evidence: Evidence) -> Tensor:
        deviation = evidence.mean_cover.std().clamp_min(1e-6)
        return self.tilt * (evidence.mean_cover / deviation).clamp(-self.cap, self.cap)

    def variants(self) -> Mapping[str, Reward]:
        return {"reward": self, "random": replace(self, tilt=0.0), "redundant": replace(self, tilt=_EASY)}

    def reward(self, merit: Tensor, actions: Tensor, account: Account) -> Tensor:
        return priced_reward(merit, actions, account.price)

    def demoted(self, evidence: Evidence, ratio: float) -> Tensor:
        return _none_demoted(evidence)


@dataclass(frozen=True, kw_only=True)
class Paper:
    """The summary's formula taken literally: r_i = r1 + E_c,i · π_i, unnormalised.

    Attributes:
        scale: Factor Δ of r1.
    """

    name: ClassVar[str] = "paper"
    priced: ClassVar[bool] = False

    scale: float = 5.0

    def __post_init__(self) -> None:
        number_between("reward.scale", self.scale, 0)

    def merit(self, evidence: Evidence) -> Tensor:
        return evidence.coverage

    def reward(self, merit: Tensor, actions: Tensor, account: Account) -> Tensor:
        return ratio_reward(account.share, account.ratio, self.scale) + merit * actions

    def demoted(self, evidence: Evidence, ratio: float) -> Tensor:
        return _none_demoted(evidence)

    def variants(self) -> Mapping[str, Reward]:
        return {"reward": self}


@dataclass(frozen=True, kw_only=True)
class PaperScalar:
    """One number for all, as in the only public code: r = r1 + the mean of E_c · π over the data set.

    Attributes:
        scale: Factor Δ of r1.
    """

    name: ClassVar[str] = "paper_scalar"
    priced: ClassVar[bool] = False

    scale: float = 5.0

    def __post_init__(self) -> None:
        number_between("reward.scale", self.scale, 0)

    def merit(self, evidence: Evidence) -> Tensor:
        return evidence.coverage

    def reward(self, merit: Tensor, actions: Tensor, account: Account) -> Tensor:
        return torch.full_like(actions, ratio_reward(account.share, account.ratio, self.scale) + account.kept_merit)

    def demoted(self, evidence: Evidence, ratio: float) -> Tensor:
        return _none_demoted(evidence)

    def variants(self) -> Mapping[str, Reward]:
        return {"reward": self}


def hardness(behaviour: Behaviour, *, cap: float) -> Tensor:
    """Computes how much there was to learn about a sample, from two signs that agree only in part.

    One is the logarithm of (forgetting count + mean error norm), which is high for what was never learned as well; the
    other is the logarithm of the variability of its label's probability, which is low there. Each is standardised and
    capped, and their mean is steadier between two trainings than either.

    Args:
        behaviour: Behaviour of N samples.
        cap: Largest value of each, so that a few samples do not rule.

    Returns:
        (N,) float32.
    """
    missed = _standardised((behaviour.forgetting + behaviour.error_norm + 1e-3).log())
    moved = _standardised((behaviour.variability + 1e-2).log())
    return (missed.clamp_max(cap) + moved.clamp_max(cap)) / 2


def _standardised(values: Tensor) -> Tensor:
    return (values - values.mean()) / values.std().clamp_min(1e-6)


_MOST_DOUBT = 2.0


def doubt(behaviour: Behaviour) -> Tensor:
    """Computes −log of the probability that a label is right, at most 2: then it is one in seven.

    Args:
        behaviour: Behaviour of N samples.

    Returns:
        (N,) float32 in [0, 2].
    """
    return -torch.log1p(-label_error_probability(behaviour.label_p_value).clamp_max(0.999)).clamp_min(-_MOST_DOUBT)


_EASY = -0.5
"""The tilt of the variant of a reward that prefers easy samples."""

_FULLY_DEMOTED_RATIO, _UNDEMOTED_RATIO = 0.1, 0.5
_MOST_DEMOTED = 0.2


def never_learned(behaviour: Behaviour, ratio: float) -> Tensor:
    """Finds the samples that a small choice has no room for: those that the target takes for another class throughout.

    They are hard, but a model that is trained on little learns nothing of the others from them (the hardest that CCS
    leaves out, Zheng et al. 2023, section 4, where their share has to be given).

    Args:
        behaviour: Behaviour of N samples.
        ratio: The share to keep. Of the samples with a negative mean margin, at most a fifth of all, all are meant at
            0.1 and none from one half on; in between a share of them that falls linearly, the lowest margins first.

    Returns:
        (N,) bool.
    """
    margin = behaviour.margin
    share = (_UNDEMOTED_RATIO - ratio) / (_UNDEMOTED_RATIO - _FULLY_DEMOTED_RATIO)
    most = min(int((margin < 0).sum()), round(_MOST_DEMOTED * len(margin)))
    found = torch.zeros(len(margin), dtype=torch.bool)
    found[margin.argsort(stable=True)[: round(min(max(share, 0.0), 1.0) * most)]] = True
    return found


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """How the sample behaves while the target trains: worth keeping is what is hard to learn and rightly labelled.

    Hard samples and wrong labels look alike to forgetting, error and cover. The doubt about the label, the logarithm
    of the probability that it is right, tells them apart, and is close to zero for all of a clean data set.

    Where no target was trained, as on features that the user brought, the cover stands in.

    Attributes:
        cap: Largest value of each of the two signs of hardness, so that a few samples do not rule.
        tilt: Weight of the hardness; below 0, easy samples are preferred, for a training in which hard ones are lost.
        doubt_weight: Weight of the doubt about the label beside the hardness.
        cover_weight: Weight of the standardised E_c beside the hardness.
    """

    name: ClassVar[str] = "dynamics"
    priced: ClassVar[bool] = True

    cap: float = 1.5
    tilt: float = 1.0
    doubt_weight: float = 1.5
    cover_weight: float = 0.0

    def __post_init__(self) -> None:
        number_between("reward.cap", self.cap, 0, low_open=True)
        number_between("reward.tilt", self.tilt, -10, 10)
        number_between("reward.doubt_weight", self.doubt_weight, 0)
        number_between("reward.cover_weight", self.cover_weight, 0)

    def merit(self, evidence: Evidence) -> Tensor:
        if evidence.behaviour is None:
            return Cover(tilt=self.tilt).merit(evidence)
        merit = self.tilt * hardness(evidence.behaviour, cap=self.cap) - self.doubt_weight * doubt(evidence.behaviour)
        if self.cover_weight:
            merit = merit + self.cover_weight * Cover().merit(evidence)
        return merit

    def reward(self, merit: Tensor, actions: Tensor, account: Account) -> Tensor:
        return priced_reward(merit, actions, account.price)

    def demoted(self, evidence: Evidence, ratio: float) -> Tensor:
        if evidence.behaviour is None or self.tilt <= 0:
            return _none_demoted(evidence)
        return never_learned(evidence.behaviour, ratio)

    def variants(self) -> Mapping[str, Reward]:
        indifferent = replace(self, tilt=0.0, doubt_weight=0.0, cover_weight=0.0)
        easy, trusted = replace(self, tilt=_EASY), replace(self, tilt=0.0)
        return {"reward": self, "random": indifferent, "easy": easy, "rightly labelled": trusted}
