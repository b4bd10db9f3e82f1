"""`rlsel train-on-subset` as a whole, on 90 small images and two epochs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from rlsel.commands.requests import SelectRequest, TrainOnSubsetRequest
from rlsel.commands.select import select
from rlsel.commands.train_on_subset import train_on_subset
from rlsel.coreset import Coreset
from rlsel.data.arrays import Arrays
from rlsel.data.digits import Digits
from rlsel.data.variation import Variation
from rlsel.dynamic.settings import DynamicSettings
from rlsel.errors import ConfigurationError, CoresetError, DataError
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.export import ExportSettings
from rlsel.models.resnet import ResNet18
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.random import Random
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.checkpoints import load_tensors
from rlsel.training.reporting import SilentReporter

FILES = {
    *("indices.npy", "result.json", "model.safetensors", "metrics.jsonl"),
    *("config.yaml", "status.json", "SHA256SUMS"),
}
RESULT = [
    *("top1_last", "top1_best", "top5_last", "worst_class_last", "num_train", "epochs", "steps", "seconds"),
    *("images_per_second", "model", "seed", "indices_sha256", "ood"),
]

Request = Callable[..., TrainOnSubsetRequest]


@pytest.fixture
def coreset(settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    options = RunOptions(run_dir=tmp_path / "coreset")
    request = SelectRequest(settings=settings, selectors=(Random(),), ratios=(0.5,), options=options)
    return select(request, SilentReporter())


@pytest.fixture
def request_for(coreset: Path, settings: RunSettings, tmp_path: Path) -> Request:
    """Asks for a training on the coreset; what is given replaces the fields of the request."""

    def make(run_dir: str = "run", **given: Any) -> TrainOnSubsetRequest:
        arguments = {"coreset": coreset, "settings": settings, "options": RunOptions(run_dir=tmp_path / run_dir)}
        return TrainOnSubsetRequest(**{**arguments, **given})

    return make


def run(request: TrainOnSubsetRequest) -> Path:
    return train_on_subset(request, SilentReporter())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def comparable(folder: Path) -> list[Any]:
    """All that a run leaves, without the times."""
    times = ("seconds", "images_per_second")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    timeless = [{name: value for name, value in row.items() if name not in times} for row in [result(folder), *rows]]
    return [timeless, (folder / "model.safetensors").read_bytes(), names(folder)]


def test_a_run_folder_holds_what_the_contract_says(request_for: Request, coreset: Path, tmp_path: Path) -> None:
    folder = run(request_for())
    assert folder == tmp_path / "run"
    assert names(folder) == FILES
    measured = result(folder)
    assert list(measured) == RESULT
    assert (measured["num_train"], measured["epochs"], measured["steps"]) == (45, 2, 4)
    assert (measured["model"], measured["seed"]) == ("small_cnn", 0)
    assert measured["indices_sha256"] == Coreset.load(coreset).indices_sha256
    assert 0 <= measured["worst_class_last"] <= measured["top1_last"] <= measured["top1_best"] <= 1
    assert measured["top5_last"] == 1, "five guesses among three classes"
    assert (folder / "indices.npy").read_bytes() == (coreset / "indices.npy").read_bytes()
    assert json.loads((folder / "status.json").read_text())["state"] == "complete"
    assert f"coreset: {coreset}\n" in (folder / "config.yaml").read_text()
    assert load_tensors(folder / "model.safetensors")["head.bias"].shape == (3,)


def test_a_training_ends_with_its_test_accuracy(request_for: Request, reporter: Any) -> None:
    folder = train_on_subset(request_for(), reporter)
    measured = result(folder)["top1_last"]
    # half of 90 samples, in batches of 32, twice
    assert reporter.notes[-1] == f"test accuracy {measured:.4f} of small_cnn, trained on 45 samples for 4 steps"
    train_on_subset(request_for(), reporter)
    assert reporter.notes[-1].startswith("note: the run is complete already and is taken as it is")


def test_the_training_is_reproducible_and_its_own(request_for: Request, settings: RunSettings) -> None:
    first, again = run(request_for("a")), run(request_for("b"))
    assert comparable(first) == comparable(again)
    assert comparable(run(request_for("c", settings=replace(settings, seed=1)))) != comparable(first)


def test_all_ways_to_name_the_same_samples_give_the_same_model(
    request_for: Request, coreset: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "mine.npy"
    bare.write_bytes((coreset / "indices.npy").read_bytes())
    expected = comparable(run(request_for("run")))
    indices = np.load(bare)
    np.save(tmp_path / "backwards.npy", indices[::-1].astype(np.int32))
    np.save(tmp_path / "mask.npy", np.isin(np.arange(90), indices))
    np.savetxt(tmp_path / "lines.txt", indices)
    others = [tmp_path / name for name in ("backwards.npy", "mask.npy", "lines.txt")]
    for number, given in enumerate((coreset / "indices.npy", bare, coreset / "selected.csv", *others)):
        assert comparable(run(request_for(f"run-{number}", coreset=given))) == expected


def test_everything_and_a_ratio_of_one_are_the_same(
    request_for: Request, settings: RunSettings, tmp_path: Path
) -> None:
    options = RunOptions(run_dir=tmp_path / "whole")
    whole = select(
        SelectRequest(settings=settings, selectors=(Random(),), ratios=(1.0,), options=options), SilentReporter()
    )
    full = run(request_for("full", coreset=None))
    assert result(full)["num_train"] == 90
    assert np.load(full / "indices.npy").tolist() == list(range(90))
    assert comparable(full) == comparable(run(request_for("one", coreset=whole)))


@pytest.fixture
def without_test(settings: RunSettings, tmp_path: Path) -> RunSettings:
    """The ninety images without the others to measure on."""
    with np.load(settings.dataset.path) as whole:  # type: ignore[attr-defined]
        np.savez(tmp_path / "alone.npz", images=whole["images"], labels=whole["labels"])
    return replace(settings, dataset=Arrays(path=tmp_path / "alone.npz"))


def chosen(settings: RunSettings, folder: Path) -> Path:
    options = RunOptions(run_dir=folder)
    return select(
        SelectRequest(settings=settings, selectors=(Random(),), ratios=(0.5,), options=options), SilentReporter()
    )


def test_without_test_data_a_model_is_trained_and_not_measured(
    request_for: Request, without_test: RunSettings, reporter: Any, tmp_path: Path
) -> None:
    request = request_for(settings=without_test, coreset=chosen(without_test, tmp_path / "of_all"))
    folder = train_on_subset(request, reporter)
    measured = result(folder)
    assert [measured[name] for name in RESULT[:4]] == [None] * 4
    assert measured["num_train"] == 45
    assert reporter.notes[-1].startswith("note: nothing was measured, since there is no test data: give some, or hold")


def test_a_share_held_out_before_the_choice_is_measured_on(
    request_for: Request, without_test: RunSettings, tmp_path: Path
) -> None:
    held = replace(without_test, variation=Variation(holdout=0.2))
    coreset = chosen(held, tmp_path / "of_the_rest")
    loaded = Coreset.load(coreset)
    assert (len(loaded), len(loaded.candidates), len(loaded.held_out)) == (36, 72, 18)
    folder = run(request_for(settings=held, coreset=coreset))
    assert result(folder)["top1_last"] is not None
    # only what was chosen is trained on: the rows of the file at these positions, by an own reading
    assert (folder / "indices.npy").read_bytes() == (coreset / "indices.npy").read_bytes()
    assert not set(loaded.indices) & set(loaded.held_out)


def test_nothing_is_measured_on_samples_that_a_choice_has_seen(
    request_for: Request, without_test: RunSettings, tmp_path: Path
) -> None:
    held = replace(without_test, variation=Variation(holdout=0.2))
    coreset = chosen(without_test, tmp_path / "of_all")
    np.save(tmp_path / "mine.npy", np.load(coreset / "indices.npy"))
    with pytest.raises(CoresetError, match="was selected from 18 of the 18 samples that are held out to measure on"):
        run(request_for("new/run", settings=held, coreset=coreset))
    with pytest.raises(CoresetError, match=r"keeps \d+ of the 18 samples that are held out to measure on"):
        run(request_for("new/run", settings=held, coreset=tmp_path / "mine.npy"))
    assert not (tmp_path / "new").exists()


def test_a_coreset_of_a_part_belongs_to_the_whole_and_not_to_the_other_part(
    request_for: Request, settings: RunSettings, tmp_path: Path
) -> None:
    first = replace(settings, variation=Variation(part="first"))
    coreset = chosen(first, tmp_path / "of_the_first")
    expected = run(request_for("part", settings=first, coreset=coreset))
    whole = run(request_for("whole", coreset=coreset))
    assert (whole / "indices.npy").read_bytes() == (expected / "indices.npy").read_bytes()
    assert result(whole)["num_train"] == result(expected)["num_train"] == 23
    second = replace(settings, variation=Variation(part="second"))
    with pytest.raises(CoresetError, match=r"keeps sample \d+, which is none of the 45 candidates of the 90 samples"):
        run(request_for("new/run", settings=second, coreset=coreset))


def test_any_model_can_be_trained(request_for: Request, settings: RunSettings) -> None:
    folder = run(request_for(settings=replace(settings, model=ResNet18(width=4))))
    assert result(folder)["model"] == "resnet18"


@pytest.mark.parametrize(("name", "coreset_of"), [("random", "run"), ("indices", "file"), ("full", "nothing")])
def test_without_run_dir_runs_lie_under_outputs(
    request_for: Request, coreset: Path, tmp_path: Path, name: str, coreset_of: str
) -> None:
    bare = tmp_path / "mine.npy"
    bare.write_bytes((coreset / "indices.npy").read_bytes())
    given = {"run": coreset, "file": bare, "nothing": None}[coreset_of]
    folder = run(request_for(coreset=given, options=RunOptions()))
    assert folder.parent == tmp_path / "outputs/train-on-subset/arrays/small_cnn" / name
    assert folder.name.startswith("ratio-1.00_seed-0" if given is None else "ratio-0.50_seed-0_")
    swept = run(request_for("sweep", coreset=given, options=RunOptions(run_dir=tmp_path / "sweep", several=True)))
    assert swept == tmp_path / "sweep" / name / folder.name


def test_what_a_process_leaves_that_is_killed_right_after_its_end_goes(request_for: Request) -> None:
    folder = train_on_subset(request_for("run"), SilentReporter())
    digest = json.loads((folder / "status.json").read_text())["settings_hash"]
    names = (f".training-{digest}.ckpt", f".training-{digest}.looks-0123abcd.ckpt")
    for name in names:
        (folder / name).write_bytes(b"")
    train_on_subset(request_for("run"), SilentReporter())
    assert not [name for name in names if (folder / name).exists()]


def test_a_complete_run_is_not_run_again(request_for: Request, reporter: Any) -> None:
    folder = run(request_for())
    before, stamp = comparable(folder), (folder / "result.json").stat().st_mtime_ns
    assert train_on_subset(request_for(), reporter) == folder
    assert reporter.trainings == []
    assert (folder / "result.json").stat().st_mtime_ns == stamp
    train_on_subset(request_for(options=RunOptions(run_dir=folder, resume="never")), reporter)
    assert reporter.trainings == ["small_cnn on 45 of 90"]
    assert (folder / "result.json").stat().st_mtime_ns != stamp
    assert comparable(folder) == before


def test_other_samples_in_the_same_folder_replace_the_run(request_for: Request) -> None:
    folder = run(request_for())
    assert run(request_for(coreset=None)) == folder
    assert result(folder)["num_train"] == 90


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    request_for: Request, stopping: Callable[..., Any], step: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_on_subset(request_for("stopped"), stopping(at=step))
    stopped = request_for("stopped").options.run_dir
    assert json.loads((stopped / "status.json").read_text())["state"] == "interrupted"
    assert not (stopped / "result.json").exists()
    assert comparable(run(request_for("stopped"))) == comparable(run(request_for("calm")))


def test_another_data_set_is_refused(
    request_for: Request, settings: RunSettings, write_archive: Callable[..., Path], tmp_path: Path
) -> None:
    larger = replace(settings, dataset=Arrays(path=write_archive("larger", size=93)))
    with pytest.raises(CoresetError, match=r"selected from 90 samples \(arrays\), the data set has 93"):
        run(request_for("new/run", settings=larger))
    other = replace(settings, dataset=Arrays(path=write_archive("other", seed=1)))
    with pytest.raises(CoresetError, match="other images, labels or order"):
        run(request_for("new/run", settings=other))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        (np.array([0, 90]), "90"),
        (np.array([3, 3]), "3"),
        (np.array([-1, 1]), "-1"),
        (np.array([1.0, 2.0]), "float64"),
        (np.zeros(0, dtype=np.int64), "mine.npy"),
        (np.ones(91, dtype=bool), "91"),
        (np.array([7]), "the coreset must have at least 2 samples to train on, got 1: select with a larger ratio"),
    ],
)
def test_unfit_indices_are_refused(request_for: Request, tmp_path: Path, indices: np.ndarray, message: str) -> None:
    np.save(tmp_path / "mine.npy", indices)
    with pytest.raises(CoresetError, match=message):
        run(request_for("new/run", coreset=tmp_path / "mine.npy"))
    assert not (tmp_path / "new").exists()


def test_what_is_no_coreset_is_refused(request_for: Request, settings: RunSettings, tmp_path: Path) -> None:
    several = RunOptions(run_dir=tmp_path / "several")
    select(
        SelectRequest(settings=settings, selectors=(Random(),), ratios=(0.3, 0.5), options=several), SilentReporter()
    )
    (tmp_path / "junk.npy").write_bytes(b"junk")
    for name in ("none", "junk.npy", "several"):
        with pytest.raises(CoresetError):
            run(request_for("new/run", coreset=tmp_path / name))
    assert not (tmp_path / "new").exists()


def test_weighting_by_a_policy_is_refused(request_for: Request, settings: RunSettings, tmp_path: Path) -> None:
    weighted = replace(settings, training=replace(settings.training, weighting="policy"))
    with pytest.raises(ConfigurationError, match=r"training\.weighting must be none"):
        run(request_for("new/run", settings=weighted))
    assert not (tmp_path / "new").exists()


def test_a_thresholded_coreset_is_named_after_its_ratio(settings: RunSettings, tmp_path: Path) -> None:
    request = SelectRequest(
        settings=settings,
        selectors=(RLSelector(rollout=64, settle_passes=2),),
        ratios=(0.3,),
        export=ExportSettings(mode="threshold"),
        options=RunOptions(run_dir=tmp_path / "coreset"),
    )
    coreset = select(request, SilentReporter())
    options = RunOptions(run_dir=tmp_path / "trained", several=True)
    folder = run(TrainOnSubsetRequest(coreset=coreset, settings=settings, options=options))
    assert folder.name.startswith("ratio-0.30_seed-0_")


def measured_on(*names: str, root: Path | None = None) -> EvaluationSettings:
    return EvaluationSettings(datasets=names, root=root)


def test_the_model_is_measured_on_further_data(request_for: Request) -> None:
    folder = run(request_for("further", evaluation=measured_on("corruptions@5", "contrast")))
    measured = result(folder)["ood"]
    assert next(iter(measured)) == "corruptions@5"
    assert {"gaussian_noise@5", "contrast@5", "contrast"} <= set(measured)
    assert all(0 <= one["top1"] <= one["top5"] == 1 for one in measured.values())
    assert "evaluation:\n  datasets:\n  - contrast\n  - corruptions@5\n  root: null\n" in (
        (folder / "config.yaml").read_text()
    )
    plain = run(request_for("plain"))
    assert result(plain)["ood"] == {}
    assert "evaluation" not in (plain / "config.yaml").read_text()
    assert (plain / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_longer_list_is_measured_and_the_same_one_is_not_again(request_for: Request, reporter: Any) -> None:
    for names, trainings in ((("contrast",), 1), (("contrast", "pixelate"), 2), (("pixelate", "contrast"), 2)):
        folder = train_on_subset(request_for(evaluation=measured_on(*names)), reporter)
        assert set(result(folder)["ood"]) == set(names)
        assert len(reporter.trainings) == trainings


def test_what_is_measured_on_is_part_of_the_folder_s_name(request_for: Request, tmp_path: Path) -> None:
    several = RunOptions(run_dir=tmp_path / "sweep", several=True)
    folders = {
        run(request_for(coreset=None, options=several, evaluation=measured_on(*names)))
        for names in ((), ("contrast@1",), ("contrast@2",))
    }
    assert len(folders) == 3


def test_missing_further_data_is_found_before_a_training(request_for: Request, reporter: Any, tmp_path: Path) -> None:
    request = request_for("new/run", evaluation=measured_on("contrast", "imagenet_a", root=tmp_path))
    with pytest.raises(DataError, match=r"imagenet_a "):
        train_on_subset(request, reporter)
    assert reporter.trainings == []
    assert not (tmp_path / "new").exists()


def test_the_fixed_test_split_of_the_digits_is_never_trained_on(settings: RunSettings, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.arange(100))
    request = TrainOnSubsetRequest(coreset=tmp_path / "mine.npy", settings=replace(settings, dataset=Digits()))
    with pytest.raises(CoresetError, match="always measures on them, leave them out of the coreset"):
        run(request)


def test_a_part_can_be_chosen_anew_for_each_pass(request_for: Request, settings: RunSettings) -> None:
    dynamic = replace(settings, dynamic=DynamicSettings(rule="rs2", ratio=0.3))
    folder = run(request_for(coreset=None, settings=dynamic))
    # two passes over 27 of 90 samples, in batches of the settings
    steps = 2 * settings.training.steps_per_epoch(27)
    assert (result(folder)["num_train"], result(folder)["epochs"], result(folder)["steps"]) == (90, 2, steps)
    assert np.load(folder / "indices.npy").tolist() == list(range(90))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert (config["coreset"], config["dynamic"]) == ("rs2", {"rule": "rs2", "ratio": 0.3})
    full = run(request_for("full", coreset=None))
    assert comparable(folder) != comparable(full)
    placed = run(request_for(coreset=None, settings=dynamic, options=RunOptions()))
    assert placed.parent.name == "rs2"
    assert placed.name.startswith("ratio-0.30_seed-0_")
