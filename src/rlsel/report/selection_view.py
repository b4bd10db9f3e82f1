"""What a terminal shows of a selection: what was kept of each class, both ends of the order, what to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rlsel.budget import format_ratio
from rlsel.coreset import Coreset
from rlsel.report.terminal_page import Page, Table, bar, percent, printable

_COLLAPSED = 0.01
"""Share of keep probabilities above one half, from 0 or from 1, within which a policy tells nothing apart."""


def selection_page(coreset: Coreset, paths: Sequence[str] | None, *, rows: int) -> Page:
    """Lays out a selection.

    Args:
        coreset: The selection.
        paths: N paths of the images; None where there are none.
        rows: How many samples stand at each end, and how many classes at each end where there are more than twice as
            many.
    """
    candidates = coreset.candidates
    # ties go by position, as wherever scores are cut
    order = candidates[np.argsort(coreset.scores[candidates], kind="stable")]
    tables = [
        _classes(coreset, rows),
        _samples("Most redundant: the lowest scores", coreset, order[:rows], paths),
        _samples("Least redundant: the highest scores", coreset, order[::-1][:rows], paths),
    ]
    if coreset.near_duplicates is not None:
        tables.append(_near_duplicates(coreset, coreset.near_duplicates, rows))
    origin = coreset.provenance
    return Page(
        title=printable(f"{origin.selector.name} on {origin.dataset.name}"),
        facts=_facts(coreset),
        tables=tuple(tables),
        warnings=selection_warnings(coreset),
    )


def selection_warnings(coreset: Coreset) -> tuple[str, ...]:
    """Returns what speaks against using a selection as it is, a line each."""
    origin, lines = coreset.provenance, []
    lost = [
        printable(name)
        for name, size, kept in zip(
            origin.dataset.class_names, _class_sizes(coreset), coreset.class_counts, strict=True
        )
        if size and not kept
    ]
    if lost:
        names = ", ".join(lost[:5]) + _more(len(lost) - 5)
        lines.append(f"nothing is kept of {len(lost)} of {origin.dataset.num_classes} classes: {names}")
    thresholded = origin.ratio.thresholded
    if thresholded is not None and not _COLLAPSED < thresholded < 1 - _COLLAPSED and origin.ratio.requested < 1:
        lines.append(
            f"the policy collapsed: {percent(thresholded)} of its keep probabilities are above one half, so that it "
            "hardly tells samples apart"
        )
    if origin.outcome is not None and origin.outcome.chosen == "random":
        lines.append("the choice is a random one: no rule was better in trials of the training to come")
    return tuple(lines)


def _facts(coreset: Coreset) -> tuple[tuple[str, str], ...]:
    origin = coreset.provenance
    candidates = origin.dataset.candidates
    of_all = "" if candidates == origin.dataset.size else f", of {origin.dataset.size} in all"
    mode = "threshold" if origin.export.mode == "threshold" else f"ratio {format_ratio(origin.ratio.requested)}"
    facts = [
        ("asked for", f"{mode}, seed {origin.seed}, export.mode={origin.export.mode}"),
        ("kept", f"{len(coreset)} of {candidates} candidates ({percent(origin.ratio.achieved)}){of_all}"),
        ("cost", f"{origin.wall_seconds:.1f} s, at most {origin.peak_rss_bytes / 2**20:.0f} MiB of memory"),
    ]
    if origin.ratio.thresholded is not None:
        facts.append(("keep probability above 0.5", percent(origin.ratio.thresholded)))
    if origin.outcome is not None:
        facts.append(("trials", str(origin.outcome)))
    if origin.parent is not None:
        facts.append(("made from", printable(origin.parent)))
    return tuple(facts)


def _class_sizes(coreset: Coreset) -> list[int]:
    """Returns how many candidates each of the C classes has."""
    classes = coreset.labels[coreset.candidates]
    sizes: list[int] = np.bincount(classes, minlength=coreset.provenance.dataset.num_classes).tolist()
    return sizes


def _classes(coreset: Coreset, rows: int) -> Table:
    names, sizes, kept = coreset.provenance.dataset.class_names, _class_sizes(coreset), coreset.class_counts
    candidates = coreset.candidates
    sums = np.bincount(coreset.labels[candidates], weights=coreset.scores[candidates], minlength=len(sizes))
    shown = [number for number, size in enumerate(sizes) if size]
    title = "Classes"
    if len(shown) > 2 * max(rows, 10):
        by_share = sorted(shown, key=lambda number: kept[number] / sizes[number])
        shown = [*by_share[:rows], *by_share[-rows:]]
        title = f"Classes: the {rows} of which the least and the {rows} of which the most is kept, of {len(by_share)}"
    return Table(
        title=title,
        columns=("class", "size", "kept", "share", "", "mean score"),
        numbers=frozenset({"size", "kept", "share", "mean score"}),
        rows=tuple(
            (
                printable(names[number]),
                str(sizes[number]),
                str(kept[number]),
                percent(kept[number] / sizes[number]),
                bar(kept[number] / sizes[number]),
                f"{sums[number] / sizes[number]:.4g}",
            )
            for number in shown
        ),
    )


def _samples(title: str, coreset: Coreset, positions: NDArray[np.int64], paths: Sequence[str] | None) -> Table:
    dataset, kept = coreset.provenance.dataset, set(coreset.indices.tolist())
    return Table(
        title=title,
        columns=("index", "label", "score", "kept", *([] if paths is None else ["path"])),
        numbers=frozenset({"index", "score"}),
        rows=tuple(
            (
                str(position),
                printable(dataset.class_names[coreset.labels[position]]),
                f"{coreset.scores[position]:.4g}",
                "yes" if position in kept else "no",
                *([] if paths is None else [printable(paths[position])]),
            )
            for position in positions.tolist()
        ),
    )


def _near_duplicates(coreset: Coreset, lowest: NDArray[np.int64], rows: int) -> Table:
    """Lays out the groups that have the most samples.

    Args:
        coreset: The selection.
        lowest: (N,) the lowest position among the near-duplicates of each sample.
        rows: How many groups are shown.
    """
    candidates, kept = coreset.candidates, set(coreset.indices.tolist())
    names, sizes = np.unique(lowest[candidates], return_counts=True)
    names, sizes = names[sizes > 1], sizes[sizes > 1]
    largest = names[np.argsort(-sizes, kind="stable")][:rows]
    groups = [candidates[lowest[candidates] == name].tolist() for name in largest]
    return Table(
        title=f"Near-duplicates: {int(sizes.sum())} samples, groups: {len(names)}, the largest first",
        columns=("samples", "kept", "indices"),
        numbers=frozenset({"samples", "kept"}),
        rows=tuple(
            (str(len(group)), str(len(kept & set(group))), ", ".join(map(str, group[:8])) + _more(len(group) - 8))
            for group in groups
        ),
    )


def _more(count: int) -> str:
    return f", and {count} more" if count > 0 else ""
