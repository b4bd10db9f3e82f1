from dataclasses import replace

import pytest

from rlsel.evaluation.comparison import Run, Summary, summarise

RUN = Run(
    selector="full",
    ratio=1.0,
    seed=0,
    model="small_cnn",
    accuracy=0.8,
    top5=0.9,
    best_accuracy=0.85,
    worst_class_accuracy=0.5,
    select_seconds=None,
    train_seconds=10.0,
    peak_rss_bytes=1,
    num_train=100,
    steps=7,
    mislabelled_kept=None,
    corrupted_kept=None,
    thresholded=None,
)


def runs_of(selector: str, ratio: float, accuracies: list[float], *, select_seconds: float | None = 2.0) -> list[Run]:
    return [
        replace(RUN, selector=selector, ratio=ratio, seed=seed, accuracy=accuracy, select_seconds=select_seconds)
        for seed, accuracy in enumerate(accuracies)
    ]


RUNS = [
    *runs_of("full", 1.0, [0.9, 0.8], select_seconds=None),
    *runs_of("random", 0.5, [0.6, 0.4]),
    *runs_of("el2n", 0.5, [0.7, 0.5], select_seconds=15.0),
    *runs_of("random", 0.3, [0.5, 0.5]),
    *runs_of("el2n", 0.3, [0.2, 0.4], select_seconds=15.0),
]


def row(summaries: list[Summary], selector: str, ratio: float) -> Summary:
    (found,) = [one for one in summaries if (one.selector, one.ratio) == (selector, ratio)]
    return found


def test_rows_stand_by_ratio_and_rank_with_full_first() -> None:
    summaries = summarise(RUNS, {})
    assert [(one.ratio, one.selector, one.rank) for one in summaries] == [
        (1.0, "full", None),
        (0.3, "random", 1),
        (0.3, "el2n", 2),
        (0.5, "el2n", 1),
        (0.5, "random", 2),
    ]


def test_differences_are_paired_by_seed() -> None:
    el2n = row(summarise(RUNS, {}), "el2n", 0.5)
    assert el2n.accuracy.mean == pytest.approx(0.6)
    # +0.1 and +0.1 to random, -0.2 and -0.3 to full
    assert el2n.to_random is not None
    assert el2n.to_full is not None
    assert el2n.to_random.mean == pytest.approx(0.1)
    assert (el2n.to_random.low, el2n.to_random.high) == pytest.approx((0.1, 0.1))
    assert el2n.to_full.mean == pytest.approx(-0.25)
    # t at 97.5 % with one degree of freedom is 12.7062, the standard error 0.05
    assert el2n.to_full.low == pytest.approx(-0.25 - 12.7062 * 0.05, abs=1e-5)


def test_full_and_random_are_not_compared_with_themselves() -> None:
    summaries = summarise(RUNS, {})
    full, random = row(summaries, "full", 1.0), row(summaries, "random", 0.5)
    assert (full.to_full, full.to_random, full.overlap, full.cost_share) == (None, None, None, None)
    assert random.to_random is None
    assert random.to_full is not None


def test_the_cost_is_a_share_of_a_full_training() -> None:
    assert row(summarise(RUNS, {}), "el2n", 0.5).cost_share == pytest.approx(1.5)
    without_full = [run for run in RUNS if run.selector != "full"]
    el2n = row(summarise(without_full, {}), "el2n", 0.5)
    assert (el2n.cost_share, el2n.to_full, el2n.select_seconds) == (None, None, 15.0)


def test_the_overlap_is_that_of_the_selector_and_the_ratio() -> None:
    summaries = summarise(RUNS, {("el2n", 0.5): 0.75, ("el2n", 0.3): None})
    assert [row(summaries, "el2n", ratio).overlap for ratio in (0.3, 0.5)] == [None, 0.75]


def test_one_seed_has_no_intervals_and_missing_seeds_are_left_out_of_the_pairs() -> None:
    el2n = row(summarise([run for run in RUNS if run.seed == 0], {}), "el2n", 0.5)
    assert el2n.to_random is not None
    assert (el2n.accuracy.standard_error, el2n.to_random.low) == (None, None)
    lost = [run for run in RUNS if (run.selector, run.seed) != ("random", 1)]
    el2n = row(summarise(lost, {}), "el2n", 0.5)
    assert el2n.to_random is not None
    assert (el2n.accuracy.n, el2n.to_random.n) == (2, 1)


def test_models_are_summarised_apart_in_their_order() -> None:
    others = [replace(run, model="vit", accuracy=run.accuracy / 2) for run in RUNS]
    summaries = summarise([*others, *RUNS], {})
    assert list(dict.fromkeys(one.model for one in summaries)) == ["vit", "small_cnn"]
    assert len(summaries) == 10
    assert summaries[0].accuracy.mean == pytest.approx(0.425)


def test_shares_are_means_of_what_is_known() -> None:
    noisy = [replace(run, mislabelled_kept=0.5 + 0.1 * run.seed) for run in RUNS]
    assert row(summarise(noisy, {}), "el2n", 0.5).mislabelled_kept == pytest.approx(0.55)
    assert row(summarise(noisy, {}), "el2n", 0.5).corrupted_kept is None


def test_nothing_gives_nothing() -> None:
    assert summarise([], {}) == []


def test_further_data_sets_are_compared_like_the_test_split() -> None:
    # accuracies as above for the one, and the opposite for the other
    runs = [replace(run, ood={"same": run.accuracy, "flipped": 1 - run.accuracy}) for run in RUNS]
    summaries = summarise(runs, {})
    for one in summaries:
        assert list(one.ood) == ["same", "flipped"]
        same = one.ood["same"]
        assert (same.accuracy, same.to_random, same.to_full) == (one.accuracy, one.to_random, one.to_full)
    flipped = row(summaries, "el2n", 0.5).ood["flipped"]
    assert flipped.accuracy.mean == pytest.approx(0.4)
    # -0.1 and -0.1 to random, +0.2 and +0.3 to full
    assert flipped.to_random is not None
    assert flipped.to_full is not None
    assert flipped.to_random.mean == pytest.approx(-0.1)
    assert flipped.to_full.low == pytest.approx(0.25 - 12.7062 * 0.05, abs=1e-5)
    full = row(summaries, "full", 1.0).ood["same"]
    assert (full.to_random, full.to_full) == (None, None)


def test_time_is_saved_where_the_accuracy_is_kept() -> None:
    quick = [replace(one, train_seconds=4.0) for one in runs_of("el2n", 0.5, [0.9, 0.8], select_seconds=1.0)]
    worse = [replace(one, train_seconds=4.0) for one in runs_of("grand", 0.5, [0.9, 0.7], select_seconds=1.0)]
    slow = runs_of("moso", 0.5, [0.95, 0.85], select_seconds=5.0)
    summaries = summarise([*RUNS[:2], *quick, *worse, *slow], {})
    # 10 s against 1 + 4; 6 s are saved each time, which pay the 1 s of the selection
    assert (row(summaries, "el2n", 0.5).net_multiplier, row(summaries, "el2n", 0.5).paid_after) == (2.0, 1)
    assert (row(summaries, "grand", 0.5).net_multiplier, row(summaries, "grand", 0.5).paid_after) == (None, None)
    assert row(summaries, "moso", 0.5).net_multiplier == pytest.approx(10 / 15)
    assert row(summaries, "moso", 0.5).paid_after is None, "it saves nothing"
    assert (row(summaries, "full", 1.0).net_multiplier, row(summaries, "full", 1.0).paid_after) == (None, None)
