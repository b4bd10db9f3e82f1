"""The main job on real images: select, adapt to another ratio, train on what was selected."""

import csv
import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlsel.coreset import Coreset
from rlsel.data.fashion_mnist import DEBIAN_FOLDER

pytestmark = pytest.mark.skipif(
    not DEBIAN_FOLDER.is_dir(), reason="needs Fashion-MNIST: apt-get install dataset-fashion-mnist"
)

DATA = ("dataset=fashion_mnist", "dataset.train_size=300", "dataset.test_size=200")
SHORT = ("training.epochs=2", "device=cpu")


@pytest.fixture
def run(rlsel: Callable[..., Any]) -> Callable[..., Path]:
    """Calls the program in an empty folder and returns the folder that its last line names."""

    def call(*arguments: str) -> Path:
        folder: Path = rlsel(*arguments).folder
        assert folder.is_absolute()
        assert json.loads((folder / "status.json").read_text())["state"] == "complete"
        return folder

    return call


def check_coreset(folder: Path, *, ratio: float) -> None:
    """Checks all that the files of a coreset promise."""
    kept = math.floor(ratio * 300 + 0.5)
    indices, scores = (np.load(folder / name, allow_pickle=False) for name in ("indices.npy", "scores.npy"))
    assert (indices.dtype, indices.shape) == (np.int64, (kept,))
    assert (np.diff(indices) > 0).all()
    assert 0 <= indices[0] <= indices[-1] < 60_000
    # in the order of the public training split, of which 300 are candidates
    assert (scores.dtype, scores.shape) == (np.float32, (60_000,))
    assert np.isfinite(scores).sum() == 300
    assert np.isfinite(scores[indices]).all()
    record = json.loads((folder / "coreset.json").read_text())
    assert record["dataset"]["name"] == "fashion_mnist"
    assert record["num_selected"] == sum(record["class_counts"]) == kept
    assert abs(record["ratio"]["thresholded"] - ratio) <= 0.01
    with (folder / "selected.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows if row["selected"] == "1"] == indices.tolist()
    assert len(rows) == 60_000
    # the labels as they lie in the public file: eight bytes of header, then one for each image
    public = gzip.decompress((DEBIAN_FOLDER / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
    assert [int(row["label"]) for row in rows] == list(public)
    assert sum(row["score"] != "" for row in rows) == 300


def test_select_adapt_and_train(run: Callable[..., Path], tmp_path: Path) -> None:
    selected = run("select", *DATA, *SHORT, "ratio=0.7")
    assert selected.parent == tmp_path / "outputs/select/fashion_mnist/rl_selector"
    check_coreset(selected, ratio=0.7)
    assert [json.loads(row)["epoch"] for row in (selected / "metrics.jsonl").read_text().splitlines()] == [1, 2]

    adapted = run("finetune-ratio", f"run={selected}", "ratio=0.4", "device=cpu")
    assert adapted.parent == tmp_path / "outputs/finetune-ratio/fashion_mnist/rl_selector"
    check_coreset(adapted, ratio=0.4)
    assert Coreset.load(adapted).provenance.parent == str(selected)

    # the data set is that of the run, its sizes included
    longer = ("training.epochs=10", "training.batch_size=32", "device=cpu")
    trained = run("train-on-subset", f"coreset={adapted}", *longer)
    assert trained.parent == tmp_path / "outputs/train-on-subset/fashion_mnist/small_cnn/rl_selector"
    result = json.loads((trained / "result.json").read_text())
    assert (result["num_train"], result["epochs"], result["steps"]) == (120, 10, 40)
    assert result["indices_sha256"] == Coreset.load(adapted).indices_sha256
    assert (trained / "indices.npy").read_bytes() == (adapted / "indices.npy").read_bytes()
    # 0.57 when this was written; chance is 0.1
    assert 0.3 < result["top1_last"] <= result["top5_last"] <= 1

    coreset_files = {path: path.read_bytes() for path in selected.iterdir()}
    assert run("select", *DATA, *SHORT, "ratio=0.7") == selected
    assert {path: path.read_bytes() for path in selected.iterdir()} == coreset_files, "nothing is done twice"
