import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlsel import estimating
from rlsel.errors import ConfigurationError
from rlsel.estimating import Estimate, Pace, Sizes, estimate_selection, estimated_bytes, estimated_seconds
from rlsel.export import ExportSettings, resolve
from rlsel.planted import planted_task
from rlsel.selection import Wanted, select_from
from rlsel.selectors.base import SelectionTask
from rlsel.selectors.random import Random
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.settings import TrainingSettings

SIZES = Sizes(
    samples=10_000,
    learned_on=2000,
    classes=(1000, 600, 400),
    dimensions=50,
    epochs=30,
    batch_size=100,
    measurements=11,
    settle_passes=3,
)


def test_the_time_by_hand() -> None:
    # 30 epochs of 20 steps: 600 x (2 ms + a third of 3 ms) = 1.8 s; 11 x (1000² + 600² + 400²) pairs x (1.2 ns + 50 x
    # 0.02 ns) = 0.0368 s; 3 passes of 20 rollouts x 3 ms = 0.18 s; 100 batches forward x 2/3 ms = 0.0667 s
    found = estimated_seconds(SIZES, Pace(plain_step=0.002, acting_step=0.005))
    assert found == pytest.approx(1.8 + 0.036784 + 0.18 + 0.066667, rel=1e-4)
    assert SIZES.steps == 600
    assert SIZES.pairs == 11 * 1_520_000


def test_the_memory_by_hand() -> None:
    # 2000 x (6 rows of 30 epochs in float32 and 3 classes in half precision) + 2000 x 4 x (150 + 3 + 80) + 10,000 x 250
    assert estimated_bytes(SIZES, 1_000_000) == 1_000_000 + 2000 * (720 + 6) + 8000 * 233 + 2_500_000


def test_what_is_judged_beyond_the_part_costs_memory_for_each_sample_alone() -> None:
    more = replace(SIZES, samples=10**6)
    assert estimated_bytes(more, 0) - estimated_bytes(SIZES, 0) == 250 * 990_000


@pytest.fixture
def task() -> SelectionTask:
    return replace(planted_task(), training=TrainingSettings(epochs=5, batch_size=16))


def wanted(selector: RLSelector | Random) -> list[Wanted]:
    return [Wanted(selector=selector, ratio=0.5, export=resolve(ExportSettings(), selector.export))]


def test_short_runs_and_those_without_a_training_are_not_calibrated(
    task: SelectionTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimating, "_calibrate", lambda *given: pytest.fail("calibrated"))
    assert estimate_selection(task, wanted(RLSelector(ratio=0.5))) is None
    monkeypatch.setattr(estimating, "_SHORT_STEPS", 1)
    assert estimate_selection(task, wanted(Random())) is None


def test_an_estimate_changes_no_score_and_is_kept(
    task: SelectionTask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [before] = select_from(task, wanted(RLSelector(ratio=0.5)))
    monkeypatch.setattr(estimating, "_SHORT_STEPS", 1)
    estimate = estimate_selection(task, wanted(RLSelector(ratio=0.5)))
    assert estimate is not None
    assert 0 < estimate.seconds < 120
    [after] = select_from(task, wanted(RLSelector(ratio=0.5)))
    assert torch.equal(before.scores.values, after.scores.values)
    estimate.save(tmp_path)
    assert json.loads((tmp_path / "estimate.json").read_text()) == {
        "seconds": estimate.seconds,
        "peak_rss_bytes": estimate.peak_rss_bytes,
    }


def test_it_says_what_it_takes_in_words() -> None:
    assert str(Estimate(seconds=100.4, peak_rss_bytes=2_340_000_000)) == "about 100 s and 2.3 GB of memory"
    assert str(Estimate(seconds=600, peak_rss_bytes=900_000_000)) == "about 10 min and 0.9 GB of memory"


def test_too_little_memory_is_refused_before_anything_is_trained(
    task: SelectionTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimating, "_SHORT_STEPS", 1)
    monkeypatch.setattr(estimating, "_available_bytes", lambda: 1000)
    with pytest.raises(
        ConfigurationError, match=r"memory must suffice .* 0.0 GB that are free: lower dataset.train_size="
    ):
        estimate_selection(task, wanted(RLSelector(ratio=0.5)))
