"""The page of a comparison, against numbers that are worked out by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report.parsed_page import Page

from rlsel.evaluation.comparison import Likeness, Run, summarise
from rlsel.report.comparison_page import comparison_page
from rlsel.report.page import comparison_html
from rlsel.runs.comparison_files import RecordedComparison

SETTINGS = {
    "dataset": {"_target_": "rlsel.data.digits.Digits"},
    "selectors": ["random", "el2n"],
    "variants": {"<i>own</i>": {}},
    "ratios": [0.25, 0.5],
    "seeds": [0, 1],
    "budget": "steps",
}


def run(selector: str, ratio: float, seed: int, accuracy: float, **ood: float) -> Run:
    return Run(
        selector=selector,
        ratio=ratio,
        seed=seed,
        model="small_cnn",
        accuracy=accuracy,
        top5=0.9,
        best_accuracy=accuracy,
        worst_class_accuracy=0.1,
        select_seconds=None if selector == "full" else 30.0,
        train_seconds=60.0,
        peak_rss_bytes=1,
        num_train=2,
        steps=3,
        mislabelled_kept=None,
        corrupted_kept=None,
        thresholded=None,
        ood=ood,
    )


def comparison(*runs: Run, settings: Any = SETTINGS) -> RecordedComparison:
    return RecordedComparison(
        folder=Path("/somewhere"), state="complete", settings=settings, runs=runs, summaries=tuple(summarise(runs, {}))
    )


RUNS = [
    run("full", 1.0, 0, 0.9), run("full", 1.0, 1, 0.8),
    run("random", 0.25, 0, 0.5), run("random", 0.25, 1, 0.52),
    run("random", 0.5, 0, 0.7), run("random", 0.5, 1, 0.7),
    run("el2n", 0.25, 0, 0.6), run("el2n", 0.25, 1, 0.62),
    run("el2n", 0.5, 0, 0.6),
]  # fmt: skip


def test_the_head_says_how_it_was_compared_and_what_is_missing() -> None:
    page = comparison_page(comparison(*RUNS))
    assert page.title == "2 selectors on digits"
    facts = {fact.name: (fact.value, fact.detail) for fact in page.facts}
    assert facts["Seeds"] == ("2", "intervals want at least three")
    assert facts["Trainings"] == ("9", "9 min 0 s in all")
    assert page.missing == (
        "el2n at 0.50, seed 1, small_cnn",
        *(f"<i>own</i> at {ratio}, seed {seed}, small_cnn" for ratio in ("0.25", "0.50") for seed in (0, 1)),
    )


def test_the_best_is_told_apart_or_not() -> None:
    sentences = comparison_page(comparison(*RUNS)).best
    assert sentences == (
        # both differences are 10 points, so that the interval is a point above zero
        "small_cnn at 0.25: el2n is best, +10.00 points to a random choice, whose interval lies above zero.",
        "small_cnn at 0.50: no selector is better than a random choice.",
    )


def test_lines_run_through_the_means_with_bands_of_one_error() -> None:
    (model,) = comparison_page(comparison(*RUNS)).models
    ratio, cost = model.charts
    lines = {line.name: line for line in ratio.lines}
    assert [line.style for line in ratio.lines] == ["random", "hue-1"]
    # means 61 % and 60 %
    assert lines["el2n"].marks == tuple((ratio.across.at(x), ratio.up.at(y)) for x, y in ((0.25, 61), (0.5, 60)))
    # standard error of 50 and 52 is 1: the band goes from 50 to 52 there
    assert lines["random"].band.startswith(f"M{ratio.across.at(0.25)} {ratio.up.at(50)}")
    assert ratio.full == ratio.up.at(85)
    assert {mark[0] for line in cost.lines for mark in line.marks} == {cost.across.at(90)}
    assert not any(line.band for line in cost.lines)


def test_many_selectors_differ_in_colour_or_dashes() -> None:
    runs = [run("full", 1.0, 0, 0.9)] + [run(f"method_{i:02}", 0.5, 0, 0.5) for i in range(15)]
    (model,) = comparison_page(comparison(*runs)).models
    assert len({line.style for line in model.charts[0].lines}) == 15


def test_the_page_is_whole_and_escapes_names() -> None:
    html = comparison_html(comparison_page(comparison(*RUNS)))
    page = Page(html)
    assert "i" not in [tag for tag, _ in page.tags]
    assert "<i>own</i> at 0.25, seed 0, small_cnn" in page.text
    assert "5 trainings are missing" in page.text
    assert "61.00 ± 1.00" in page.text
    assert "http" not in html.replace("http-equiv", "")
    assert list(page.scripts) == [""]


def test_further_data_sets_have_a_table() -> None:
    runs = [run("full", 1.0, 0, 0.9, noise=0.25), run("random", 0.5, 0, 0.7, noise=0.125)]
    text = Page(comparison_html(comparison_page(comparison(*runs)))).text
    assert "Further data sets" in text
    assert "noise 0.50 random 1 12.50" in text


@pytest.mark.parametrize("runs", [[], [run("full", 1.0, 0, 0.9)]], ids=["nothing", "full alone"])
def test_hardly_anything_done_is_a_page_of_what_is_missing(runs: list[Run]) -> None:
    page = comparison_page(comparison(*runs))
    assert not any(model.charts for model in page.models)
    # full, and three methods at two ratios, with two seeds each
    assert f"{14 - len(runs)} trainings are missing" in Page(comparison_html(page)).text


def test_selectors_that_choose_alike_stand_beside_each_other() -> None:
    shares = {("a", "b"): 0.2, ("a", "c"): 0.9, ("a", "d"): 0.15, ("b", "c"): 0.25, ("b", "d"): 0.8, ("c", "d"): 0.1}
    found = [
        Likeness(ratio=0.5, selector=first, other=second, jaccard=share, n=2)
        for (first, second), share in shares.items()
    ]
    lone = Likeness(ratio=0.25, selector="a", other="<b>", jaccard=1.0, n=1)
    page = comparison_page(replace(comparison(*RUNS), likenesses=(*found, lone)))
    small, half = page.likenesses
    assert (small.ratio, small.names, small.rows) == ("0.25", ("<b>", "a"), ((1.0, 1.0), (1.0, 1.0)))
    # of N samples, two random halves share N / 4, and either keeps 3 N / 4
    assert half.chance == pytest.approx(1 / 3)
    assert {frozenset(half.names[:2]), frozenset(half.names[2:])} == {frozenset("ac"), frozenset("bd")}
    for name, row in zip(half.names, half.rows, strict=True):
        for other, share in zip(half.names, row, strict=True):
            assert share == (1.0 if name == other else shares[min(name, other), max(name, other)])
    text = Page(comparison_html(page)).text
    assert "Ratio 0.50; two random choices share 33.3" in text
    assert "Ratio 0.25" in text


def test_what_no_seed_has_of_both_is_left_open() -> None:
    found = [
        Likeness(ratio=0.5, selector="a", other="b", jaccard=0.5, n=1),
        Likeness(ratio=0.5, selector="b", other="c", jaccard=0.25, n=1),
    ]
    (shown,) = comparison_page(replace(comparison(*RUNS), likenesses=tuple(found))).likenesses
    assert shown.rows[shown.names.index("a")][shown.names.index("c")] is None
    assert "Overlap" not in Page(comparison_html(comparison_page(comparison(*RUNS)))).text


def test_other_comparisons_stand_beside_this_one() -> None:
    elsewhere = comparison(
        run("full", 1.0, 0, 0.9),
        run("random", 0.25, 0, 0.5), run("ccs", 0.25, 0, 0.4),
        run("random", 0.25, 1, 0.5), run("ccs", 0.25, 1, 0.4),
    )  # fmt: skip
    page = comparison_page(comparison(*RUNS), {"elsewhere": elsewhere})
    assert page.regimes is not None
    assert page.regimes.methods == ("el2n", "ccs")
    assert [(row.name, row.own) for row in page.regimes.rows] == [
        ("somewhere, 0.25", True),
        ("somewhere, 0.50", True),
        ("elsewhere", False),
    ]
    (gain, none), (lone, _), (_, loss) = (row.effects for row in page.regimes.rows)
    # both seeds gain 10 points at 0.25; the one seed at 0.5 loses 10 and has no interval; both seeds lose 10
    assert none is None
    assert (gain.mean, gain.low, gain.told) == (pytest.approx(10), pytest.approx(10), True)
    assert (lone.mean, lone.low, lone.high, lone.told) == (pytest.approx(-10),) * 3 + (False,)
    assert (loss.mean, loss.told) == (pytest.approx(-10), True)
    scale = page.regimes.scale
    assert scale.low <= -10
    assert scale.high >= 10
    assert scale.at(0) == 66.0
    text = Page(comparison_html(page)).text
    assert "From -10 to +10 points." in text
    assert "elsewhere – -10.0" in text
    assert comparison_page(comparison(*RUNS)).regimes is None
    assert comparison_page(comparison(RUNS[0]), {"elsewhere": comparison(RUNS[0])}).regimes is None
