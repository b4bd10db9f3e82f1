import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from rlsel.errors import CoresetError
from rlsel.evaluation.comparison import Likeness, Run, Summary, summarise
from rlsel.runs.comparison_files import read_comparison, runs_csv, summary_csv, write_comparison


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


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def measured_further() -> list[Run]:
    """Points of accuracy on further data: those of the test split, and a tenth of them."""
    return [replace(one, ood={"imagenet_a": one.accuracy, "contrast@3": one.accuracy / 10}) for one in RUNS]


def test_runs_keep_their_precision_and_leave_blank_what_they_lack() -> None:
    text = runs_csv(RUNS)
    assert text.startswith("selector,ratio,seed,model,accuracy,top5,best_accuracy,worst_class_accuracy,select_seconds,")
    rows = rows_of(text)
    assert len(rows) == 6
    assert float(rows[2]["accuracy"]) == 1 / 3
    assert (rows[0]["select_seconds"], rows[0]["mislabelled_kept"], rows[0]["thresholded"]) == ("", "", "")


def test_a_summary_has_intervals_where_there_are_two_seeds() -> None:
    rows = {row["selector"]: row for row in rows_of(summary_csv(summarise(RUNS, {("el2n", 0.125): 0.25})))}
    el2n = rows["el2n"]
    assert (el2n["n"], el2n["rank"], el2n["overlap"], el2n["cost_share"]) == ("2", "1", "0.25", "0.25")
    assert float(el2n["to_random_low"]) < float(el2n["to_random"]) < float(el2n["to_random_high"])
    assert rows["random"]["to_random"] == rows["full"]["to_full"] == ""
    alone = rows_of(summary_csv(summarise([one for one in RUNS if one.seed == 0], {})))
    assert {row["to_random_low"] + row["to_full_high"] + row["accuracy_se"] for row in alone} == {""}
    assert alone[1]["to_random"] != ""


def test_a_run_has_a_column_for_each_further_data_set(measured_further: list[Run]) -> None:
    text = runs_csv(measured_further)
    assert text.splitlines()[0].endswith(",thresholded,ood_imagenet_a,ood_contrast@3")
    assert float(rows_of(text)[2]["ood_imagenet_a"]) == 1 / 3
    assert "ood" not in runs_csv(RUNS)
    mixed = rows_of(runs_csv([RUNS[0], *measured_further[1:]]))
    assert (mixed[0]["ood_contrast@3"], float(mixed[1]["ood_contrast@3"])) == ("", 0.08)


def test_a_summary_has_intervals_for_each_further_data_set(measured_further: list[Run]) -> None:
    rows = {row["selector"]: row for row in rows_of(summary_csv(summarise(measured_further, {})))}
    el2n = rows["el2n"]
    for end in ("", "_se", "_to_random", "_to_random_low", "_to_random_high", "_to_full", "_to_full_low"):
        plain = el2n[f"accuracy{end}"] if end in ("", "_se") else el2n[end.removeprefix("_")]
        assert float(el2n[f"ood_imagenet_a{end}"]) == pytest.approx(float(plain))
        assert float(el2n[f"ood_contrast@3{end}"]) == pytest.approx(float(plain) / 10)
    assert (el2n["ood_contrast@3_to_full_n"], rows["full"]["ood_contrast@3_to_full"]) == ("2", "")
    assert "ood" not in summary_csv(summarise(RUNS, {}))


def test_no_runs_are_a_head_alone() -> None:
    assert runs_csv([]).count("\n") == 1
    assert summary_csv([]).count("\n") == 1


# reading

LIKENESS = Likeness(ratio=0.125, selector="007", other="el2n", jaccard=0.1, n=2)


def recorded(folder: Path, runs: Sequence[Run], summaries: Sequence[Summary], state: str = "complete") -> Path:
    """Writes the folder of a comparison."""
    (folder / "config.yaml").write_text(yaml.safe_dump({"command": "compare", "ratios": [0.125], "seeds": [0, 1]}))
    (folder / "status.json").write_text(json.dumps({"state": state, "error": None, "settings_hash": "0"}))
    write_comparison(
        folder,
        runs=runs,
        summaries=summaries,
        likenesses=[LIKENESS],
        page="# t\n",
        latex="% t\n",
        pictures={"png": b"p", "svg": b"s"},
    )
    return folder


def test_what_was_written_is_read_back(tmp_path: Path, measured_further: list[Run]) -> None:
    runs = [replace(one, mislabelled_kept=0.25, thresholded=0.3, steps=8) for one in measured_further]
    summaries = summarise(runs, {("el2n", 0.125): 0.25})
    found = read_comparison(recorded(tmp_path, runs, summaries, "failed"))
    assert (list(found.runs), list(found.summaries)) == (runs, summaries)
    assert (found.folder, found.state) == (tmp_path, "failed")
    assert found.likenesses == (LIKENESS,)
    assert found.settings == {"ratios": [0.125], "seeds": [0, 1]}
    assert (tmp_path / "summary.md").read_text() == "# t\n"
    assert (tmp_path / "summary.tex").read_text() == "% t\n"
    assert (tmp_path / "comparison.png").read_bytes() == b"p"
    assert (tmp_path / "comparison.svg").read_bytes() == b"s"


def test_what_a_run_lacks_is_lacking_when_it_is_read(tmp_path: Path, measured_further: list[Run]) -> None:
    runs = [replace(RUNS[0], selector="007"), measured_further[0]]  # a row may be named like a number
    summaries = summarise([one for one in RUNS if one.seed == 0], {})
    found = read_comparison(recorded(tmp_path, runs, summaries))
    assert list(found.runs) == runs
    assert list(found.summaries) == summaries
    assert read_comparison(recorded(tmp_path, [], [])).runs == ()


def test_a_summary_of_before_is_read(tmp_path: Path, measured_further: list[Run]) -> None:
    summaries = summarise(measured_further, {})
    recorded(tmp_path, measured_further, summaries)
    (tmp_path / "SHA256SUMS").unlink()  # that is younger still
    rows = rows_of((tmp_path / "summary.csv").read_text())
    with (tmp_path / "summary.csv").open("w", newline="") as file:
        names = [name for name in rows[0] if name not in ("net_multiplier", "paid_after")]
        writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "likeness.csv").unlink()
    expected = [replace(one, net_multiplier=None, paid_after=None) for one in summaries]
    found = read_comparison(tmp_path)
    assert (list(found.summaries), found.likenesses) == (expected, ())


def replaced(name: str, old: str, new: str) -> Callable[[Path], object]:
    def act(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return act


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "runs.csv").unlink(), r"runs\.csv: No such file"),
        (lambda folder: (folder / "summary.csv").write_bytes(b""), r"summary\.csv: it is no table"),
        (lambda folder: (folder / "summary.csv").write_bytes(b"\xff"), r"summary\.csv: it is no table"),
        (replaced("runs.csv", "ratio", "share"), r"runs\.csv: its columns must be .+ got 'share' in place of 'ratio'"),
        (replaced("summary.csv", ",corrupted_kept", ""), "got None in place of 'corrupted_kept'"),
        (replaced("runs.csv", "full,1.0,0,", "full,1.0,"), r"runs\.csv: line 2 must have 16 fields, got 15"),
        (replaced("runs.csv", "full,1.0,0,", "full,x,0,"), "line 2: a number must stand where 'x' does"),
        (replaced("runs.csv", "full,1.0,0,", "full,nan,0,"), "line 2: a number must stand where 'nan' does"),
        (replaced("runs.csv", "full,1.0,0,", "full,,0,"), "line 2.ratio must be a number, got 'null'"),
        (replaced("runs.csv", "full,1.0,0,", "full,1.0,0.5,"), "line 2.seed must be an integer, got 0.5"),
        (replaced("summary.csv", "full,1.0,2,", "full,1.0,,"), "line 2.accuracy.n must be an integer, got 'null'"),
        (
            replaced("config.yaml", "compare", "select"),
            "run must be the folder of a comparison, .+ made by rlsel select",
        ),
        (lambda folder: (folder / "status.json").unlink(), r"status\.json: No such file"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    folder = recorded(tmp_path, RUNS, summarise(RUNS, {}))
    (folder / "SHA256SUMS").unlink()  # as of an earlier version, which the other checks remain for
    damage(folder)
    with pytest.raises(CoresetError, match=message) as caught:
        read_comparison(folder)
    assert "\n" not in str(caught.value)
