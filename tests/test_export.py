import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rlsel.budget import class_budgets, kept_count
from rlsel.errors import ConfigurationError
from rlsel.export import ExportSettings, ResolvedExport, choose, lost_classes, resolve
from rlsel.strata import STRATA, strata, strata_budgets

TOPK = ResolvedExport(mode="topk")


def choose_of(
    values: NDArray[np.float32],
    ratio: float,
    export: ResolvedExport = TOPK,
    *,
    kind: str = "score",
    labels: NDArray[np.int64] | None = None,
    hardness: NDArray[np.float32] | None = None,
    seed: int = 0,
    policy: bool = False,
    groups: list[int] | None = None,
) -> list[int]:
    if labels is None:
        labels = np.zeros(len(values), dtype=np.int64)
    chosen = choose(
        np.asarray(values, dtype=np.float32),
        kind=kind,
        ratio=ratio,
        settings=export,
        labels=labels,
        hardness=hardness,
        seed=seed,
        policy=policy,
        groups=None if groups is None else np.array(groups),
    )
    assert chosen.dtype == np.int64
    return chosen.tolist()


exact_exports = st.builds(
    ResolvedExport,
    mode=st.sampled_from(["topk", "sample", "stratified"]),
    temperature=st.sampled_from([0.1, 1.0, 10.0]),
    class_balance=st.sampled_from(["none", "proportional"]),
    trim_hardest=st.sampled_from([0.0, 0.1, 0.5, 0.99]),
    min_per_class=st.integers(0, 3),
)

# few distinct numbers, so that ties are common; a long range, so that most strata are empty
scores = st.lists(st.sampled_from([-1000.0, -1.5, 0.0, 0.25, 0.26, 3.0, 8.0]), min_size=1, max_size=60)


@given(values=scores, export=exact_exports, ratio=st.floats(0.01, 1), seed=st.integers(0, 5), data=st.data())
def test_the_size_is_exact_and_positions_ascend(
    values: list[float], export: ResolvedExport, ratio: float, seed: int, data: st.DataObject
) -> None:
    size = len(values)
    labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), dtype=np.int64)
    hardness = data.draw(st.sampled_from([None, np.linspace(0, 1, size, dtype=np.float32)]))
    ratio = max(ratio, 0.5 / size)
    chosen = choose_of(values, ratio, export, labels=labels, hardness=hardness, seed=seed)
    assert len(chosen) == kept_count(ratio, size)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(range(size))
    sizes, kept = (np.bincount(some, minlength=4) for some in (labels, labels[chosen]))
    if export.class_balance == "proportional" and export.min_per_class == 0:
        assert kept.tolist() == class_budgets(len(chosen), sizes).tolist()
    lowest = max((m for m in range(export.min_per_class + 1) if np.minimum(sizes, m).sum() <= len(chosen)), default=0)
    assert (kept >= np.minimum(sizes, lowest)).all()


@given(
    values=scores,
    mode=st.sampled_from(["topk", "sample"]),
    kind=st.sampled_from(["score", "logit"]),
    ratios=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
)
def test_topk_and_sample_are_nested_over_ratios(
    values: list[float], mode: str, kind: str, ratios: tuple[float, float]
) -> None:
    small, large = sorted(max(ratio, 0.5 / len(values)) for ratio in ratios)
    export = ResolvedExport(mode=mode)
    assert set(choose_of(values, small, export, kind=kind)) <= set(choose_of(values, large, export, kind=kind))


LABELLED = st.lists(st.tuples(st.sampled_from([-5.0, 0.0, 0.1, 0.2, 3.0]), st.integers(0, 5)), min_size=2, max_size=60)


@given(
    samples=LABELLED,
    mode=st.sampled_from(["topk", "sample"]),
    trim=st.sampled_from([0.0, 0.3]),
    ratios=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
)
def test_sets_with_a_minimum_are_nested_once_the_budget_allows_it(
    samples: list[tuple[float, int]], mode: str, trim: float, ratios: tuple[float, float]
) -> None:
    values, labels = (np.array(column) for column in zip(*samples, strict=True))
    small, large = sorted(max(ratio, 0.5 / len(values)) for ratio in ratios)
    export = ResolvedExport(mode=mode, min_per_class=1)
    if kept_count(small, len(values)) < len(set(labels.tolist())):
        return
    assert set(choose_of(values, small, export, labels=labels)) <= set(choose_of(values, large, export, labels=labels))


@given(
    samples=LABELLED,
    mode=st.sampled_from(["topk", "sample", "stratified"]),
    trim=st.sampled_from([0.0, 0.4, 0.9]),
    ratio=st.floats(0.05, 1),
    minimum=st.integers(1, 3),
)
def test_a_minimum_changes_nothing_where_no_class_is_below_it(
    samples: list[tuple[float, int]], mode: str, trim: float, ratio: float, minimum: int
) -> None:
    values, labels = (np.array(column) for column in zip(*samples, strict=True))
    ratio = max(ratio, 0.5 / len(values))
    free, bound = (
        choose_of(values, ratio, ResolvedExport(mode=mode, trim_hardest=trim, min_per_class=least), labels=labels)
        for least in (0, minimum)
    )
    kept, sizes = np.bincount(labels[free], minlength=6), np.bincount(labels, minlength=6)
    if (kept >= np.minimum(sizes, minimum)).all():
        assert bound == free


def test_each_class_gets_its_best_and_the_best_of_all_fill_the_budget() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    values = [9, 8, 7, 6, 1, 2, 4, 3]
    # one of each: 0, 5, 6; the fourth is the best of the rest
    assert choose_of(values, 0.5, labels=labels) == [0, 1, 5, 6]
    # two of each would be six: the budget of four allows one
    assert choose_of(values, 0.5, ResolvedExport(min_per_class=2), labels=labels) == [0, 1, 5, 6]
    assert choose_of(values, 0.75, ResolvedExport(min_per_class=2), labels=labels) == [0, 1, 4, 5, 6, 7]
    assert choose_of(values, 0.25, labels=labels) == [0, 1], "two samples cannot serve three classes"


def test_a_class_that_is_trimmed_away_gives_its_best_all_the_same() -> None:
    labels = np.array([0] * 6 + [1] * 2)
    # of 0 … 7 the hardest two, all of class 1, are trimmed; the minimum takes the best of the two back
    assert choose_of(np.arange(8), 0.5, ResolvedExport(trim_hardest=0.25), labels=labels) == [3, 4, 5, 7]
    assert choose_of(np.arange(8), 0.5, ResolvedExport(trim_hardest=0.25, min_per_class=0), labels=labels) == [
        2,
        3,
        4,
        5,
    ]


def test_the_threshold_of_a_policy_knows_no_minimum() -> None:
    labels = np.array([0, 0, 1, 1])
    assert choose_of([1.0, 2.0, -1.0, -2.0], 0.5, ResolvedExport(mode="threshold"), labels=labels, policy=True) == [
        0,
        1,
    ]


@pytest.mark.parametrize("mode", ["topk", "sample", "stratified"])
@pytest.mark.parametrize(("ratio", "lost"), [(0.3, True), (0.34, False)])
def test_eight_hundred_classes_of_three(mode: str, ratio: float, lost: bool) -> None:
    labels = np.repeat(np.arange(800), 3)
    values = np.random.default_rng(0).normal(size=2400)
    kept = np.bincount(labels[choose_of(values, ratio, ResolvedExport(mode=mode), labels=labels)], minlength=800)
    # 720 samples are too few for 800 classes, 816 are enough
    assert kept.sum() == kept_count(ratio, 2400)
    assert (kept.min() == 0) == lost


def test_small_classes_get_their_one_of_a_proportional_budget() -> None:
    labels = np.array([0] * 98 + [1] * 2)
    for mode in ("topk", "sample", "stratified"):
        chosen = choose_of(np.arange(100), 0.1, ResolvedExport(mode=mode, class_balance="proportional"), labels=labels)
        assert np.bincount(labels[chosen]).tolist() == [9, 1]


def test_lost_classes_are_named() -> None:
    names = [f"c{number}" for number in range(9)]
    sizes = np.array([100] * 8 + [0])
    # a fifth of 0.3 of 100 is 6
    assert lost_classes(np.array([30, 8, 7, 50, 9, 9, 9, 9, 0]), sizes, names, 0.3) is None
    assert lost_classes(np.array([0, 6, 7, 50, 9, 9, 9, 9, 0]), sizes, names, 0.3) == (
        "the choice keeps none of 1 of 8 classes (c0) and at most a share of 0.06 of 1 of 8 classes (c1)"
    )
    assert lost_classes(np.array([0] * 7 + [50, 0]), sizes, names, 0.3) == (
        "the choice keeps none of 7 of 8 classes (c0, c1, c2, c3, c4, ...)"
    )
    # the minimum of one does not hide a class that is as good as lost: a fifth of 0.05 of 144 is 1.44
    assert "1 of 2 classes" in (lost_classes(np.array([15, 1]), np.array([144, 144]), names, 0.05) or "")


@pytest.mark.parametrize("mode", ["topk", "sample", "stratified", "threshold"])
def test_ratio_one_keeps_everything(mode: str) -> None:
    values = np.array([-3.0, 2.0, -1.0], dtype=np.float32)
    assert choose_of(values, 1.0, ResolvedExport(mode=mode, trim_hardest=0.0), policy=True) == [0, 1, 2]
    assert choose_of(values, 1.0, ResolvedExport(mode=mode, trim_hardest=0.5), policy=True) == [0, 1, 2]


def test_topk_keeps_the_highest() -> None:
    assert choose_of([0.1, 0.9, -2.0, 0.5], 0.5) == [1, 3]


def test_ties_are_broken_by_the_seed_and_not_by_position() -> None:
    equal = np.zeros(200, dtype=np.float32)
    first, again, other = (choose_of(equal, 0.5, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    # 100 of 200 at random: the first half holds 50 ± 3.5 of them; 70 would be six deviations
    assert sum(position < 100 for position in first) < 70


def test_ties_matter_only_between_equal_scores() -> None:
    chosen = choose_of([1.0, 5.0, 1.0, 7.0, 1.0, 6.0], 4 / 6)
    assert {1, 3, 5} < set(chosen)


def test_trimming_leaves_out_the_hardest_first() -> None:
    # of 0 … 9, two are trimmed (9 and 8), and the five highest of the rest are kept
    assert choose_of(np.arange(10), 0.5, ResolvedExport(trim_hardest=0.2)) == [3, 4, 5, 6, 7]


def test_trimming_takes_back_the_easiest_of_the_hardest_where_too_few_remain() -> None:
    # nine of ten would be trimmed, but five are kept: the four easiest of the nine come back
    assert choose_of(np.arange(10), 0.5, ResolvedExport(trim_hardest=0.9)) == [0, 1, 2, 3, 4]


def test_trimming_goes_by_hardness_where_it_is_given() -> None:
    hardness = -np.arange(10, dtype=np.float32)  # position 0 is the hardest
    assert choose_of(np.arange(10), 0.5, ResolvedExport(trim_hardest=0.6), hardness=hardness) == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("mode", ["topk", "sample", "stratified"])
def test_a_balanced_class_takes_back_its_own_easiest(mode: str) -> None:
    # all of class 1 (positions 5 to 9) is trimmed; its budget of 2 is met by its two easiest
    labels = np.repeat([0, 1], 5)
    export = ResolvedExport(mode=mode, class_balance="proportional", trim_hardest=0.5)
    chosen = choose_of(np.arange(10), 0.4, export, labels=labels)
    assert [position for position in chosen if position >= 5] == [5, 6]


def test_class_balance_keeps_the_highest_of_each_class() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1], dtype=np.int64)
    values = [9, 8, 7, 6, 1, 2]
    assert choose_of(values, 0.5, ResolvedExport(min_per_class=0), labels=labels) == [0, 1, 2]
    assert choose_of(values, 0.5, ResolvedExport(class_balance="proportional"), labels=labels) == [0, 1, 5]


def inclusion_probabilities(weights: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Enumerates every order of `count` draws without replacement, each in proportion to the weights left."""
    included = np.zeros(len(weights))
    for draws in itertools.permutations(range(len(weights)), count):
        probability, left = 1.0, weights.sum()
        for draw in draws:
            probability *= weights[draw] / left
            left -= weights[draw]
        included[list(draws)] += probability
    return included


@pytest.mark.parametrize(("kind", "temperature"), [("logit", 1.0), ("logit", 2.0), ("score", 0.5)])
def test_sample_draws_in_proportion_to_the_weights_without_replacement(kind: str, temperature: float) -> None:
    values = np.array([0.0, 1.0, -1.0, 2.5])
    preference = values if kind == "logit" else (values - values.mean()) / values.std()
    expected = inclusion_probabilities(np.exp(preference / temperature), 2)
    assert expected.sum() == pytest.approx(2)
    repeats, counts = 1500, np.zeros(4)
    for seed in range(repeats):
        counts[
            choose_of(values, 0.5, ResolvedExport(mode="sample", temperature=temperature), kind=kind, seed=seed)
        ] += 1
    # five standard deviations of a binomial share; the seeds are fixed, so the outcome is too
    tolerance = 5 * np.sqrt(expected * (1 - expected) / repeats)
    assert (np.abs(counts / repeats - expected) < tolerance).all()


def test_sample_of_equal_scores_is_uniform_and_finite() -> None:
    chosen = choose_of(np.full(50, 7.0), 0.5, ResolvedExport(mode="sample"))
    assert len(chosen) == 25


def test_sample_does_not_depend_on_the_scale_of_a_score() -> None:
    values = np.linspace(-1, 2, 40)
    export = ResolvedExport(mode="sample")
    assert choose_of(values, 0.3, export) == choose_of(100 * values + 5, 0.3, export)
    assert choose_of(values, 0.3, export, kind="logit") != choose_of(100 * values + 5, 0.3, export, kind="logit")


def test_a_low_temperature_approaches_topk() -> None:
    values = np.random.default_rng(0).permutation(30).astype(np.float32)
    assert choose_of(values, 0.5, ResolvedExport(mode="sample", temperature=1e-4)) == choose_of(values, 0.5)


def shared_out_one_by_one(total: int, sizes: list[int]) -> list[int]:
    """Gives the budget out in single samples, each to a stratum with the least so far that has one left."""
    budgets = [0] * len(sizes)
    for _ in range(total):
        open_strata = [i for i, size in enumerate(sizes) if budgets[i] < size]
        budgets[min(open_strata, key=lambda i: budgets[i])] += 1
    return budgets


@given(sizes=st.lists(st.integers(0, 30), min_size=1, max_size=12), share=st.floats(0, 1))
def test_strata_budgets_agree_with_sharing_out_one_by_one(sizes: list[int], share: float) -> None:
    total = math.floor(share * sum(sizes))
    budgets = strata_budgets(total, np.array(sizes, dtype=np.int64))
    assert budgets.sum() == total
    assert (budgets <= sizes).all()
    # which of several strata gets one of the remainder is free, the amounts are not
    assert sorted(budgets.tolist()) == sorted(shared_out_one_by_one(total, sizes))


def test_strata_budgets_hand_on_what_a_small_stratum_cannot_use() -> None:
    # 13 over sizes 2, 0, 20, 4: an equal part is 3; 0 and 2 are used up, 11 are left: 11 // 2 = 5 > 4, so 4, then 7
    assert strata_budgets(13, np.array([2, 0, 20, 4])).tolist() == [2, 0, 7, 4]


def test_strata_have_equal_widths() -> None:
    values = np.array([-1.0, -0.99, -0.95, 0.0, 0.99, 1.0], dtype=np.float32)
    # the width is 2 / 50 = 0.04: offsets 0, 0.01, 0.05, 1, 1.99, 2 (the maximum belongs to the last)
    assert strata(values).tolist() == [0, 0, 1, 25, 49, 49]
    assert strata(np.zeros(3, dtype=np.float32)).tolist() == [0, 0, 0]


def test_stratified_fills_each_stratum_with_its_budget() -> None:
    # most scores are in the lowest strata, as those of a trained model
    values = np.random.default_rng(3).exponential(size=2000).astype(np.float32)
    chosen = choose_of(values, 0.2, ResolvedExport(mode="stratified"))
    sizes = np.bincount(strata(values), minlength=STRATA)
    kept = np.bincount(strata(values)[chosen], minlength=STRATA)
    assert kept.tolist() == strata_budgets(400, sizes).tolist()
    assert (kept[sizes > 0] > 0).all()
    assert kept[sizes <= 400 // STRATA].tolist() == sizes[sizes <= 400 // STRATA].tolist()


def test_stratified_measures_the_range_of_what_is_left_after_trimming() -> None:
    # with the outlier the others share one stratum; without it they are spread over all 50
    values = np.append(np.linspace(0, 1, 99), 1000.0).astype(np.float32)
    chosen = choose_of(values, 0.5, ResolvedExport(mode="stratified", trim_hardest=0.01))
    assert 99 not in chosen
    # 99 scores over 50 strata are one or two each: fifty kept take one of each
    assert np.bincount(strata(values[:99])[chosen], minlength=STRATA).tolist() == [1] * STRATA


def test_the_pick_in_a_stratum_is_random() -> None:
    equal = np.zeros(100, dtype=np.float32)
    first, other = (choose_of(equal, 0.5, ResolvedExport(mode="stratified"), seed=seed) for seed in (0, 1))
    assert first != other
    assert first != list(range(50))


def test_threshold_keeps_what_is_above_one_half_whatever_the_size() -> None:
    logits = [0.1, -0.2, 0.0, 3.0, 0.01]
    export = ResolvedExport(mode="threshold")
    assert choose_of(logits, 0.2, export, kind="logit", policy=True) == [0, 3, 4]
    # two of five are the hardest and are left out: 3.0 and 0.1
    trimmed = ResolvedExport(mode="threshold", trim_hardest=0.4)
    assert choose_of(logits, 0.2, trimmed, kind="logit", policy=True) == [4]


def test_threshold_is_for_policies_only() -> None:
    with pytest.raises(ConfigurationError, match=r"export\.mode must be topk, sample or stratified"):
        choose_of([1.0, 2.0], 0.5, ResolvedExport(mode="threshold"))


def test_an_empty_threshold_set_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"export\.mode=threshold must keep at least one"):
        choose_of([-1.0, -2.0], 0.5, ResolvedExport(mode="threshold"), kind="logit", policy=True)


def test_a_balanced_threshold_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"export\.class_balance must be none"):
        resolve(ExportSettings(mode="threshold", class_balance="proportional"), ExportSettings())


def test_a_ratio_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ratio must be"):
        choose_of([1.0, 2.0], 0.01)


def test_what_the_user_sets_wins_over_the_selector() -> None:
    default = ExportSettings(mode="sample", temperature=0.5, class_balance="proportional")
    assert resolve(ExportSettings(), ExportSettings()) == ResolvedExport()
    assert resolve(ExportSettings(), default) == ResolvedExport(
        mode="sample", temperature=0.5, class_balance="proportional", trim_hardest=0.0
    )
    assert resolve(ExportSettings(mode="topk", class_balance="none", trim_hardest=0.0), default) == ResolvedExport(
        mode="topk", temperature=0.5
    )
    # a balance that only the selector wanted does not stand against the user's threshold
    assert resolve(ExportSettings(mode="threshold"), default).class_balance == "none"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("mode", "best"),
        ("temperature", 0.0),
        ("temperature", float("nan")),
        ("class_balance", "equal"),
        ("trim_hardest", 1.0),
        ("trim_hardest", -0.1),
    ],
)
def test_a_setting_out_of_its_range_is_refused(setting: str, value: object) -> None:
    for make in (ExportSettings, ResolvedExport):
        with pytest.raises(ConfigurationError, match=rf"export\.{setting} must be"):
            make(**{setting: value})


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_set(seed: int) -> None:
    values = np.zeros(30, dtype=np.float32)
    for mode in ("topk", "sample", "stratified"):
        export = ResolvedExport(mode=mode)
        assert choose_of(values, 0.4, export, seed=seed) == choose_of(values, 0.4, export, seed=seed)


ONE_OF_EACH = ResolvedExport(mode="topk", near_duplicates="last")


def test_one_of_each_group_comes_before_a_second_of_any() -> None:
    values = np.array([9, 8, 7, 3, 2, 1], dtype=np.float32)
    groups = [0, 0, 0, 3, 4, 4]

    # the best of each group are 0, 3 and 4; the next best of all is 1
    assert choose_of(values, 3 / 6, ONE_OF_EACH, groups=groups) == [0, 3, 4]
    assert choose_of(values, 4 / 6, ONE_OF_EACH, groups=groups) == [0, 1, 3, 4]
    assert choose_of(values, 3 / 6, groups=groups) == [0, 1, 2]


def test_without_groups_nothing_changes() -> None:
    values = np.arange(20, dtype=np.float32)
    alone = list(range(20))
    for mode in ("topk", "sample", "stratified"):
        export = ResolvedExport(mode=mode, near_duplicates="last")  # type: ignore[arg-type]
        expected = choose_of(values, 0.4, ResolvedExport(mode=mode))  # type: ignore[arg-type]
        assert choose_of(values, 0.4, export, groups=alone) == choose_of(values, 0.4, export) == expected


def test_a_class_has_its_minimum_before_its_copies_are_left_out() -> None:
    values = np.array([9, 8, 7, 6, 5, 4], dtype=np.float32)
    labels = np.array([0, 0, 1, 1, 1, 1])
    export = ResolvedExport(mode="topk", near_duplicates="last", min_per_class=2)

    assert choose_of(values, 4 / 6, export, labels=labels, groups=[0, 0, 2, 3, 4, 5]) == [0, 1, 2, 3]


@given(ratio=st.floats(0.05, 1), seed=st.integers(0, 3), groups=st.lists(st.integers(0, 9), min_size=30, max_size=30))
def test_drawn_sets_hold_as_many_groups_as_they_can(ratio: float, seed: int, groups: list[int]) -> None:
    export = ResolvedExport(mode="sample", near_duplicates="last", min_per_class=0)
    chosen = choose_of(np.zeros(30, dtype=np.float32), ratio, export, seed=seed, groups=groups)

    assert len(chosen) == kept_count(ratio, 30)
    assert len({groups[position] for position in chosen}) == min(len(chosen), len(set(groups)))
