"""The head of a page: what was asked, what was kept, what it cost, what trials said, and what to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlsel.coreset import Coreset
from rlsel.export import lost_classes
from rlsel.report.seen import Seen

_MET = 0.01
"""Difference of the share above a policy's own threshold to the ratio that counts as met (the paper's ± 1 %)."""

_COLLAPSED = 0.01
"""Share of the samples: a policy that keeps or drops no more than this by its own threshold tells none apart."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A figure with its name.

    Attributes:
        name: What it is.
        value: As it is shown.
        detail: What more there is to say; empty for nothing.
    """

    name: str
    value: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The head of a page of a selection.

    Attributes:
        title: The result in a sentence.
        facts: The figures.
        outcome: What trials of the training to come said; empty without any.
        warnings: What to look at first.
        notes: What the page cannot show, and how it measures.
    """

    title: str
    facts: tuple[Fact, ...]
    outcome: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def verdict(coreset: Coreset, seen: Seen) -> Verdict:
    """Sums a selection up.

    Args:
        coreset: The selection.
        seen: What is known of its candidates.
    """
    recorded = coreset.provenance
    kept, of = len(coreset), recorded.dataset.candidates
    left_out = recorded.dataset.size - of
    return Verdict(
        title=f"{kept:,} of {of:,} samples of {recorded.dataset.name} are kept by {recorded.selector.name}",
        facts=(
            Fact(name="Asked", value=percent(recorded.ratio.requested), detail="of the candidates"),
            Fact(
                name="Kept",
                value=percent(recorded.ratio.achieved),
                detail=f"{kept:,} samples" + (f"; {left_out:,} more were no candidates" if left_out else ""),
            ),
            Fact(
                name="Cost", value=duration(recorded.wall_seconds), detail=f"{memory(recorded.peak_rss_bytes)} memory"
            ),
            _by_class(coreset),
            Fact(name="Seed", value=str(recorded.seed), detail=f"export by {recorded.export.mode}"),
        ),
        outcome="" if recorded.outcome is None else str(recorded.outcome),
        warnings=tuple(_warnings(coreset, seen)),
        notes=seen.notes,
    )


def _by_class(coreset: Coreset) -> Fact:
    shares = [count / size for count, size in zip(coreset.class_counts, class_sizes(coreset), strict=True) if size]
    least, most = min(shares), max(shares)
    span = percent(most) if least == most else f"{round(100 * least, 1):g}–{percent(most)}"
    return Fact(name="Of each class", value=span, detail=f"{len(shares):,} classes")


def class_sizes(coreset: Coreset) -> list[int]:
    """Returns how many candidates each of the C classes has."""
    labels = coreset.labels[coreset.candidates]
    sizes: list[int] = np.bincount(labels, minlength=coreset.provenance.dataset.num_classes).tolist()
    return sizes


def _warnings(coreset: Coreset, seen: Seen) -> list[str]:
    recorded = coreset.provenance
    found = []
    lost = lost_classes(
        np.array(coreset.class_counts),
        np.array(class_sizes(coreset)),
        recorded.dataset.class_names,
        recorded.ratio.achieved,
    )
    if lost is not None:
        found.append(f"{lost[0].upper()}{lost[1:]}.")
    thresholded, asked = recorded.ratio.thresholded, recorded.ratio.requested
    if thresholded is not None and not _COLLAPSED < thresholded < 1 - _COLLAPSED and asked < 1:
        found.append(
            f"The policy has collapsed: by its own threshold it would keep {percent(thresholded)} of the samples. The "
            "order of its scores alone made the choice."
        )
    elif thresholded is not None and abs(thresholded - asked) > _MET:
        found.append(
            f"By its own threshold the policy would keep {percent(thresholded)}, not the {percent(asked)} that were "
            "asked for: the order of its scores made the choice."
        )
    scores = coreset.scores[coreset.candidates]
    if len(scores) > 1 and scores.min() == scores.max():
        found.append("All scores are equal: nothing tells the samples apart, and the seed made the choice.")
    if seen.tested is False:
        found.append(
            "There is no test data: nothing says what a training on this choice is worth. Set dataset.holdout=0.2 and "
            "compare it with selector=random."
        )
    return found


def percent(share: float) -> str:
    """Writes a share, with a space that no line ends at: 0.4 -> "40 %", 0.125 -> "12.5 %"."""
    return f"{round(100 * share, 1):g}\u00a0%"


def duration(seconds: float) -> str:
    """Writes a time: "4.2 s", "1 min 30 s", "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def memory(size: int) -> str:
    """Writes an amount of memory: "820 MB", "3.1 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
