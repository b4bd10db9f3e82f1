"""What is shown of a selection, against numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rlsel.coreset import Coreset
from rlsel.export import ResolvedExport
from rlsel.provenance import DatasetRecord, Gain, Outcome, Provenance, RatioRecord, ScoreRecord, SelectorRecord
from rlsel.report.selection_view import selection_page, selection_warnings
from rlsel.report.terminal_page import Table, bar, printable

SCORES = [0.5, -1.0, 2.0, 0.25, 4.0, 3.0, np.nan]
LABELS = [0, 0, 1, 1, 0, 1, 1]


def coreset(
    kept: Sequence[int] = (2, 4, 5), *, labels: Sequence[int] = LABELS, classes: int = 2, **changes: Any
) -> Coreset:
    """Seven samples; the last was held out."""
    provenance = Provenance(
        dataset=DatasetRecord(
            name="images",
            size=7,
            candidates=6,
            num_classes=classes,
            class_names=tuple(f"class {number}" for number in range(classes)),
            label_values=tuple(map(str, range(classes))),
            fingerprint="f" * 64,
        ),
        selector=SelectorRecord(name="rl_selector", settings={}),
        ratio=RatioRecord(requested=0.5, achieved=len(kept) / 6, thresholded=0.48),
        score=ScoreRecord(kind="logit", policy=True),
        export=ResolvedExport(),
        seed=3,
        settings_hash="0123abcd",
        versions={},
        wall_seconds=1.25,
        peak_rss_bytes=3 * 2**20,
    )
    return Coreset(
        indices=np.array(kept, np.int64),
        scores=np.array(SCORES, np.float32),
        labels=np.array(labels, np.int64),
        near_duplicates=np.array([0, 1, 2, 3, 2, 2, 1], np.int64),
        provenance=replace(provenance, **changes),
    )


def table_of(page: Any, start: str) -> Table:
    [table] = [table for table in page.tables if table.title.startswith(start)]
    return table


def test_the_facts_say_what_was_asked_for_and_what_it_cost() -> None:
    page = selection_page(coreset(parent="/runs/first"), None, rows=2)
    assert page.title == "rl_selector on images"
    assert dict(page.facts) == {
        "asked for": "ratio 0.50, seed 3, export.mode=topk",
        "kept": "3 of 6 candidates (50.0 %), of 7 in all",
        "cost": "1.2 s, at most 3 MiB of memory",
        "keep probability above 0.5": "48.0 %",
        "made from": "/runs/first",
    }
    assert page.warnings == ()


def test_a_class_has_its_size_share_and_mean_score() -> None:
    classes = table_of(selection_page(coreset(), None, rows=2), "Classes")
    assert classes.columns == ("class", "size", "kept", "share", "", "mean score")
    assert classes.rows == (
        ("class 0", "3", "1", "33.3 %", "███████" + "·" * 13, "1.167"),  # (0.5 - 1 + 4) / 3
        ("class 1", "3", "2", "66.7 %", "█" * 13 + "·" * 7, "1.75"),  # (2 + 0.25 + 3) / 3
    )


def test_both_ends_of_the_order_are_listed() -> None:
    paths = ["a", "b\x1b[31m\n.png", "c", "d", "e", "f", "g"]
    page = selection_page(coreset(), paths, rows=2)
    lowest, highest = table_of(page, "Most redundant"), table_of(page, "Least redundant")
    assert lowest.columns == ("index", "label", "score", "kept", "path")
    assert lowest.rows == (("1", "class 0", "-1", "no", "b\\x1b[31m\\n.png"), ("3", "class 1", "0.25", "no", "d"))
    assert highest.rows == (("4", "class 0", "4", "yes", "e"), ("5", "class 1", "3", "yes", "f"))


def test_groups_of_near_duplicates_are_counted_among_candidates() -> None:
    table = table_of(selection_page(coreset(), None, rows=2), "Near-duplicates")
    assert table.title == "Near-duplicates: 3 samples, groups: 1, the largest first"
    assert table.rows == (("3", "3", "2, 4, 5"),)


def test_many_classes_show_their_ends() -> None:
    size = 30
    made = coreset()
    dataset = replace(
        made.provenance.dataset,
        size=2 * size,
        candidates=2 * size,
        num_classes=size,
        class_names=tuple(f"class {number}" for number in range(size)),
        label_values=tuple(map(str, range(size))),
    )
    # of the classes from 0 to 9 both samples are kept, of those to 28 one, of the last none
    kept = np.array([*range(20), *range(20, 58, 2)], np.int64)
    provenance = replace(
        made.provenance, dataset=dataset, ratio=replace(made.provenance.ratio, achieved=len(kept) / (2 * size))
    )
    large = Coreset(
        indices=kept,
        scores=np.arange(2 * size, dtype=np.float32),
        labels=np.repeat(np.arange(size), 2),
        provenance=provenance,
    )
    classes = table_of(selection_page(large, None, rows=2), "Classes")
    assert classes.title == "Classes: the 2 of which the least and the 2 of which the most is kept, of 30"
    assert [row[0] for row in classes.rows] == ["class 29", "class 10", "class 8", "class 9"]


def warnings_with(**changes: Any) -> tuple[str, ...]:
    return selection_warnings(coreset(**changes))


def test_a_lost_class_is_told() -> None:
    assert warnings_with(kept=(0, 1, 4)) == ("nothing is kept of 1 of 2 classes: class 1",)
    assert warnings_with(classes=3) == (), "a class without candidates cannot be lost"


@pytest.mark.parametrize(("thresholded", "told"), [(0.0, True), (0.99, True), (0.02, False), (0.98, False)])
def test_a_collapsed_policy_is_told(thresholded: float, told: bool) -> None:
    ratio = RatioRecord(requested=0.5, achieved=0.5, thresholded=thresholded)
    assert [line.partition(":")[0] for line in warnings_with(ratio=ratio)] == ["the policy collapsed"] * told


def test_a_random_choice_is_told() -> None:
    gain = Gain(loss=0.0, loss_error=0.1, points=-0.5, points_error=0.2)
    outcome = Outcome(chosen="random", tried={"hard": gain}, model="swin", steps=10, of_steps=40, rounds=2, seconds=3.0)
    [line] = warnings_with(outcome=outcome)
    assert line == "the choice is a random one: no rule was better in trials of the training to come"


@pytest.mark.parametrize(("share", "full"), [(0.0, 0), (0.5, 10), (1.0, 20)])
def test_a_bar_is_as_long_as_its_share(share: float, full: int) -> None:
    assert bar(share) == "█" * full + "·" * (20 - full)


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert printable("ünï 猫") == "ünï 猫"
    assert printable("a\tb\x07") == "a\\tb\\x07"
    assert printable(b"\xff".decode(errors="surrogateescape")) == "\\udcff"
