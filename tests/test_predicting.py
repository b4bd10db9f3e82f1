"""`ratio=auto`: the ratio that is found, and what is recorded of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rlsel
from rlsel import predicting
from rlsel.commands.requests import SelectRequest
from rlsel.commands.select import select
from rlsel.data.digits import Digits
from rlsel.data.variation import Variation
from rlsel.errors import ConfigurationError
from rlsel.export import ExportSettings
from rlsel.models.small_cnn import SmallCNN
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.el2n import EL2N
from rlsel.selectors.held_out import Measured
from rlsel.selectors.random import Random
from rlsel.training.reporting import SilentReporter
from rlsel.training.settings import TrainingSettings

SETTINGS = RunSettings(
    dataset=Digits(),
    variation=Variation(train_size=500),
    model=SmallCNN(width=2),
    training=TrainingSettings(steps=4, batch_size=32),
)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Stands in for the trainings: a model is wrong on a share of what is measured that depends on its samples."""
    tried: list[tuple[int, int]] = []

    def try_on(self: Any, places: torch.Tensor, *, steps: int, number: int, title: str) -> Measured:
        assert not set(places.tolist()) & set(self.measured.tolist())
        tried.append((len(places), number))
        share = len(places) / len(self.train)
        wrong = round(100 * 0.04 * np.log(share) ** 2)  # of 100 measured: 4 log² r points are lost
        right = torch.ones(len(self.measured), dtype=torch.float64)
        right[:wrong] = 0
        return Measured(losses=1 - right, right=right)

    monkeypatch.setattr(predicting.HeldOut, "try_on", try_on)
    return tried


def run(folder: Path, reporter: Any = None, tolerance: float = 3.0, **given: Any) -> rlsel.Coreset:
    request = SelectRequest(
        settings=SETTINGS,
        selectors=(Random(),),
        ratios=(),
        tolerance=tolerance,
        options=RunOptions(run_dir=folder),
    )
    return rlsel.Coreset.load(select(replace(request, **given), reporter or SilentReporter()))


def test_the_smallest_ratio_that_costs_little_enough_is_taken(known: list[tuple[int, int]], tmp_path: Path) -> None:
    coreset = run(tmp_path / "run")
    prediction = coreset.provenance.prediction
    assert prediction is not None
    assert [one.ratio for one in prediction.measured] == [0.1, 0.3, 0.5, 0.7, 0.9]
    sizes = [size for size, number in known if number == 0]
    lost = [round(4 * np.log(size / sizes[0]) ** 2) for size in sizes[1:]]
    assert [round(one.points) for one in prediction.measured] == lost
    assert lost[0] > lost[1] > lost[2] > lost[3] >= 0
    assert [number for _, number in known] == [0] * 6 + [1] * 6
    high = {one.ratio: one.high for one in prediction.curve}
    chosen = coreset.provenance.ratio.requested
    assert high[chosen] <= 3.0 < high[round(chosen - 0.1, 1)]
    # 4 log² r is 3 at 0.42; the band asks for more
    assert 0.42 < chosen < 0.9
    stricter = run(tmp_path / "stricter", tolerance=0.001).provenance.ratio.requested
    assert stricter == 1.0, "no part of the data is good enough"


def test_it_is_the_coreset_of_that_ratio(known: list[tuple[int, int]], tmp_path: Path) -> None:
    coreset = run(tmp_path / "run", selectors=(EL2N(num_models=1),))
    ratio = coreset.provenance.ratio.requested
    given = SelectRequest(
        settings=SETTINGS,
        selectors=(EL2N(num_models=1),),
        ratios=(ratio,),
        options=RunOptions(run_dir=tmp_path / "given"),
    )
    folder = select(given, SilentReporter())
    for name in ("indices.npy", "scores.npy", "metrics.jsonl"):
        if name == "metrics.jsonl":
            own, other = (
                [json.loads(line)["loss"] for line in (path / name).read_text().splitlines()]
                for path in (tmp_path / "run", folder)
            )
            assert own == other
        else:
            assert (folder / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_the_same_line_again_computes_nothing(known: list[tuple[int, int]], tmp_path: Path, reporter: Any) -> None:
    run(tmp_path / "run")
    known.clear()
    run(tmp_path / "run")
    assert known == []
    run(tmp_path / "run", tolerance=5.0)
    assert len(known) == 12


def test_python_finds_the_same(known: list[tuple[int, int]], tmp_path: Path) -> None:
    images, labels = np.random.default_rng(0).random((400, 8, 8)).astype(np.float32), np.arange(400) % 4
    coreset = rlsel.select((images, labels), "auto", tolerance=4.0, selector="random")
    prediction = coreset.provenance.prediction
    assert prediction is not None
    assert prediction.tolerance == 4.0
    coreset.save(tmp_path / "saved")
    assert rlsel.Coreset.load(tmp_path / "saved").provenance.prediction == prediction


def test_real_trainings_measure_it(tmp_path: Path, reporter: Any) -> None:
    coreset = run(tmp_path / "run", reporter, tolerance=100.0)
    assert coreset.provenance.ratio.requested == 0.1
    assert any("predicted loss of small_cnn" in note for note in reporter.notes)


def test_too_few_samples_are_refused(tmp_path: Path) -> None:
    few = replace(SETTINGS, variation=Variation(train_size=100))
    with pytest.raises(ConfigurationError, match="ratio must be a number for so few samples, got 'auto'"):
        run(tmp_path / "run", settings=few)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tolerance": -1.0}, "tolerance must be"),
        ({"ratios": (0.5,)}, "tolerance must be null beside a ratio"),
        ({"selectors": (Random(), EL2N())}, "selectors must be one method with ratio=auto, got 2"),
        ({"export": ExportSettings(mode="threshold")}, "export.mode"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        run(tmp_path / "run", **given)


def test_only_select_finds_a_ratio() -> None:
    with pytest.raises(ConfigurationError, match="only select finds one itself"):
        rlsel.apply("nowhere", np.zeros((4, 8, 8), dtype=np.float32), ratio="auto")
