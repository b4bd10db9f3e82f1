import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rlsel.errors import CoresetError
from rlsel.evaluation.robustness import FurtherAccuracy
from rlsel.evaluation.subset_training import SubsetResult
from rlsel.runs.compared_training import ComparedTraining, read_compared_training, write_compared_training

RESULT = SubsetResult(
    top1_last=0.75,
    top1_best=1.0,
    top5_last=0.875,
    worst_class_last=0.5,
    num_train=100,
    epochs=2,
    steps=14,
    seconds=1.5,
    images_per_second=300.0,
    model="small_cnn",
    seed=1,
    indices_sha256="00",
    ood={"contrast@3": FurtherAccuracy(top1=0.25, top5=0.5)},
)


def write(folder: Path) -> dict[str, Any]:
    write_compared_training(folder, RESULT, mislabelled_kept=0.5, corrupted_kept=None, peak_rss_bytes=1000)
    return json.loads((folder / "result.json").read_text())


def test_the_file_says_what_the_model_is_worth_and_what_was_kept(tmp_path: Path) -> None:
    content = write(tmp_path)
    assert content["ood"] == {"contrast@3": {"top1": 0.25, "top5": 0.5}}
    assert list(content)[-3:] == ["mislabelled_kept", "corrupted_kept", "peak_rss_bytes"]
    assert (content["model"], content["top1_last"], content["mislabelled_kept"]) == ("small_cnn", 0.75, 0.5)


def test_what_a_comparison_takes_is_read_back(tmp_path: Path) -> None:
    write(tmp_path)
    assert read_compared_training(tmp_path) == ComparedTraining(
        top1_last=0.75,
        top1_best=1.0,
        top5_last=0.875,
        worst_class_last=0.5,
        num_train=100,
        steps=14,
        seconds=1.5,
        mislabelled_kept=0.5,
        corrupted_kept=None,
        peak_rss_bytes=1000,
        ood={"contrast@3": FurtherAccuracy(top1=0.25, top5=0.5)},
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": ...}, "steps is missing"),
        ({"top1_last": None}, "top1_last must be a number, got 'null'"),
        ({"seconds": "1"}, "seconds must be a number, got '1'"),
        ({"seconds": float("nan")}, "NaN is no number of JSON"),
        ({"ood": {"contrast@3": {"top1": "a"}}}, "ood.contrast@3.top1 must be a number"),
        ({"ood": 3}, "ood must be a group of settings"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, change: Mapping[str, Any], message: str) -> None:
    content = {name: value for name, value in {**write(tmp_path), **change}.items() if value is not ...}
    (tmp_path / "result.json").write_text(json.dumps(content))
    with pytest.raises(CoresetError, match=rf"^cannot read .+/result\.json: .*{message}.*: make the run again$"):
        read_compared_training(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"), [("[]", "the result must be"), ("{", "Expecting"), (None, "No such file")]
)
def test_what_is_no_result_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "result.json").write_text(text)
    with pytest.raises(CoresetError, match=message):
        read_compared_training(tmp_path)
