"""From scores to a set: the one place that decides which samples a ratio keeps, for every method.

All that is random here is one number for each sample, drawn from a named stream that does not depend on the ratio:
`topk` and `sample` therefore give nested sets over the ratios of the same scores. NumPy only, so that a stored coreset
can be cut to another ratio without torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from rlsel.budget import class_budgets, class_minima, kept_count, with_minimum
from rlsel.checks import int_at_least, number_between, one_of, refuse
from rlsel.errors import ConfigurationError
from rlsel.randomness import numpy_generator
from rlsel.strata import pick_from_strata

Mode = Literal["topk", "sample", "stratified", "threshold"]
ClassBalance = Literal["none", "proportional"]
NearDuplicates = Literal["as_any", "last"]

_NEARLY_NOTHING = 0.2
"""Share of the ratio: a class of which no more than this is kept is nearly lost."""

_NAMED = 5
"""Lost classes that a message names."""

Setting = TypeVar("Setting")

_MODES = ("topk", "sample", "stratified", "threshold")
_BALANCES = ("none", "proportional")
_NEAR_DUPLICATES = ("as_any", "last")


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """How scores become a set; None leaves it to the selector.

    Attributes:
        mode: `topk` keeps the highest; `sample` draws without replacement, with probability proportional to
            exp(score / temperature); `stratified` draws evenly over strata of the score (CCS, Algorithm 1);
            `threshold` keeps what a policy gives more than one half, whatever the size.
        temperature: Temperature of `sample`, on standardised scores, or on the logits of a policy.
        class_balance: `proportional` gives each class its share of the budget; `none` does not look at classes.
        trim_hardest: Share of the samples that is left out first, the hardest ones; fewer where the ratio needs them.
        min_per_class: Samples of each class that are kept at the least, as far as the budget and the class allow it,
            in every mode but `threshold`; 1 where the selector does not say otherwise.
        near_duplicates: `last` keeps one of each group of near-duplicates before a second of any, in the modes `topk`
            and `sample`, for a selector that looks for them; `as_any` treats them as any other sample.
    """

    mode: Mode | None = None
    temperature: float | None = None
    class_balance: ClassBalance | None = None
    trim_hardest: float | None = None
    min_per_class: int | None = None
    near_duplicates: NearDuplicates | None = None

    def __post_init__(self) -> None:
        if self.mode is not None:
            one_of("export.mode", self.mode, _MODES)
        if self.temperature is not None:
            number_between("export.temperature", self.temperature, 0, low_open=True)
        if self.class_balance is not None:
            one_of("export.class_balance", self.class_balance, _BALANCES)
        if self.trim_hardest is not None:
            number_between("export.trim_hardest", self.trim_hardest, 0, 1, high_open=True)
        if self.min_per_class is not None:
            int_at_least("export.min_per_class", self.min_per_class, 0)
        if self.near_duplicates is not None:
            one_of("export.near_duplicates", self.near_duplicates, _NEAR_DUPLICATES)


@dataclass(frozen=True, kw_only=True)
class ResolvedExport:
    """`ExportSettings` with nothing left open."""

    mode: Mode = "topk"
    temperature: float = 1.0
    class_balance: ClassBalance = "none"
    trim_hardest: float = 0.0
    min_per_class: int = 1
    near_duplicates: NearDuplicates = "as_any"

    def __post_init__(self) -> None:
        one_of("export.mode", self.mode, _MODES)
        number_between("export.temperature", self.temperature, 0, low_open=True)
        one_of("export.class_balance", self.class_balance, _BALANCES)
        number_between("export.trim_hardest", self.trim_hardest, 0, 1, high_open=True)
        int_at_least("export.min_per_class", self.min_per_class, 0)
        one_of("export.near_duplicates", self.near_duplicates, _NEAR_DUPLICATES)
        if self.mode == "threshold" and self.class_balance != "none":
            raise refuse(
                "export.class_balance",
                "none with export.mode=threshold",
                self.class_balance,
                "the threshold alone decides how many are kept; use export.mode=topk for a balanced set",
            )


def resolve(user: ExportSettings, default: ExportSettings) -> ResolvedExport:
    """Takes what the user set, else the selector's default, else top-k with one of each class, no balance, no trimming.

    Raises:
        ConfigurationError: if the result contradicts itself.
    """
    fallback = ResolvedExport()
    # a class that only the selector's default balances does not stand against a threshold that the user asked for
    mode = _first(user.mode, default.mode, fallback.mode)
    unasked_balance = fallback.class_balance if mode == "threshold" else default.class_balance
    return ResolvedExport(
        mode=mode,
        temperature=_first(user.temperature, default.temperature, fallback.temperature),
        class_balance=_first(user.class_balance, unasked_balance, fallback.class_balance),
        trim_hardest=_first(user.trim_hardest, default.trim_hardest, fallback.trim_hardest),
        min_per_class=_first(user.min_per_class, default.min_per_class, fallback.min_per_class),
        near_duplicates=_first(user.near_duplicates, default.near_duplicates, fallback.near_duplicates),
    )


def _first(user: Setting | None, default: Setting | None, fallback: Setting) -> Setting:
    return user if user is not None else default if default is not None else fallback


def refuse_threshold_of_a_score(settings: ResolvedExport, *, policy: bool) -> None:
    """Refuses `export.mode=threshold` for a method that is no policy; can be asked before anything is computed.

    Raises:
        ConfigurationError: in that case.
    """
    if settings.mode == "threshold" and not policy:
        raise refuse(
            "export.mode",
            "topk, sample or stratified for this selector",
            settings.mode,
            "only a policy has keep probabilities to compare with one half",
        )


def choose(
    values: NDArray[np.float32],
    *,
    kind: Literal["score", "logit"],
    ratio: float,
    settings: ResolvedExport,
    labels: NDArray[np.int64],
    hardness: NDArray[np.float32] | None,
    seed: int,
    policy: bool,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Chooses the samples that a ratio keeps.

    The minimum of each class (`min_per_class`) is lowered for all classes alike where the budget does not allow it. In
    `topk` and `sample`, each class first gets its best by the mode's own preference, then the best of all the rest fill
    the budget; in `stratified`, a class below its minimum is given members of the pool in exchange for others. Nothing
    changes where no class falls below the minimum.

    Args:
        values: (N,) finite scores, high = keep.
        kind: `score` is standardised before sampling, `logit` is taken as it is.
        ratio: The share to keep, in (0, 1]; one keeps everything.
        settings: How.
        labels: (N,) classes, for the class balance.
        hardness: (N,) high = hard, for the trimming; None where a high score means hard.
        seed: The run's seed.
        policy: Whether the values are the keep logits of a policy.
        groups: (N,) equal numbers for near-duplicates of one another; None where the method does not look for them.

    Returns:
        (K,) ascending positions; K = `kept_count(ratio, N)` except for `threshold`.

    Raises:
        ConfigurationError: for a threshold of something that is no policy, or that keeps nothing, and for a ratio
            that keeps nothing.
    """
    refuse_threshold_of_a_score(settings, policy=policy)
    size = len(values)
    budget = kept_count(ratio, size)
    if budget == size:
        return np.arange(size, dtype=np.int64)
    trimming = _Trimming.of(values if hardness is None else hardness, share=settings.trim_hardest, seed=seed)
    if settings.mode == "threshold":
        return _above_threshold(values, trimming)
    sizes = np.bincount(labels).astype(np.int64)
    minima = class_minima(settings.min_per_class, sizes, budget)
    picker = _Picker.of(values, kind=kind, settings=settings, seed=seed)
    if groups is not None and settings.near_duplicates == "last":
        picker = picker.with_one_of_each(groups)
    if settings.class_balance == "none":
        return np.sort(picker.pick_with_minima(trimming.remaining(np.arange(size), budget), budget, labels, minima))
    chosen = []
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    for members, count in zip(by_class, with_minimum(class_budgets(budget, sizes), minima).tolist(), strict=True):
        chosen.append(picker.pick(trimming.remaining(members, count), count))
    return np.sort(np.concatenate(chosen))


@dataclass(frozen=True, kw_only=True)
class _Trimming:
    """The hardest samples, which are left out first.

    Attributes:
        rank: (N,) position in the order from the hardest to the easiest.
        count: How many of the hardest are left out.
    """

    rank: NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, hardness: NDArray[np.float32], *, share: float, seed: int) -> _Trimming:
        size = len(hardness)
        rank = np.arange(size)
        if share:
            rank = np.empty(size, dtype=np.int64)
            rank[_from_the_highest(hardness, _shuffled(size, seed, "trim"))] = np.arange(size)
        return cls(rank=rank, count=math.floor(share * size + 0.5))

    def remaining(self, members: NDArray[np.int64], least: int) -> NDArray[np.int64]:
        """Returns the members that are not left out, and of the others the easiest where fewer than `least` remain."""
        if self.count == 0:
            return members
        remaining = members[self.rank[members] >= self.count]
        if len(remaining) >= least:
            return remaining
        return members[np.argsort(-self.rank[members])[:least]]


@dataclass(frozen=True, kw_only=True)
class _Picker:
    """Takes the best of a pool, by the mode of the export.

    Attributes:
        preference: (N,) high = take first; the score itself for `stratified`.
        ties: (N,) ranks that decide among equals, and within the strata.
        stratified: Whether to draw evenly over strata of the score.
    """

    preference: NDArray[np.floating]
    ties: NDArray[np.int64]
    stratified: bool

    @classmethod
    def of(
        cls,
        values: NDArray[np.float32],
        *,
        kind: Literal["score", "logit"],
        settings: ResolvedExport,
        seed: int,
    ) -> _Picker:
        size = len(values)
        if settings.mode == "stratified":
            return cls(preference=values, ties=_shuffled(size, seed, "strata"), stratified=True)
        preference = values.astype(np.float64)
        if settings.mode == "sample":
            preference = _tilt(preference, kind=kind, temperature=settings.temperature)
            preference += numpy_generator(seed, "export", "gumbel").gumbel(size=size)
        return cls(preference=preference, ties=_shuffled(size, seed, "ties"), stratified=False)

    def with_one_of_each(self, groups: NDArray[np.int64]) -> _Picker:
        """Returns a picker that takes one of each of the (N,) groups before a second of any."""
        if self.stratified:
            return self
        order = np.lexsort((self.ties, -self.preference, groups))
        further = np.empty(len(groups), dtype=bool)
        further[order] = _rank_in_class(groups[order]) > 0
        beyond = np.ptp(self.preference) + 1
        return replace(self, preference=self.preference - beyond * further)

    def pick(self, pool: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Takes so many of the positions in a pool that has at least as many."""
        if self.stratified:
            return pick_from_strata(pool, self.preference, self.ties, count=count)
        return pool[_from_the_highest(self.preference[pool], self.ties[pool])[:count]]

    def pick_with_minima(
        self, pool: NDArray[np.int64], count: int, labels: NDArray[np.int64], minima: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Takes so many, at least (C,) `minima` of each class; of a class that the pool lacks, from outside it."""
        if not minima.any():
            return self.pick(pool, count)
        outside = np.ones(len(labels), dtype=bool)
        outside[pool] = False
        if self.stratified:
            return self._exchange(self.pick(pool, count), outside, labels, minima)
        order = np.lexsort((self.ties, -self.preference, outside, labels))
        first = order[_rank_in_class(labels[order]) < minima[labels[order]]]
        rest = pool[~np.isin(pool, first)]
        return np.concatenate([first, self.pick(rest, count - len(first))])

    def _exchange(
        self,
        chosen: NDArray[np.int64],
        outside: NDArray[np.bool_],
        labels: NDArray[np.int64],
        minima: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Gives the classes below their minimum members in the order of `ties`, for as many of the others."""
        missing = np.maximum(minima - np.bincount(labels[chosen], minlength=len(minima)), 0)
        if not missing.any():
            return chosen
        left = np.setdiff1d(np.arange(len(labels)), chosen)
        left = left[np.lexsort((self.ties[left], outside[left], labels[left]))]
        added = left[_rank_in_class(labels[left]) < missing[labels[left]]]
        taken = chosen[np.lexsort((self.ties[chosen], labels[chosen]))]
        spare = taken[_rank_in_class(labels[taken]) >= minima[labels[taken]]]
        removed = spare[np.argsort(-self.ties[spare])[: len(added)]]
        return np.concatenate([np.setdiff1d(chosen, removed), added])


def _rank_in_class(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the rank of each of (n,) samples among those with its label; equal labels stand side by side."""
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    return np.arange(len(labels)) - np.repeat(starts, np.diff(np.r_[starts, len(labels)]))


def _tilt(values: NDArray[np.float64], *, kind: Literal["score", "logit"], temperature: float) -> NDArray[np.float64]:
    """Returns (N,) logarithms of the weights that samples are drawn with."""
    if kind == "logit":
        return values / temperature
    # equal scores have no deviation, and no preference
    scale = (float(values.std()) or 1.0) * temperature
    standardised: NDArray[np.float64] = (values - values.mean()) / scale
    return standardised


def _above_threshold(logits: NDArray[np.float32], trimming: _Trimming) -> NDArray[np.int64]:
    kept = np.flatnonzero((logits > 0) & (trimming.rank >= trimming.count))
    if len(kept) == 0:
        raise ConfigurationError(
            "export.mode=threshold must keep at least one sample, got a policy that gives none more than one half: "
            "use export.mode=topk or sample"
        )
    return kept.astype(np.int64)


def _shuffled(size: int, seed: int, purpose: str) -> NDArray[np.int64]:
    """Returns a random rank for each of `size` samples, the same for every ratio."""
    return numpy_generator(seed, "export", purpose).permutation(size)


def _from_the_highest(values: NDArray[np.floating], ties: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the positions from the highest value to the lowest, equal values in the order of `ties`."""
    return np.lexsort((ties, -values))


def lost_classes(kept: NDArray[np.int64], sizes: NDArray[np.int64], names: Sequence[str], ratio: float) -> str | None:
    """Says which classes a choice keeps nothing of, or nearly nothing.

    Args:
        kept: (C,) samples kept of each class.
        sizes: (C,) samples in each class.
        names: C names.
        ratio: What was asked for; up to a fifth of it counts as nearly nothing.

    Returns:
        A line for the user; None where there are no such classes.
    """
    present = sizes > 0
    lost = present & (kept == 0)
    nearly = present & ~lost & (kept <= _NEARLY_NOTHING * ratio * sizes)
    parts = []
    for classes, what in ((lost, "none"), (nearly, f"at most a share of {_NEARLY_NOTHING * ratio:.2g}")):
        if classes.any():
            some = [names[number] for number in np.flatnonzero(classes)[:_NAMED]]
            more = "" if classes.sum() <= _NAMED else ", ..."
            parts.append(f"{what} of {classes.sum()} of {present.sum()} classes ({', '.join(some)}{more})")
    return f"the choice keeps {' and '.join(parts)}" if parts else None
