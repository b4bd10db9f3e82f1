from dataclasses import replace

import pytest

from rlsel.evaluation.comparison import Run, Summary, summarise
from rlsel.report.tables import summary_markdown, terminal_lines


def run(selector: str, ratio: float, seed: int, accuracy: float, *, kept: float | None = None) -> Run:
    return Run(
        selector=selector,
        ratio=ratio,
        seed=seed,
        model="small_cnn",
        accuracy=accuracy,
        top5=0.99,
        best_accuracy=accuracy,
        worst_class_accuracy=0.5,
        select_seconds=None if selector == "full" else 1.0,
        train_seconds=4.0,
        peak_rss_bytes=1000,
        num_train=100,
        steps=7,
        mislabelled_kept=kept,
        corrupted_kept=None,
        thresholded=None,
    )


RUNS = [
    run("full", 1.0, 0, 0.9), run("full", 1.0, 1, 0.8),
    run("random", 0.125, 0, 1 / 3), run("random", 0.125, 1, 0.4),
    run("el2n", 0.125, 0, 0.5), run("el2n", 0.125, 1, 0.6),
]  # fmt: skip


@pytest.fixture
def summaries() -> list[Summary]:
    return summarise(RUNS, {})


def test_the_report_says_how_the_numbers_came_about(summaries: list[Summary]) -> None:
    text = summary_markdown(summaries, title="On x", protocol=["first", "second"], missing=["d2 at 0.3: broken"])
    assert text.startswith("# On x\n\n## Protocol\n\n- first\n- second\n\n## Failed\n")
    assert "\n- d2 at 0.3: broken\n" in text
    # el2n is 50 and 60, random 33.33 and 40: the differences are 16.67 and 20, their standard error 1.67, and t at
    # 97.5 % with one degree of freedom is 12.7062: 18.33 ± 21.18
    assert "| 0.125 | el2n | 2 | 55.00 ± 5.00 | +18.33 [-2.84, +39.51] |" in text
    assert "| 1.00 | full | 2 | 85.00 ± 5.00 |  |  |  |" in text


def test_a_report_without_failures_has_no_such_part(summaries: list[Summary]) -> None:
    assert "Failed" not in summary_markdown(summaries, title="t", protocol=["p"], missing=[])


def test_columns_that_hold_nothing_are_left_out(summaries: list[Summary]) -> None:
    assert "| mislabelled kept |" not in summary_markdown(summaries, title="t", protocol=["p"], missing=[])
    noisy = summarise([run("random", 0.3, 0, 0.5, kept=0.25)], {})
    text = summary_markdown(noisy, title="t", protocol=["p"], missing=[])
    assert "| mislabelled kept |" in text
    assert "| 25.0 % |" in text
    assert "| to random |" not in text


def test_lines_for_a_terminal_are_aligned(summaries: list[Summary]) -> None:
    head, titles, *body, _ = terminal_lines(summaries)
    assert head == "small_cnn:"
    assert len(body) == 3
    column = titles.index("accuracy")
    assert [line[column : column + 12] for line in body] == ["85.00 ± 5.00", "55.00 ± 5.00", "36.67 ± 3.33"]


def test_one_or_two_seeds_want_more(summaries: list[Summary]) -> None:
    # Student's t at 97.5 %: 12.7062 with one degree of freedom, 2.7764 with four
    few = (
        "n interval of two seeds reaches 12.7 standard errors to each side, one of five 2.8: more seeds make it narrow"
    )
    assert terminal_lines(summaries)[-1] == f"note: a{few}, as in seeds=[0,1,2,3,4]"
    assert f"\n\nA{few}" in summary_markdown(summaries, title="t", protocol=["p"], missing=[])
    alone = summarise([one for one in RUNS if one.seed == 0], {})
    assert terminal_lines(alone)[-1] == "note: one seed gives no intervals: three or more do, as in seeds=[0,1,2]"
    enough = summarise([*RUNS, *(replace(one, seed=2) for one in RUNS if one.seed == 0)], {})
    assert not any(line.startswith("note") for line in terminal_lines(enough))


def test_no_runs_are_no_tables() -> None:
    assert terminal_lines([]) == []


@pytest.fixture
def measured_further() -> list[Run]:
    """Points of accuracy on further data: those of the test split, and a tenth of them."""
    return [replace(one, ood={"imagenet_a": one.accuracy, "contrast@3": one.accuracy / 10}) for one in RUNS]


def test_the_report_has_a_table_of_further_data_sets(measured_further: list[Run]) -> None:
    text = summary_markdown(summarise(measured_further, {}), title="t", protocol=["p"], missing=[])
    head, _, table = text.partition("## small_cnn, out of distribution\n\n")
    assert "| 0.125 | el2n | 2 | 55.00 ± 5.00 | +18.33 [-2.84, +39.51] |" in head
    lines = table.split("\n\n")[0].splitlines()
    assert lines[0] == "| measured on | ratio | selector | runs | accuracy | to random | to full |"
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == ["imagenet_a"] * 3 + ["contrast@3"] * 3
    assert (
        "| imagenet_a | 0.125 | el2n | 2 | 55.00 ± 5.00 | +18.33 [-2.84, +39.51] | -30.00 [-157.06, +97.06] |" in lines
    )
    assert "| contrast@3 | 1.00 | full | 2 | 8.50 ± 0.50 |  |  |" in lines
    assert "## small_cnn, out" not in summary_markdown(summarise(RUNS, {}), title="t", protocol=["p"], missing=[])
