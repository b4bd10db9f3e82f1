"""`rlsel apply` as a whole: from a run on 90 small images to others, and from one half of the digits to the other."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.stats import spearmanr

from rlsel.commands.apply import apply
from rlsel.commands.finetune_ratio import finetune_ratio
from rlsel.commands.requests import ApplyRequest, FinetuneRequest, SelectRequest
from rlsel.commands.select import select
from rlsel.coreset import Coreset
from rlsel.data.arrays import Arrays
from rlsel.data.variation import Variation
from rlsel.errors import ConfigurationError, CoresetError, DataError, RlselError
from rlsel.export import ExportSettings
from rlsel.policy.a2c import A2C
from rlsel.policy.dqn import DQN
from rlsel.policy.ppo import PPO
from rlsel.policy.rewards import Paper
from rlsel.run_files import seal
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.random import Random
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.reporting import SilentReporter

QUICK = RLSelector(rollout=64, settle_passes=2)
FILES = {
    *("indices.npy", "scores.npy", "labels.npy", "selected.csv", "coreset.json"),
    *("config.yaml", "status.json", "SHA256SUMS"),
}

Request = Callable[..., ApplyRequest]
WriteArchive = Callable[..., Path]


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
def unseen(settings: RunSettings, write_archive: WriteArchive) -> RunSettings:
    """Sixty other images of the same kind."""
    return replace(settings, dataset=Arrays(path=write_archive("unseen", size=60, seed=1)))


@pytest.fixture
def request_for(source: Path, unseen: RunSettings, tmp_path: Path) -> Request:
    """Asks for a ratio of the sixty images; what is given replaces the fields of the request."""

    def make(run_dir: str = "run", **given: Any) -> ApplyRequest:
        arguments: dict[str, Any] = {
            "run": source,
            "settings": unseen,
            "selector": QUICK,
            "ratios": (0.4,),
            "options": RunOptions(run_dir=tmp_path / run_dir),
        }
        return ApplyRequest(**{**arguments, **given})

    return make


def run(request: ApplyRequest) -> Path:
    return apply(request, SilentReporter())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def result(folder: Path) -> tuple[bytes, bytes, bytes]:
    return tuple((folder / name).read_bytes() for name in ("indices.npy", "scores.npy", "selected.csv"))  # type: ignore[return-value]


def test_a_policy_selects_from_what_it_has_not_seen(
    request_for: Request, source: Path, reporter: Any, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    folder = apply(request_for(), reporter)
    assert folder == tmp_path / "run"
    assert reporter.trainings == [], "nothing is trained"
    read, note, end = reporter.notes
    assert read == "arrays: 60 images, 3 classes, 30 more to measure on, 8 px"
    assert note.startswith("note: learned to keep 0.7 of arrays, the policy would keep 0.")
    assert note.endswith(" of these 60 samples of arrays if its threshold stayed")
    # floor(0.4 x 60 + 0.5)
    assert end.startswith("note: 24 of 60 samples are kept, ")
    assert end.endswith(" s; next: rlsel train-on-subset coreset=run")
    assert names(folder) - {"near_duplicates.npy"} == FILES
    coreset = Coreset.load(folder)
    assert len(coreset) == 24
    assert coreset.scores.shape == (60,)
    assert coreset.provenance.parent == str(source)
    assert coreset.provenance.export.mode == "sample", "the selector's own"
    assert coreset.provenance.ratio.requested == coreset.provenance.ratio.thresholded == 0.4
    assert (coreset.scores > 0).sum() == 24, "the share above one half is the ratio"
    assert coreset.provenance.dataset.size == 60
    assert coreset.provenance.dataset.fingerprint != Coreset.load(source).provenance.dataset.fingerprint
    assert json.loads((folder / "status.json").read_text())["state"] == "complete"
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


def test_the_coreset_is_the_same_alone_in_a_list_and_again(request_for: Request) -> None:
    listed = run(request_for("listed", ratios=(0.4, 0.2)))
    for ratio, count in ((0.4, 24), (0.2, 12)):
        [cell] = listed.glob(f"rl_selector/ratio-{ratio:.2f}_seed-0_*")
        assert len(Coreset.load(cell)) == count
        assert result(cell) == result(run(request_for(f"alone-{ratio}", ratios=(ratio,))))


@pytest.mark.parametrize("policy", [PPO(), DQN(), A2C(distribution="beta")], ids=lambda spec: spec.name)
@pytest.mark.parametrize("state", ["features", "features+history"])
def test_every_policy_can_be_applied(
    request_for: Request, settings: RunSettings, tmp_path: Path, policy: Any, state: Any
) -> None:
    selector = replace(QUICK, policy=policy, state=state)
    folder = selected(settings, tmp_path / "other", selectors=(selector,))
    coreset = Coreset.load(run(request_for(run=folder, selector=selector)))
    assert len(coreset) == (coreset.scores > 0).sum() == 24


def test_a_policy_of_features_judges_the_recorded_data_set_as_before(
    request_for: Request, settings: RunSettings, tmp_path: Path
) -> None:
    selector = replace(QUICK, state="features")
    folder = selected(settings, tmp_path / "other", selectors=(selector,))
    again = run(request_for(run=folder, selector=selector, settings=settings, ratios=(0.7,)))
    assert result(again) == result(folder)


def test_images_are_normalised_as_the_run_s_were(
    request_for: Request, unseen: RunSettings, write_archive: WriteArchive, tmp_path: Path
) -> None:
    """A data set of other statistics, some of whose images are those of `unseen`: these are judged alike."""
    with np.load(unseen.dataset.path) as archive:  # type: ignore[attr-defined]
        arrays = dict(archive)
    arrays["images"] = np.concatenate([arrays["images"], np.full((60, 8, 8), 255, np.uint8)])
    arrays["labels"] = np.tile(arrays["labels"], 2)
    np.savez(tmp_path / "brighter.npz", **arrays)
    brighter = replace(unseen, dataset=Arrays(path=tmp_path / "brighter.npz"))
    scores = [
        np.load(run(request_for(name, settings=settings)) / "scores.npy")[:60]
        for name, settings in (("plain", unseen), ("brighter", brighter))
    ]
    # the distances are those among all samples of each; float32 sums in batches of another size round differently
    assert spearmanr(*scores).statistic > 0.999


def test_a_reward_without_a_price_leaves_the_threshold(
    request_for: Request, settings: RunSettings, tmp_path: Path, reporter: Any
) -> None:
    selector = replace(QUICK, reward=Paper())
    folder = selected(settings, tmp_path / "other", selectors=(selector,))
    requests = [request_for(f"run-{ratio}", run=folder, selector=selector, ratios=(ratio,)) for ratio in (0.2, 0.6)]
    first, second = (Coreset.load(apply(request, reporter)) for request in requests)
    assert (first.scores == second.scores).all()
    assert (len(first), len(second)) == (12, 36)
    told = ("arrays: 60 images", "note: 12 of 60 samples are kept", "note: 36 of 60 samples are kept")
    assert all(note.startswith(told) for note in reporter.notes), "nothing but what was read and what is kept"


@pytest.mark.parametrize(("mode", "count"), [("topk", 24), ("stratified", 24), ("threshold", 24)])
def test_the_export_can_be_chosen(request_for: Request, mode: Any, count: int) -> None:
    coreset = Coreset.load(run(request_for(export=ExportSettings(mode=mode))))
    assert len(coreset) == count
    assert coreset.provenance.export.mode == mode
    if mode == "threshold":
        assert coreset.indices.tolist() == np.flatnonzero(coreset.scores > 0).tolist()


def test_a_complete_run_is_not_run_again(request_for: Request) -> None:
    folder = run(request_for())
    stamp, before = (folder / "coreset.json").stat().st_mtime_ns, result(folder)
    assert run(request_for()) == folder
    assert (folder / "coreset.json").stat().st_mtime_ns == stamp
    run(request_for(options=RunOptions(run_dir=folder, resume="never")))
    assert (folder / "coreset.json").stat().st_mtime_ns != stamp
    assert result(folder) == before


def test_another_run_in_the_same_folder_counts_as_another(
    request_for: Request, source: Path, settings: RunSettings
) -> None:
    folder = run(request_for())
    stamp = (folder / "coreset.json").stat().st_mtime_ns
    # the recorded data set is no part of what `apply` reads, but the policy knows it
    selected(replace(settings, variation=Variation(train_size=60)), source)
    run(request_for())
    assert (folder / "coreset.json").stat().st_mtime_ns != stamp


def test_without_run_dir_it_lies_under_outputs(request_for: Request, tmp_path: Path) -> None:
    folder = run(request_for(options=RunOptions()))
    assert folder.parent == tmp_path / "outputs/apply/arrays/rl_selector"
    assert folder.name.startswith("ratio-0.40_seed-0_")


def refused(request: ApplyRequest, tmp_path: Path, kind: type[RlselError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        run(request)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_what_is_no_run_of_a_policy_is_refused(
    request_for: Request, source: Path, settings: RunSettings, tmp_path: Path
) -> None:
    score = selected(settings, tmp_path / "random", selectors=(Random(),))
    wrong = request_for("new/run", run=score, selector=Random())
    refused(wrong, tmp_path, ConfigurationError, "must be a select run of a policy, got one of selector=random")
    adapted = finetune_ratio(
        FinetuneRequest(
            run=source, settings=settings, selector=QUICK, ratios=(0.3,), epochs=1,
            options=RunOptions(run_dir=tmp_path / "adapted"),
        ),
        SilentReporter(),
    )  # fmt: skip
    refused(request_for("new/run", run=adapted), tmp_path, CoresetError, f"give the one that it began with, {source}")
    refused(request_for("new/run", run=tmp_path / "none"), tmp_path, CoresetError, "/none': there is no such folder")


def test_a_run_on_the_user_s_features_is_refused(request_for: Request, settings: RunSettings, tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", np.random.default_rng(0).normal(size=(90, 5)))
    own = selected(settings, tmp_path / "own", features=tmp_path / "features.npy")
    refused(request_for("new/run", run=own), tmp_path, CoresetError, "got one with features=")


def test_an_interrupted_run_is_refused(request_for: Request, source: Path, tmp_path: Path) -> None:
    (source / "status.json").write_text(json.dumps({"state": "running", "error": None, "settings_hash": "x"}))
    refused(request_for("new/run"), tmp_path, CoresetError, "folder of a finished run, got .*, which is running")


def test_a_run_whose_policy_is_lost_is_refused(request_for: Request, source: Path, tmp_path: Path) -> None:
    (source / "policy.safetensors").unlink()
    refused(request_for("new/run"), tmp_path, CoresetError, r"cannot read .*policy\.safetensors")


def test_unfit_data_is_refused(
    request_for: Request, unseen: RunSettings, write_archive: WriteArchive, tmp_path: Path
) -> None:
    larger = tmp_path / "larger.npz"
    np.savez(larger, images=np.random.default_rng(0).integers(0, 250, (40, 10, 10), np.uint8), labels=np.arange(40) % 3)
    settings = replace(unseen, dataset=Arrays(path=larger))
    refused(request_for("new/run", settings=settings), tmp_path, DataError, "images of 1x8x8 .* got 1x10x10 in arrays")
    np.savez(larger, images=np.random.default_rng(0).integers(0, 250, (40, 8, 8), np.uint8), labels=np.arange(40) % 4)
    refused(request_for("new/run", settings=settings), tmp_path, DataError, "at most the 3 classes .* got 4 in arrays")
    for factor, seen in ((1.0, "0 to 2"), (1 / 16 / 16, None)):
        scaled = np.random.default_rng(0).integers(0, 250, (40, 8, 8)).astype(np.float32) * factor
        np.savez(larger, images=scaled, labels=np.arange(40) % 3)
        if seen is not None:
            message = f"on the scale of the run's, .* .bytes count as 0 to 1., got {seen}"
            refused(request_for("new/run", settings=settings), tmp_path, DataError, message)
    assert len(Coreset.load(run(request_for("floats", settings=settings)))) == 16, "floats of 0 to 1 are as bytes"
    missing = replace(unseen, dataset=Arrays(path=tmp_path / "none.npz"))
    refused(request_for("new/run", settings=missing), tmp_path, DataError, "none.npz")


def test_a_ratio_that_keeps_nothing_is_refused(request_for: Request, tmp_path: Path) -> None:
    wrong = request_for("new/run", ratios=(0.4, 0.001))
    refused(wrong, tmp_path, ConfigurationError, "ratio must be large enough")


def test_features_that_are_no_numbers_leave_nothing(request_for: Request, source: Path, tmp_path: Path) -> None:
    path = source / "target.safetensors"
    tensors = load_file(path)
    save_file({name: torch.full_like(value, torch.nan) if value.is_floating_point() else value
               for name, value in tensors.items()}, path)  # fmt: skip
    seal(source)
    refused(request_for("new/run"), tmp_path, DataError, "features must be finite numbers")


def test_fewer_classes_are_no_obstacle(request_for: Request, unseen: RunSettings, tmp_path: Path) -> None:
    path = tmp_path / "two.npz"
    np.savez(
        path, images=np.random.default_rng(0).integers(0, 255, (40, 8, 8)).astype(np.uint8), labels=np.arange(40) % 2
    )
    assert len(Coreset.load(run(request_for(settings=replace(unseen, dataset=Arrays(path=path)))))) <= 16


def test_from_one_half_of_the_digits_to_the_other(rlsel: Callable[..., Any]) -> None:
    first = rlsel("select", "dataset.part=first", "ratio=0.5", "training.epochs=4", "run_dir=first").folder
    of_first = Coreset.load(first)
    assert (len(of_first.scores), len(of_first.candidates)) == (1797, 719)
    second = rlsel("apply", "run=first", "dataset.part=second", "ratio=0.3").folder
    assert second.parent == Path.cwd() / "outputs/apply/digits/rl_selector"
    coreset = Coreset.load(second)
    assert (len(coreset.scores), len(coreset.candidates), len(coreset)) == (1797, 718, 215)
    assert not set(coreset.candidates) & set(of_first.candidates)
    assert not set(coreset.candidates) & set(coreset.held_out)
    assert coreset.provenance.ratio.thresholded == pytest.approx(0.3, abs=0.01)
    own = Coreset.load(rlsel("select", "dataset.part=second", "ratio=0.3", "training.epochs=4", "run_dir=own").folder)
    assert own.provenance.dataset == coreset.provenance.dataset
    # it knows the samples that it never saw: chance is 0 ± 0.04
    assert spearmanr(coreset.scores, own.scores, nan_policy="omit").statistic > 0.2
    # the coreset is one like any other: a model is trained on it
    trained = rlsel("train-on-subset", f"coreset={second}", "training.epochs=1").folder
    assert json.loads((trained / "result.json").read_text())["num_train"] == 215


def test_the_program_keeps_the_invariant_in_a_sweep(rlsel: Callable[..., Any], source: Path, unseen: Any) -> None:
    data = ("dataset=arrays", f"dataset.path={unseen.dataset.path}")
    parent = rlsel("apply", "-m", f"run={source}", *data, "ratio=0.2,0.4", "run_dir=swept").folder
    assert parent == Path.cwd() / "swept"
    for ratio in (0.2, 0.4):
        [cell] = parent.glob(f"rl_selector/ratio-{ratio:.2f}_seed-0_*")
        alone = rlsel("apply", f"run={source}", *data, f"ratio={ratio}", f"run_dir=alone-{ratio}").folder
        assert result(cell) == result(alone)


def test_the_program_refuses_in_one_line(rlsel: Callable[..., Any], source: Path) -> None:
    before = set(Path.cwd().rglob("*"))
    outcome = rlsel("apply", f"run={source}", "dataset=digits", "dataset.train_size=50", "ratio=0.4")
    assert outcome.code == 2
    assert outcome.err.startswith("error: dataset must have at most the 3 classes")
    assert outcome.err.count("\n") == 1
    assert set(Path.cwd().rglob("*")) == before
