"""`rlsel verify` as a whole: what it writes, and which mistakes are one line."""

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FIGURES = ["output", "loss", "gradient", "cosine", "full gradient", "cover", "influence", "group effect"]


@pytest.fixture
def run(rlsel: Callable[..., Any]) -> Path:
    small = ("dataset.train_size=120", "model.width=4", "training.epochs=2")
    folder: Path = rlsel("select", *small, "ratio=0.5", "run_dir=run").folder
    return folder


def numbers(content: Any) -> Iterator[float]:
    if isinstance(content, dict | list):
        for item in content.values() if isinstance(content, dict) else content:
            yield from numbers(item)
    elif not isinstance(content, str):
        yield content


def test_a_small_run_of_digits_is_measured(rlsel: Callable[..., Any], run: Path) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    result = rlsel("verify", "run=run", "pairs=200", "removals=6")
    assert (result.code, result.out) == (0, f"{run}\n")
    assert result.err.startswith("verified on 120 samples, loss measured on the test split\n")
    text = (run / "verify.json").read_text()
    content = json.loads(text)
    assert [content.pop(name) for name in ("epochs", "left_out", "subsets")] == [[], None, None]
    found = list(numbers(content))
    assert len(found) > 1000
    assert all(math.isfinite(number) for number in found)
    assert list(content["sentences"]) == FIGURES
    assert all(sentence in result.err for sentence in content["sentences"].values())
    assert (run / "verify.png").read_bytes().startswith(b"\x89PNG")
    after = {path.name: path.read_bytes() for path in run.iterdir()}
    assert after.keys() - before.keys() == {"verify.json", "verify.png"}
    assert before.items() <= after.items()
    assert rlsel("verify", "run=run", "pairs=200", "removals=6").code == 0
    assert (run / "verify.json").read_text() == text


def test_an_epoch_that_the_target_training_lacks_is_one_line(rlsel: Callable[..., Any], run: Path) -> None:
    result = rlsel("verify", "run=run", "epochs=[1,3]")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "epochs must be numbers from 1 to 2, which the target training has, got 3" in result.err
    assert not list(run.glob("verify.*"))


def rows_of(path: Path) -> dict[str, Any]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["name"]: row for row in rows[1:]}


@pytest.mark.thorough
def test_what_trains_is_kept_line_by_line(rlsel: Callable[..., Any], run: Path) -> None:
    arguments = ("run=run", "pairs=50", "removals=1", "left_out=2", "subsets=2")
    first = rlsel("verify", *arguments, "epochs=[2,1]")
    assert first.code == 0
    recorded = [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    (repeated,) = re.findall(r"target, again: epoch 2/2, .*loss ([\d.]+),", first.err)
    assert repeated == f"{recorded[-1]:.4g}", "the target training is the recorded one"
    content = json.loads((run / "verify.json").read_text())
    assert list(content["sentences"]) == [*FIGURES, "epochs", "left out", "subsets"]
    assert [found["epoch"] for found in content["epochs"]] == [1, 2]
    subsets = rows_of(run / "subsets.jsonl")
    assert content["subsets"]["losses"] == [row["loss"] for row in subsets.values()]
    assert content["subsets"]["accuracies"] == [row["accuracy"] for row in subsets.values()]
    losses = {name: row["loss"] for name, row in rows_of(run / "left_out.jsonl").items()}
    assert len(losses) == 2 * (1 + 2)
    expected = [
        sum(losses[f"round {number}, without group {group}"] - losses[f"round {number}, all"] for number in (1, 2)) / 2
        for group in (1, 2)
    ]
    assert content["left_out"]["exact"] == pytest.approx(expected)
    again = rlsel("verify", *arguments)
    assert "steps/s" not in again.err, "nothing is trained anew"
    after = json.loads((run / "verify.json").read_text())
    assert after["left_out"] == content["left_out"]
    assert after["subsets"] == content["subsets"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "run must be given: add run=VALUE"),
        (("run=none",), "run must be the folder of a finished run, got "),
        (("run=random",), "run must be the folder of a selection that stored its target model, got "),
        (("run=random", "pairs=0"), "pairs must be an integer of at least 1, got 0"),
        (("run=random", "removals=x"), "removals must be an integer of at least 1, got 'x'"),
        (("run=random", "seed=-1"), "seed must be an integer of at least 0, got -1"),
        (("run=random", "epochs=3"), "epochs must be a list, as in [a,b], got 3"),
        (("run=random", "epochs=[0]"), "epochs must be an integer of at least 1, got 0"),
        (("run=random", "left_out=-1"), "left_out must be an integer of at least 0, got -1"),
        (("run=random", "subsets=x"), "subsets must be an integer of at least 0, got 'x'"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    rlsel: Callable[..., Any], working_folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    rlsel("select", "selector=random", "ratio=0.5", "run_dir=random")
    result = rlsel("verify", *arguments)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err
    assert [path.name for path in working_folder.iterdir()] == ["random"]
    assert not list(working_folder.rglob("verify.*"))
