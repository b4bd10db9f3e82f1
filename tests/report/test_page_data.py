"""What a page shows of a selection, against numbers that are computed here one by one."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from rlsel.coreset import Coreset
from rlsel.errors import CoresetError
from rlsel.export import ResolvedExport
from rlsel.report.contact_sheets import ContactSheet, places_of
from rlsel.report.page_data import SelectionPage, selection_page
from rlsel.report.seen import Seen


def sheet(page: SelectionPage, name: str) -> ContactSheet:
    (found,) = (sheet for sheet in page.sheets if sheet.name == name)
    return found


def nearest_by_hand(coreset: Coreset, seen: Seen) -> dict[int, tuple[float, int]]:
    """Position of each dropped candidate to the distance and position of the nearest kept one of its class."""
    features, candidates, found = seen.features.double().numpy(), coreset.candidates.tolist(), {}
    for place, position in enumerate(candidates):
        if position in coreset.indices:
            continue
        found[position] = min(
            (math.dist(features[place], features[candidates.index(kept)]), int(kept))
            for kept in coreset.indices
            if coreset.labels[kept] == coreset.labels[position]
        )
    return found


def test_pairs_are_dropped_samples_with_what_covers_them(coreset: Coreset, seen: Seen) -> None:
    page = selection_page(coreset, seen)
    expected = nearest_by_hand(coreset, seen)
    assert len(expected) == 83 - len(coreset)
    by_distance = sorted(expected, key=lambda position: expected[position])
    for name, wanted in (("redundant", by_distance[:24]), ("uncovered", by_distance[::-1][:24])):
        (shown,) = sheet(page, name).groups
        assert [one.position for one in shown] == wanted
        for one in shown:
            distance, covering = expected[one.position]
            assert one.value == f"distance {distance:.3g}"
            assert (one.beside.position, one.beside.kept, one.kept) == (covering, True, False)
            assert one.beside.class_name == one.class_name


def test_classes_have_their_counts_scores_and_distances(coreset: Coreset, seen: Seen) -> None:
    page = selection_page(coreset, seen)
    distances = nearest_by_hand(coreset, seen)
    names = coreset.provenance.dataset.class_names
    assert [row.name for row in page.classes] == list(names)
    for label, row in enumerate(page.classes):
        inside = [position for position in coreset.candidates.tolist() if coreset.labels[position] == label]
        kept = [position for position in inside if position in coreset.indices]
        assert (row.size, row.kept, row.share) == (len(inside), len(kept), len(kept) / len(inside))
        assert (sum(row.scores.kept), sum(row.scores.dropped)) == (len(kept), len(inside) - len(kept))
        own = [distances[position][0] for position in inside if position in distances]
        # features are float32
        np.testing.assert_allclose(row.distances, np.quantile(own, [0.1, 0.5, 0.9, 1.0]), rtol=1e-5)


def test_the_coverage_curve_is_the_share_within_a_distance(coreset: Coreset, seen: Seen) -> None:
    curve = selection_page(coreset, seen).covered
    own = [distance for distance, _ in nearest_by_hand(coreset, seen).values()]
    assert curve.points[0] == pytest.approx((min(own), 0.0))
    assert curve.points[-1] == pytest.approx((max(own), 1.0))
    assert [share for _, share in curve.points] == sorted(share for _, share in curve.points)


def test_what_is_uncovered_altogether_keeps_the_curve_below_one(make_selection: Any, make_seen: Any) -> None:
    coreset = make_selection(ratio=0.02, export=ResolvedExport(min_per_class=0))
    lost = [label for label, count in enumerate(coreset.class_counts) if not count]
    assert lost
    page = selection_page(coreset, make_seen(coreset))
    dropped = [place for place in coreset.candidates if place not in coreset.indices]
    covered = [place for place in dropped if coreset.labels[place] not in lost]
    assert page.covered.points[-1][1] == pytest.approx(len(covered) / len(dropped))
    assert [page.classes[label].distances for label in lost] == [None] * len(lost)
    (warning,) = page.verdict.warnings
    assert warning.startswith(f"The choice keeps none of {len(lost)} of 3 classes")


def test_the_verdict_says_what_was_asked_kept_and_paid(coreset: Coreset, seen: Seen) -> None:
    verdict = selection_page(coreset, seen).verdict
    # floor(0.4 x 83 + 0.5) = 33
    assert verdict.title == "33 of 83 samples of made_up are kept by some_method"
    facts = {fact.name: (fact.value.replace("\u00a0", " "), fact.detail) for fact in verdict.facts}
    assert facts["Asked"] == ("40 %", "of the candidates")
    assert facts["Kept"] == ("39.8 %", "33 samples; 7 more were no candidates")
    assert facts["Cost"] == ("2 min 5 s", "820 MB memory")
    assert (verdict.warnings, verdict.outcome) == ((), "")


@pytest.mark.parametrize(
    ("thresholded", "said"),
    [
        (0.4, None),
        (0.409, None),
        (0.9, "By its own threshold the policy would keep 90"),
        (0.999, "The policy has collapsed"),
        (0.0, "The policy has collapsed"),
    ],
)
def test_a_policy_that_missed_the_ratio_is_warned_of(
    make_selection: Any, make_seen: Any, thresholded: float, said: str | None
) -> None:
    coreset = make_selection(thresholded=thresholded)
    warnings = selection_page(coreset, make_seen(coreset)).verdict.warnings
    assert len(warnings) == (said is not None)
    assert said is None or warnings[0].startswith(said)


def test_missing_test_data_and_equal_scores_are_warned_of(coreset: Coreset, seen: Seen) -> None:
    equal = replace(coreset, scores=np.where(np.isnan(coreset.scores), np.nan, 1).astype(np.float32))
    found = selection_page(equal, replace(seen, tested=False)).verdict.warnings
    assert [warning.partition(":")[0] for warning in found] == ["All scores are equal", "There is no test data"]


def test_other_sheets_show_what_they_say(coreset: Coreset, seen: Seen) -> None:
    groups = np.arange(90)
    groups[[20, 31, 44]], groups[[50, 51]] = 20, 50
    page = selection_page(replace(coreset, near_duplicates=groups), seen)
    duplicates = sheet(page, "duplicates")
    assert [[one.position for one in group] for group in duplicates.groups] == [[20, 31, 44], [50, 51]]
    assert duplicates.meaning.startswith("2 groups hold 3 samples more than one each")
    candidates = coreset.candidates
    coverage, doubt = seen.coverage.numpy(), seen.label_error.numpy()
    assert [one.position for one in sheet(page, "rare").groups[0]] == candidates[np.argsort(-coverage)[:24]].tolist()
    suspected = [one.position for one in sheet(page, "labels").groups[0]]
    assert suspected == [int(candidates[place]) for place in np.argsort(-doubt) if doubt[place] >= 0.5][:24]
    # 33 of 83 are kept: the score of the last place is the 33rd from above
    cut = sorted(coreset.scores[candidates].tolist(), reverse=True)[32]
    nearest = sorted(candidates.tolist(), key=lambda position: abs(coreset.scores[position] - cut))[:24]
    assert {one.position for one in sheet(page, "cut").groups[0]} == set(nearest)
    assert len(places_of(page.sheets)) == 2 * 48 + 24 + 24 + 5 + len(suspected)


def test_what_the_model_would_call_a_suspected_sample_stands_beside_its_label(coreset: Coreset, seen: Seen) -> None:
    worst = int(seen.label_error.argmax())
    page = selection_page(coreset, replace(seen, instead={worst: 2}))
    names = coreset.provenance.dataset.class_names
    first, *others = sheet(page, "labels").groups[0]
    assert (first.class_name, first.instead) == (names[coreset.labels[coreset.candidates[worst]]], names[2])
    assert {one.instead for one in others} == {""}
    assert "arrow" in sheet(page, "labels").meaning
    assert "arrow" not in sheet(selection_page(coreset, seen), "labels").meaning


def test_without_features_there_is_no_map_and_no_distance(coreset: Coreset) -> None:
    page = selection_page(coreset, Seen(notes=("nothing to see",)))
    assert (page.map, page.covered, page.material.distances) == (None, None, None)
    assert [sheet.name for sheet in page.sheets] == ["cut"]
    assert page.verdict.notes == ("nothing to see",)


def test_what_the_epochs_measured_has_names_that_a_reader_knows(coreset: Coreset, seen: Seen) -> None:
    metrics = [
        {"epoch": 1, "step": 9, "accuracy": 0.5, "critic_loss": 3.0},
        {"epoch": 2, "step": 18, "accuracy": None, "share_kept": 0.4},
        {"epoch": 3, "step": 27, "accuracy": 0.7, "share_kept": 0.5},
    ]
    curves = {curve.title: curve.points for curve in selection_page(coreset, seen, metrics=metrics).curves}
    assert curves == {
        "Training accuracy": ((1.0, 0.5), (3.0, 0.7)),
        "Share kept by the policy's own threshold": ((2.0, 0.4), (3.0, 0.5)),
    }


def test_against_another_selection_each_sample_counts_once(
    coreset: Coreset, seen: Seen, make_selection: Callable[..., Coreset]
) -> None:
    other = make_selection(ratio=0.3, seed=5)
    page = selection_page(coreset, seen, other=other)
    mine, others = set(coreset.indices.tolist()), set(other.indices.tolist())
    against = page.against
    assert (against.both, against.only_this, against.only_other) == (
        len(mine & others),
        len(mine - others),
        len(others - mine),
    )
    assert against.jaccard == len(mine & others) / len(mine | others)
    alone = {sheet.name: [one.position for one in sheet.groups[0]] for sheet in against.sheets}
    assert alone["this"] == sorted(mine - others, key=lambda position: -coreset.scores[position])[:24]
    assert alone["other"] == sorted(others - mine, key=lambda position: -coreset.scores[position])[:24]
    assert against.other == "some_method at 0.3, seed 0"


def test_a_selection_of_other_data_is_refused(
    coreset: Coreset, seen: Seen, make_selection: Callable[..., Coreset]
) -> None:
    with pytest.raises(CoresetError, match="against must be a selection of the same data as run, 90 samples"):
        selection_page(coreset, seen, other=make_selection(80))
    with pytest.raises(CoresetError, match="from the same 83 candidates as run, got one from 87"):
        selection_page(coreset, seen, other=make_selection(left_out=3))


def test_keeping_everything_leaves_nothing_to_show(make_selection: Any, make_seen: Any) -> None:
    coreset = make_selection(ratio=1.0)
    page = selection_page(coreset, replace(make_seen(coreset), coverage=None, label_error=None))
    assert (page.sheets, page.covered) == ((), None)
    assert torch.isnan(torch.from_numpy(page.material.distances)).all()


def test_of_too_many_pairs_the_distances_of_some_dropped_samples_are_measured(
    coreset: Coreset, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = selection_page(coreset, seen)
    assert not any("drawn evenly" in note for note in whole.verdict.notes)
    labels, kept = coreset.labels[coreset.candidates], np.isin(coreset.candidates, coreset.indices)
    pairs = sum(int((kept & (labels == label)).sum() * (~kept & (labels == label)).sum()) for label in range(3))
    monkeypatch.setattr("rlsel.report.page_data.MOST_PAIRS", pairs // 2)
    page = selection_page(coreset, seen)
    measured = np.flatnonzero(np.isfinite(page.material.distances))
    # 50 are dropped, of which half of the pairs, rounded down, are 24 or 25
    assert len(measured) in (24, 25)
    assert f"Distances are those of {len(measured)} of the 50 dropped samples, drawn evenly." in page.verdict.notes
    assert page.material.distances[measured].tolist() == pytest.approx(whole.material.distances[measured].tolist())
    assert page.material.covering[measured].tolist() == whole.material.covering[measured].tolist()
    assert page.covered.points[-1][1] == 1.0
