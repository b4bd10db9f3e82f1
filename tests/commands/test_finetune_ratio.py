"""`rlsel finetune-ratio` as a whole, from a run on 90 small images."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from rlsel.commands.finetune_ratio import finetune_ratio
from rlsel.commands.requests import FinetuneRequest, SelectRequest
from rlsel.commands.select import select
from rlsel.coreset import Coreset
from rlsel.data.arrays import Arrays
from rlsel.errors import ConfigurationError, CoresetError
from rlsel.export import ExportSettings
from rlsel.models.small_cnn import SmallCNN
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.random import Random
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.checkpoints import load_tensors
from rlsel.training.reporting import SilentReporter
from rlsel.training.resuming import Checkpointing

QUICK = RLSelector(rollout=64, settle_passes=20)
FILES = {
    *("indices.npy", "scores.npy", "labels.npy", "selected.csv", "coreset.json"),
    *("config.yaml", "status.json", "SHA256SUMS"),
}
POLICY = {"policy.safetensors", "features.safetensors"}

Request = Callable[..., FinetuneRequest]


def selected(settings: RunSettings, folder: Path, **given: Any) -> Path:
    arguments = {"settings": settings, "selectors": (QUICK,), "ratios": (0.7,), **given}
    return select(SelectRequest(**arguments, options=RunOptions(run_dir=folder)), SilentReporter())


@pytest.fixture(scope="module")
def finished(lasting_settings: RunSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to copy."""
    return selected(lasting_settings, tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture
def source(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run to start from."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(finished, tmp_path / "source"))


@pytest.fixture
def request_for(source: Path, settings: RunSettings, tmp_path: Path) -> Request:
    """Asks for another ratio in three passes; what is given replaces the fields of the request."""

    def make(run_dir: str = "run", **given: Any) -> FinetuneRequest:
        arguments: dict[str, Any] = {
            "run": source,
            "settings": settings,
            "selector": QUICK,
            "ratios": (0.4,),
            "epochs": 3,
            "options": RunOptions(run_dir=tmp_path / run_dir),
        }
        return FinetuneRequest(**{**arguments, **given})

    return make


def run(request: FinetuneRequest) -> Path:
    return finetune_ratio(request, SilentReporter())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def result(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "indices.npy").read_bytes(), (folder / "scores.npy").read_bytes()


def test_a_policy_is_adapted_to_another_ratio(
    request_for: Request, source: Path, reporter: Any, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    folder = finetune_ratio(request_for(), reporter)
    assert folder == tmp_path / "run"
    assert reporter.trainings == [], "the saved features need no target training"
    assert names(folder) - {"near_duplicates.npy"} == FILES | POLICY
    coreset = Coreset.load(folder)
    assert len(coreset) == 36
    assert reporter.notes[-1].startswith("note: 36 of 90 samples are kept, ")
    trained = json.loads((source / "metrics.jsonl").read_text().splitlines()[-1])["seconds"]
    saved = 0.6 * trained  # 54 of 90 samples are dropped
    assert f"a training like the target's saves about {saved:.1f} s on them" in reporter.notes[-1]
    assert reporter.notes[-1].endswith("; next: rlsel train-on-subset coreset=run")
    assert coreset.provenance.parent == str(source)
    assert coreset.provenance.ratio.requested == 0.4
    assert abs((coreset.scores > 0).mean() - 0.4) <= 0.01, "the share above one half is the ratio"
    assert coreset.provenance.dataset == Coreset.load(source).provenance.dataset
    assert json.loads((folder / "status.json").read_text())["state"] == "complete"
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


def test_it_starts_from_what_was_learned(request_for: Request, source: Path) -> None:
    # one pass moves a learned policy less than what two seeds differ by
    scores = [np.load(folder / "scores.npy") for folder in (source, run(request_for(epochs=1, ratios=(0.6,))))]
    assert spearmanr(*scores).statistic > 0.9
    first, second = (
        load_tensors(source / "features.safetensors"),
        load_tensors(run(request_for()) / "features.safetensors"),
    )
    assert all((first[name] == second[name]).all() for name in first)


def test_the_coreset_is_the_same_alone_and_in_a_list(request_for: Request) -> None:
    listed = run(request_for("listed", ratios=(0.4, 0.2)))
    for ratio in (0.4, 0.2):
        [cell] = listed.glob(f"rl_selector/ratio-{ratio:.2f}_seed-0_*")
        assert result(cell) == result(run(request_for(f"alone-{ratio}", ratios=(ratio,))))


def test_the_training_can_be_continued(request_for: Request, source: Path, reporter: Any) -> None:
    folder = finetune_ratio(request_for(features="continued"), reporter)
    assert reporter.trainings == ["target small_cnn, continued"]
    assert names(folder) - {"near_duplicates.npy"} == FILES | POLICY | {
        "metrics.jsonl",
        "target.safetensors",
        "target.json",
    }
    rows: list[Mapping[str, float]] = [json.loads(row) for row in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["learning_rate"] for row in rows] == [pytest.approx(0.01 * 0.05)] * 3, "it had come to its end"
    trained = [load_tensors(run / "target.safetensors")["head.weight"] for run in (source, folder)]
    assert not (trained[0] == trained[1]).all()
    # a hundredth of the learning rate moves the head by less than a hundredth of its size per step
    assert float((trained[0] - trained[1]).norm()) < 0.1 * float(trained[0].norm())
    assert len(Coreset.load(folder)) == 36
    again = run(request_for("again", features="continued"))
    assert result(again) == result(folder)


class Killed(BaseException):
    """What the test takes for a SIGKILL."""


def test_killed_thrice_it_goes_on_as_if_nothing_had_happened(
    request_for: Request, reporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = run(request_for("calm", features="continued"))
    monkeypatch.setattr("rlsel.runs.checkpoint.Checkpointing", partial(Checkpointing, every_seconds=0))
    steps: list[int] = []
    deaths = [2, 5, 9]  # in the first epoch, after the second, and with the last step of the third

    def step(done: int) -> None:
        steps.append(done)
        if done in deaths:
            deaths.remove(done)
            raise Killed

    reporter.step = step
    for _ in range(3):
        with pytest.raises(Killed):
            finetune_ratio(request_for(features="continued"), reporter)
    resumed = finetune_ratio(request_for(features="continued"), reporter)
    assert steps == [1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 9, 9], "the steps that it died in are the only ones repeated"
    assert result(resumed) == result(calm)
    assert names(resumed) == names(calm)


def test_a_fine_tuned_policy_can_be_fine_tuned(request_for: Request) -> None:
    first = run(request_for("first"))
    second = Coreset.load(run(request_for("second", run=first, ratios=(0.2,))))
    assert len(second) == 18
    assert second.provenance.parent == str(first)


def test_a_complete_run_is_not_run_again(request_for: Request) -> None:
    folder = run(request_for())
    stamp = (folder / "coreset.json").stat().st_mtime_ns
    assert run(request_for()) == folder
    assert (folder / "coreset.json").stat().st_mtime_ns == stamp
    before = result(folder)
    run(request_for(options=RunOptions(run_dir=folder, resume="never")))
    assert (folder / "coreset.json").stat().st_mtime_ns != stamp
    assert result(folder) == before


def test_runs_from_other_runs_do_not_share_a_folder(
    request_for: Request, source: Path, settings: RunSettings, tmp_path: Path
) -> None:
    other = selected(settings, tmp_path / "other", ratios=(0.6,))
    folders = {run(request_for(run=folder, options=RunOptions())) for folder in (source, other)}
    assert len(folders) == 2
    for folder in folders:
        assert folder.parent == tmp_path / "outputs/finetune-ratio/arrays/rl_selector"
        assert folder.name.startswith("ratio-0.40_seed-0_")


def test_a_score_cannot_be_fine_tuned(request_for: Request, settings: RunSettings, tmp_path: Path) -> None:
    source = selected(settings, tmp_path / "random", selectors=(Random(),))
    with pytest.raises(ConfigurationError, match="run must be a select run of a policy, got one of selector=random"):
        run(request_for("new/run", run=source, selector=Random()))
    assert not (tmp_path / "new").exists()


def test_the_program_refuses_a_run_of_a_score(rlsel: Callable[..., Any], settings: RunSettings, tmp_path: Path) -> None:
    source = selected(settings, tmp_path / "random", selectors=(Random(),))
    outcome = rlsel("finetune-ratio", f"run={source}", "ratio=0.4")
    assert outcome.code == 2
    assert outcome.err.startswith("error: run must be a select run of a policy")
    assert outcome.err.count("\n") == 1
    assert not list(Path.cwd().iterdir())


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


def test_a_folder_without_a_policy_is_refused(request_for: Request, source: Path, tmp_path: Path) -> None:
    with pytest.raises(CoresetError, match=r"folder of a finished run, got .*none': there is no such"):
        run(request_for("new/run", run=tmp_path / "none"))
    (source / "policy.safetensors").write_bytes(b"junk")
    with pytest.raises(CoresetError, match=r"cannot read .*policy\.safetensors"):
        run(request_for("new/run"))
    assert not (tmp_path / "new").exists()


def test_a_ratio_that_keeps_nothing_is_refused(request_for: Request, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ratio must be large enough"):
        run(request_for("new/run", ratios=(0.4, 0.001)))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("features", "fresh")])
def test_a_value_out_of_range_is_refused(request_for: Request, name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be"):
        request_for(**{name: value})


def test_the_threshold_of_the_adapted_policy(request_for: Request) -> None:
    coreset = Coreset.load(run(request_for(export=ExportSettings(mode="threshold"))))
    assert coreset.indices.tolist() == np.flatnonzero(coreset.scores > 0).tolist()


def test_a_run_that_did_not_finish_is_refused(request_for: Request, source: Path, tmp_path: Path) -> None:
    (source / "status.json").write_text('{"state": "running"}')
    with pytest.raises(
        CoresetError, match=r"run must be the folder of a finished run, got .*source', which is running"
    ):
        run(request_for("new/run"))
    assert not (tmp_path / "new").exists()


def test_a_target_of_another_architecture_is_not_continued(
    request_for: Request, settings: RunSettings, tmp_path: Path
) -> None:
    wider = replace(settings, model=SmallCNN(width=4))
    with pytest.raises(CoresetError, match="it is no small_cnn as the run recorded it"):
        run(request_for("new/run", settings=wider, features="continued"))
    assert not (tmp_path / "new").exists()


def test_a_policy_of_other_features_cannot_see_the_target_train_on(
    request_for: Request, settings: RunSettings, tmp_path: Path
) -> None:
    given = tmp_path / "given.npy"
    np.save(given, np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32))
    source = selected(settings, tmp_path / "given", features=given)
    with pytest.raises(CoresetError, match="learned on features that the user brought: use features=saved"):
        run(request_for("new/run", run=source, features="continued"))
    assert not (tmp_path / "new").exists()
    assert len(Coreset.load(run(request_for("saved", run=source)))) == 36


def test_a_training_can_be_continued_twice_but_not_without_its_target(request_for: Request, source: Path) -> None:
    first = run(request_for("first", features="continued"))
    assert Coreset.load(run(request_for("second", run=first, features="continued"))).provenance.parent == str(first)
    saved = run(request_for("saved"))
    with pytest.raises(CoresetError, match=f"made with features=saved: give the run that it began with, {source}$"):
        run(request_for("third", run=saved, features="continued"))
