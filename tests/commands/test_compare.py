"""`rlsel compare` as a whole, on 200 digits and two epochs."""

import contextlib
import csv
import json
import shutil
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import yaml

from rlsel.commands.compare import compare
from rlsel.commands.outcomes import PartlyFailedError
from rlsel.commands.requests import SelectRequest, TrainOnSubsetRequest
from rlsel.commands.select import select
from rlsel.commands.train_on_subset import train_on_subset
from rlsel.comparing import worker
from rlsel.comparing.core import prepare
from rlsel.comparing.request import CompareRequest, Row
from rlsel.data.digits import Digits
from rlsel.data.variation import Variation
from rlsel.errors import ConfigurationError, DataError
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.export import ExportSettings
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.vit import ViT
from rlsel.policy.ppo import PPO
from rlsel.runs.comparison_files import read_comparison
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask
from rlsel.selectors.el2n import EL2N
from rlsel.selectors.random import Random
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.observation import BatchObservation, EpochEnd
from rlsel.training.reporting import SilentReporter
from rlsel.training.settings import TrainingSettings

SETTINGS = RunSettings(
    dataset=Digits(),
    variation=Variation(train_size=200, test_size=100, label_noise=0.2),
    model=SmallCNN(width=4),
    training=TrainingSettings(epochs=2, batch_size=32),
)
REQUEST = CompareRequest(settings=SETTINGS, selectors=(EL2N(),), ratios=(0.5,), seeds=(0, 1))
SMALL = replace(REQUEST, selectors=(Random(),), seeds=(0,))
FURTHER = EvaluationSettings(datasets=("gaussian_noise@3", "contrast"))
TIMES = {"select_seconds", "train_seconds", "peak_rss_bytes"}


pytestmark = pytest.mark.usefixtures("undrawn")  # what the fixtures of the module make has its picture


def at(folder: Path, request: CompareRequest = REQUEST) -> CompareRequest:
    return replace(request, options=replace(request.options, run_dir=folder))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "runs.csv").open() as file:
        return list(csv.DictReader(file))


def keys(folder: Path) -> list[tuple[str, float, int]]:
    return [(row["selector"], float(row["ratio"]), int(row["seed"])) for row in rows(folder)]


def without_times(folder: Path) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows(folder)]


def state(folder: Path) -> Mapping[str, Any]:
    return json.loads((folder / "status.json").read_text())


def written(folder: Path) -> dict[str, int]:
    """Returns when each file of the cells was written."""
    files = [path for path in (folder / "cells").rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison to read."""
    return compare(at(tmp_path_factory.mktemp("done") / "c"), SilentReporter())


@pytest.fixture
def going_on(done: Path, tmp_path: Path) -> Path:
    """The same comparison, to go on with."""
    return Path(shutil.copytree(done, tmp_path / "c"))


@pytest.fixture(scope="module")
def small_done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The working folder of a comparison of the full data with one random half, and its default folder in there."""
    home = tmp_path_factory.mktemp("small")
    with contextlib.chdir(home):
        return home, compare(SMALL, SilentReporter()).relative_to(home)


@pytest.fixture
def small(small_done: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the same comparison, the default one of a copied working folder, to go on with."""
    home, folder = small_done
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / folder


@pytest.fixture(scope="module")
def further(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first comparison, measured on further data, by two processes."""
    request = replace(REQUEST, evaluation=FURTHER, options=RunOptions(jobs=2))
    return compare(at(tmp_path_factory.mktemp("further") / "c", request), SilentReporter())


def test_full_and_random_are_always_rows(done: Path) -> None:
    assert done.is_absolute()
    expected = [("full", 1.0), ("random", 0.5), ("el2n", 0.5)]
    assert keys(done) == [(selector, ratio, seed) for selector, ratio in expected for seed in (0, 1)]
    assert state(done)["state"] == "complete"
    for name in ("summary.csv", "summary.md", "summary.tex", "comparison.png", "config.yaml"):
        assert (done / name).stat().st_size > 0


def test_what_two_selectors_share_is_in_a_table_of_its_own(done: Path) -> None:
    shares = []
    for seed in (0, 1):
        folders = [path for path in done.rglob(f"*_seed-{seed}*") if (path / "indices.npy").is_file()]
        chosen = {path.parent.name: set(np.load(path / "indices.npy").tolist()) for path in folders}
        assert set(chosen) == {"random", "el2n"}
        shares.append(len(chosen["random"] & chosen["el2n"]) / len(chosen["random"] | chosen["el2n"]))
    head, line = (done / "likeness.csv").read_text().splitlines()
    assert head == "ratio,selector,other,jaccard,n"
    assert line.split(",")[:3] == ["0.5", "el2n", "random"]
    assert [float(text) for text in line.split(",")[3:]] == [pytest.approx(sum(shares) / 2), 2]


def test_a_row_says_what_was_trained_and_how(done: Path) -> None:
    full, *_, el2n = rows(done)
    # 200 samples in batches of 32 are 7 steps an epoch, whatever the ratio
    assert {row["steps"] for row in rows(done)} == {"14"}
    assert (full["num_train"], el2n["num_train"]) == ("200", "100")
    assert (full["select_seconds"], full["thresholded"], el2n["corrupted_kept"]) == ("", "", "")
    assert float(full["mislabelled_kept"]) == 1.0
    assert 0 < float(el2n["mislabelled_kept"]) < 1
    assert all(0 <= float(row["worst_class_accuracy"]) <= float(row["accuracy"]) <= 1 for row in rows(done))
    assert float(el2n["select_seconds"]) > 0


@pytest.mark.parametrize("seed", [0, 1])
def test_a_coreset_is_that_of_select_alone_byte_for_byte(done: Path, tmp_path: Path, seed: int) -> None:
    alone = select(
        SelectRequest(
            settings=replace(SETTINGS, seed=seed),
            selectors=(EL2N(),),
            ratios=(0.5,),
            options=RunOptions(run_dir=tmp_path / "alone"),
        ),
        SilentReporter(),
    )
    (cell,) = (done / "cells" / "select" / "el2n").glob(f"ratio-0.50_seed-{seed}_*")
    for name in ("indices.npy", "scores.npy"):
        assert (cell / name).read_bytes() == (alone / name).read_bytes()


VARIANTS = (
    Row(name="two-models", selector=EL2N(num_models=2), overrides=("selector=el2n", "selector.num_models=2")),
    Row(name="balanced", selector=EL2N(), export=ExportSettings(class_balance="proportional")),
    Row(name="ppo", selector=RLSelector(policy=PPO(), settle_passes=1)),
    Row(name="a2c", selector=RLSelector(settle_passes=1)),
)
VARIED = replace(REQUEST, seeds=(1,), variants=VARIANTS)


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compare(at(tmp_path_factory.mktemp("varied") / "c", VARIED), SilentReporter())


def test_variants_are_rows_of_their_own(varied: Path) -> None:
    names = ["full", "random", "el2n", *(row.name for row in VARIANTS)]
    assert [selector for selector, _, _ in keys(varied)] == names
    text = (varied / "summary.md").read_text()
    assert "- `two-models` is selector=el2n selector.num_models=2.\n" in text
    assert "- `a2c` is rl_selector.\n" in text
    recorded = yaml.safe_load((varied / "config.yaml").read_text())["variants"]
    assert recorded["two-models"]["selector"]["num_models"] == 2
    assert recorded["balanced"]["export"]["class_balance"] == "proportional"
    sets = {(path / "indices.npy").read_bytes() for path in (varied / "cells" / "select").glob("*/*")}
    assert len(sets) == len(names) - 1, "each chooses its own samples"


@pytest.mark.parametrize("row", VARIANTS, ids=lambda row: row.name)
def test_a_variant_is_what_select_makes_with_its_settings_byte_for_byte(varied: Path, tmp_path: Path, row: Row) -> None:
    alone = select(
        SelectRequest(
            settings=replace(SETTINGS, seed=1),
            selectors=(row.selector,),
            ratios=(0.5,),
            export=row.export,
            options=RunOptions(run_dir=tmp_path / "alone"),
        ),
        SilentReporter(),
    )
    (cell,) = (varied / "cells" / "select" / row.name).iterdir()
    for name in ("indices.npy", "scores.npy", "config.yaml"):
        assert (cell / name).read_bytes() == (alone / name).read_bytes()


def test_variants_extend_a_comparison(varied: Path, reporter: Any) -> None:
    before = written(varied)
    more = (*VARIANTS, Row(name="more", selector=EL2N(epoch=2)))
    compare(at(varied, replace(VARIED, variants=more)), reporter)
    assert before.items() <= written(varied).items()
    assert reporter.notes[1] == "7/8 trainings are there already"
    assert len(keys(varied)) == 8
    compare(at(varied, VARIED), SilentReporter())
    assert len(keys(varied)) == 7


def test_the_settings_of_a_comparison_without_variants_are_those_of_before(done: Path) -> None:
    assert "variants" not in yaml.safe_load((done / "config.yaml").read_text())


def test_a_training_is_that_of_train_on_subset(done: Path, tmp_path: Path) -> None:
    (cell,) = (done / "cells" / "select" / "el2n").glob("ratio-0.50_seed-1_*")
    settings = replace(SETTINGS, seed=1, training=replace(SETTINGS.training, steps=14))
    request = TrainOnSubsetRequest(coreset=cell, settings=settings, options=RunOptions(run_dir=tmp_path / "alone"))
    result = json.loads((train_on_subset(request, SilentReporter()) / "result.json").read_text())
    (row,) = [row for row in rows(done) if (row["selector"], row["seed"]) == ("el2n", "1")]
    assert float(row["accuracy"]) == result["top1_last"]
    assert float(row["best_accuracy"]) == result["top1_best"]
    assert float(row["top5"]) == result["top5_last"]


def test_the_folder_is_read_back(further: Path) -> None:
    found = read_comparison(further)
    assert [(run.selector, run.ratio, run.seed) for run in found.runs] == keys(further)
    assert [run.accuracy for run in found.runs] == [float(row["accuracy"]) for row in rows(further)]
    assert {row.selector: row.accuracy.n for row in found.summaries} == {"full": 2, "random": 2, "el2n": 2}
    assert list(found.summaries[0].ood) == ["gaussian_noise@3", "contrast"]
    assert (found.state, found.settings["seeds"]) == ("complete", [0, 1])


def test_random_is_drawn_anew_for_each_seed(done: Path) -> None:
    first, second = (np.load(path / "indices.npy") for path in sorted((done / "cells" / "select" / "random").iterdir()))
    assert len(first) == len(second) == 100
    assert 0 < len(np.intersect1d(first, second)) < 100


def test_the_protocol_is_stated(done: Path) -> None:
    text = (done / "summary.md").read_text()
    for words in (
        "every training takes 14 steps, those of 2 epochs on all of the data",
        "Seeds: 0, 1.",
        "drawn anew for each seed",
        "never the best look",
        "not corrected for the number of comparisons",
        "label_noise 0.2",
    ):
        assert words in text
    assert "| mislabelled kept |" in text


def test_a_second_call_computes_nothing(going_on: Path, reporter: Any) -> None:
    before, table = written(going_on), (going_on / "runs.csv").read_bytes()
    compare(at(going_on), reporter)
    assert written(going_on) == before
    assert (going_on / "runs.csv").read_bytes() == table
    assert reporter.notes[1] == "6/6 trainings are there already"
    assert reporter.notes[2] == "small_cnn:"


def test_an_extended_comparison_computes_what_is_missing(going_on: Path, reporter: Any) -> None:
    before = written(going_on)
    wider = replace(REQUEST, ratios=(0.5, 1.0), seeds=(0, 1, 2))
    compare(at(going_on, wider), reporter)
    after = written(going_on)
    assert before.items() <= after.items()
    assert len(rows(going_on)) == 3 * (1 + 2 * 2)
    trained = [grid for grid in reporter.grids if "accuracy" in grid.latest]
    # seed 2 at full, random and el2n 0.5; all selections of the ratio 1 are those of full
    assert len(trained) == 3
    last = reporter.grids[-1]
    assert (last.done, last.of) == (15, 15)
    assert {place: (cell.done, cell.of) for place, cell in last.cells.items()} == dict.fromkeys(
        [("full", 1.0), ("random", 0.5), ("random", 1.0), ("el2n", 0.5), ("el2n", 1.0)], (3, 3)
    )
    accuracies = [
        float(row["accuracy"]) for row in rows(going_on) if (row["selector"], row["ratio"]) == ("el2n", "0.5")
    ]
    assert last.cells["el2n", 0.5].accuracy == pytest.approx(statistics.fmean(accuracies))
    full = [row["accuracy"] for row in rows(going_on) if row["ratio"] == "1.0" and row["seed"] == "2"]
    assert len(full) == 3
    assert len(set(full)) == 1
    compare(at(going_on), SilentReporter())
    assert len(rows(going_on)) == 6


def test_several_processes_give_the_same_numbers(done: Path, further: Path) -> None:
    measured = {name for name in rows(further)[0] if name.startswith("ood_")}
    assert without_times(done) == [
        {name: value for name, value in row.items() if name not in measured} for row in without_times(further)
    ]


def test_resume_never_makes_everything_again(going_on: Path, reporter: Any) -> None:
    before, table = written(going_on), without_times(going_on)
    compare(at(going_on, replace(REQUEST, seeds=(0,), options=RunOptions(resume="never"))), reporter)
    changed = {name for name, when in written(going_on).items() if before.get(name) != when}
    assert {name.split("/")[2] for name in changed if name.startswith("cells/select")} == {"random", "el2n"}
    assert len([name for name in changed if name.endswith("result.json")]) == 3
    assert without_times(going_on) == [row for row in table if row["seed"] == "0"]


def test_the_default_folder_is_shared_by_what_extends_it(small: Path, tmp_path: Path) -> None:
    assert small.parent == tmp_path / "outputs" / "compare" / "digits"
    assert compare(replace(SMALL, ratios=(0.5, 0.25)), SilentReporter()) == small
    other = replace(SMALL, settings=replace(SETTINGS, training=TrainingSettings(steps=3)))
    assert compare(other, SilentReporter()) != small


def test_the_same_number_of_epochs_is_fewer_steps(small: Path) -> None:
    folder = compare(at(small, replace(SMALL, budget="epochs")), SilentReporter())
    # 100 samples in batches of 32 are 4 steps an epoch
    assert {row["selector"]: row["steps"] for row in rows(folder)} == {"full": "14", "random": "8"}
    assert "makes 2 passes over its own samples" in (folder / "summary.md").read_text()


def test_given_steps_are_taken_by_all_and_one_seed_has_no_intervals(tmp_path: Path) -> None:
    settings = replace(SETTINGS, training=replace(SETTINGS.training, steps=3))
    request = replace(SMALL, settings=settings, seeds=(4,))
    folder = compare(at(tmp_path, request), SilentReporter())
    assert [row["steps"] for row in rows(folder)] == ["3", "3"]
    assert "takes 3 steps, given by training.steps" in (folder / "summary.md").read_text()
    with (folder / "summary.csv").open() as file:
        assert {row["to_full_low"] + row["accuracy_se"] for row in csv.DictReader(file)} == {""}


def test_other_models_are_trained_on_the_same_selections(small: Path) -> None:
    models = (SmallCNN(width=4), ViT(width=8, depth=1, heads=1))
    folder = compare(at(small, replace(SMALL, train_models=models)), SilentReporter())
    assert [(row["model"], row["selector"]) for row in rows(folder)] == [
        (model, selector) for model in ("small_cnn", "vit") for selector in ("full", "random")
    ]
    assert len(list((folder / "cells" / "select").glob("*/*"))) == 1


# out of distribution


def test_each_model_is_measured_on_further_data(done: Path, further: Path) -> None:
    names = ["ood_gaussian_noise@3", "ood_contrast"]
    assert list(rows(further)[0])[-2:] == names
    assert all(0 <= float(row[name]) <= 1 for row in rows(further) for name in names)
    with (further / "summary.csv").open() as file:
        summary = {row["selector"]: row for row in csv.DictReader(file)}
    el2n, full = (
        [float(row[names[1]]) for row in rows(further) if row["selector"] == name] for name in ("el2n", "full")
    )
    assert float(summary["el2n"]["ood_contrast"]) == pytest.approx(np.mean(el2n))
    assert float(summary["el2n"]["ood_contrast_to_full"]) == pytest.approx(np.mean(el2n) - np.mean(full))
    assert summary["el2n"]["ood_contrast_to_random_low"] != ""
    text = (further / "summary.md").read_text()
    assert "## small_cnn, out of distribution" in text
    assert "- Out of distribution, the model at the end of its training is measured, by its first guess.\n" in text
    assert "mean over the severities 1 to 5" in text
    assert "out of distribution" not in (done / "summary.md").read_text()


def test_measuring_more_keeps_the_selections_and_trains_again_in_the_same_folder(small: Path) -> None:
    before = written(small)
    assert compare(replace(SMALL, evaluation=FURTHER), SilentReporter()) == small
    after = written(small)
    assert before.items() <= after.items()
    results = [name for name in after.keys() - before.keys() if name.endswith("result.json")]
    assert sorted(name.split("/")[3] for name in results) == ["full", "random"]
    assert not [name for name in after.keys() - before.keys() if name.startswith("cells/select")]
    compare(replace(SMALL, evaluation=FURTHER), SilentReporter())
    assert written(small) == after
    compare(SMALL, SilentReporter())
    assert written(small) == after
    assert "ood_contrast" not in rows(small)[0]


def test_missing_further_data_leaves_no_folder(tmp_path: Path, reporter: Any) -> None:
    request = replace(REQUEST, evaluation=EvaluationSettings(datasets=("imagenet_r",), root=tmp_path))
    with pytest.raises(DataError, match="imagenet_r "):
        compare(at(tmp_path / "c", request), reporter)
    assert not (tmp_path / "c").exists()


# what fails


@dataclass(frozen=True, kw_only=True)
class Breaking:
    """Fails where it is told to; works once `mended`."""

    name: ClassVar[str] = "breaking"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    mended: ClassVar[bool] = False

    where: str
    user: bool = False

    def needs(self, task: SelectionTask) -> Needs:
        self._perhaps_fail("needs")
        return Needs(training=True, watch=None if self.where != "watch" else lambda recording: BreakingObserver(self))

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        self._perhaps_fail("score")
        return Scores(values=torch.arange(len(task), dtype=torch.float32))

    def _perhaps_fail(self, where: str) -> None:
        if where == self.where and not self.mended:
            raise DataError("nothing\nfits") if self.user else ZeroDivisionError("a defect")


class BreakingObserver:
    def __init__(self, selector: Breaking) -> None:
        self._selector = selector

    def on_batch(self, batch: BatchObservation) -> None:
        self._selector._perhaps_fail("watch")

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        return


@pytest.mark.parametrize("where", ["needs", "watch", "score"])
def test_a_failing_selector_is_named_and_the_rest_goes_on(
    small: Path, reporter: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    request = at(small, replace(SMALL, selectors=(Breaking(where=where), EL2N())))
    with pytest.raises(PartlyFailedError, match=r"1 of the runs failed.*breaking at ratio 0.5 with seed 0") as caught:
        compare(request, reporter)
    assert (caught.value.folder, caught.value.by_user) == (small, False)
    assert keys(small) == [("full", 1.0, 0), ("random", 0.5, 0), ("el2n", 0.5, 0)]
    line = "selection by breaking at ratio 0.5 with seed 0: ZeroDivisionError: a defect"
    assert f"\n- {line}\n" in (small / "summary.md").read_text()
    assert f"failed: {line}" in reporter.notes
    assert state(small)["state"] == "failed"
    (cell,) = (small / "cells" / "select" / "breaking").iterdir()
    assert state(cell)["state"] == "failed"
    assert "Traceback" in state(cell)["error"]
    monkeypatch.setattr(Breaking, "mended", True)
    before = written(small)
    compare(request, reporter)
    assert len(rows(small)) == 4
    assert state(small)["state"] == "complete"
    kept = {name for name in before if "/breaking/" not in name}
    assert {name: written(small)[name] for name in kept} == {name: before[name] for name in kept}


def test_a_user_s_mistake_in_a_cell_is_one_line(small: Path, reporter: Any) -> None:
    request = replace(SMALL, selectors=(Breaking(where="score", user=True),))
    with pytest.raises(PartlyFailedError) as caught:
        compare(at(small, request), reporter)
    assert caught.value.by_user
    assert "failed: selection by breaking at ratio 0.5 with seed 0: nothing fits" in reporter.notes


def test_a_failing_training_is_named_and_tried_again(
    tmp_path: Path, reporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = worker.train_on

    def fail_on_half(dataset: Any, indices: Any, **others: Any) -> Any:
        if len(indices) == 100:
            raise MemoryError("no memory")
        return real(dataset, indices, **others)

    request = at(tmp_path, SMALL)
    with monkeypatch.context() as patched:
        patched.setattr(worker, "train_on", fail_on_half)
        with pytest.raises(PartlyFailedError, match=r"small_cnn random ratio 0.5 seed 0: MemoryError: no memory"):
            compare(request, reporter)
    assert keys(tmp_path) == [("full", 1.0, 0)]
    compare(request, reporter)
    assert keys(tmp_path) == [("full", 1.0, 0), ("random", 0.5, 0)]


def test_a_process_that_was_killed_costs_its_run_only(tmp_path: Path, reporter: Any) -> None:
    account = prepare(SMALL, tmp_path, reporter).account
    selection, training = account.begin()
    assert account.end(selection, None) == []
    assert account.end(training, None) == []
    assert [str(failure) for failure in account.failures] == [
        "selection by random with seed 0: its process was killed, perhaps for want of memory",
        "small_cnn full ratio 1 seed 0: its process was killed, perhaps for want of memory",
    ]
    assert account.runs() == []
    assert [one.selector for one in account.chosen] == ["full"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratios": ()}, "ratios must be a number in \\(0, 1\\] or a list of such, got '\\[\\]'"),
        ({"ratios": (0.5, 0.5)}, "ratios must name each ratio once, got 0.5 twice"),
        ({"ratios": (0.0,)}, "ratios must be a number in \\(0, 1\\], got 0.0"),
        ({"seeds": ()}, "seeds must be a list of at least one"),
        ({"seeds": (1, 1)}, "seeds must name each once, got 1 twice"),
        ({"seeds": (-1,)}, "seeds must be an integer of at least 0, got -1"),
        ({"selectors": ()}, "selectors must be a list of at least one"),
        ({"selectors": (EL2N(), EL2N(num_models=2))}, "selectors must name each once, got el2n twice"),
        ({"train_models": (SmallCNN(), SmallCNN(width=4))}, "train_models must name each once, got small_cnn twice"),
        ({"variants": (VARIANTS[0], VARIANTS[0])}, "variants must name each once, got two-models twice"),
        (
            {"variants": (Row(name="el2n", selector=EL2N()),)},
            "variants must be named differently from el2n, full, random, got 'el2n'",
        ),
        (
            {"variants": (Row(name="random", selector=EL2N()),)},
            "variants must be named differently from el2n, full, random, got 'random'",
        ),
        ({"budget": "time"}, "budget must be one of epochs, seconds, steps, got 'time'"),
        (
            {"budget": "epochs", "settings": replace(SETTINGS, training=TrainingSettings(steps=3))},
            "training.steps must not be given with budget=epochs, got 3",
        ),
        (
            {"settings": replace(SETTINGS, training=TrainingSettings(weighting="policy"))},
            "training.weighting must be none for compare, got 'policy'",
        ),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(REQUEST, **change)


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "two words"])
def test_a_row_has_a_name_that_a_folder_can_have(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"variants must be named with letters, digits and _ \. \+ -, got"):
        Row(name=name, selector=EL2N())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratios": (0.001,)}, "ratio must be large enough to keep one of 200 samples"),
        ({"export": ExportSettings(mode="threshold")}, "export.mode must be topk, sample or stratified"),
        ({"settings": replace(SETTINGS, variation=Variation(train_size=5000))}, "dataset.train_size must be"),
    ],
)
def test_a_mistake_leaves_no_folder(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compare(at(tmp_path / "c", replace(REQUEST, **change)), SilentReporter())
    assert not list(tmp_path.iterdir())


DYNAMIC = replace(SMALL, dynamic=("dynamic", "rs2"))


def test_what_is_chosen_for_each_pass_is_a_row(small: Path, reporter: Any) -> None:
    folder = compare(at(small, DYNAMIC), reporter)
    assert keys(folder)[2:] == [("dynamic", 0.5, 0), ("rs2", 0.5, 0)]
    row = rows(folder)[2]
    assert (row["select_seconds"], row["num_train"], row["steps"]) == ("0.0", "200", "14")
    fewer = compare(at(small, replace(DYNAMIC, budget="epochs")), reporter)
    # 100 samples in batches of 32 are 4 steps a pass
    assert {row["steps"] for row in rows(fewer)[1:]} == {"8"}
    assert "nothing is selected beforehand" in (folder / "summary.md").read_text()


def test_where_time_is_the_budget_a_dear_selection_costs_steps(tmp_path: Path, reporter: Any) -> None:
    request = replace(REQUEST, seeds=(0,), dynamic=("rs2",), budget="seconds")
    folder = compare(at(tmp_path / "c", request), reporter)
    by_name = {row["selector"]: row for row in rows(folder)}
    dearest = max(float(row["select_seconds"] or 0) for row in by_name.values())
    [yardstick] = [
        found
        for path in (folder / "cells" / "train" / "small_cnn" / "full").glob("*/result.json")
        if (found := json.loads(path.read_text()))["steps"] == 14
    ]
    for row in by_name.values():
        left = dearest - float(row["select_seconds"] or 0)
        assert int(row["steps"]) == 14 + round(left * 14 / yardstick["seconds"])
    assert int(by_name["el2n"]["steps"]) == 14
    assert int(by_name["full"]["steps"]) > 14
    before = written(folder)
    compare(at(tmp_path / "c", request), reporter)
    assert written(folder) == before, "nothing is made again"


@pytest.mark.parametrize("dynamic", [("other",), ("rs2", "rs2")])
def test_unknown_rules_are_refused(dynamic: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="dynamic must"):
        replace(SMALL, dynamic=dynamic)
