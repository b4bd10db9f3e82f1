"""`rlsel select` as a whole, on 90 small images and two epochs."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rlsel.commands.requests import SelectRequest
from rlsel.commands.select import plan, select
from rlsel.coreset import Coreset
from rlsel.data.arrays import Arrays
from rlsel.errors import ConfigurationError, DataError, StorageError
from rlsel.export import ExportSettings
from rlsel.models.small_cnn import SmallCNN
from rlsel.policy.dqn import DQN
from rlsel.policy.ppo import PPO
from rlsel.policy.rewards import Dynamics, Paper
from rlsel.runs.plan import Planned
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.aum import AUM
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Selector
from rlsel.selectors.el2n import EL2N
from rlsel.selectors.random import Random
from rlsel.selectors.rl_selector import RLSelector
from rlsel.selectors.rl_selector_finetuned import RLSelectorFinetuned
from rlsel.training.checkpoints import load_state, save_state
from rlsel.training.reporting import SilentReporter
from rlsel.training.resuming import Checkpointing
from rlsel.training.settings import TrainingSettings

QUICK = RLSelector(rollout=64, settle_passes=2)
FILES = {
    *("indices.npy", "scores.npy", "labels.npy", "selected.csv", "coreset.json"),
    *("config.yaml", "status.json", "SHA256SUMS"),
}
LEARNED = {"metrics.jsonl", "policy.safetensors", "features.safetensors", "target.safetensors", "target.json"}

Request = Callable[..., SelectRequest]


@pytest.fixture
def request_for(settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    """Asks for RL-Selector at one ratio; what is given replaces the fields of the request."""
    monkeypatch.chdir(tmp_path)

    def make(run_dir: str = "run", **given: Any) -> SelectRequest:
        given = {"selectors": (QUICK,), "ratios": (0.3,), "settings": settings, **given}
        return SelectRequest(**{"options": RunOptions(run_dir=tmp_path / run_dir), **given})

    return make


def run(request: SelectRequest) -> Path:
    return select(request, SilentReporter())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "coreset.json").read_text())


def state(folder: Path) -> str:
    return json.loads((folder / "status.json").read_text())["state"]


def result(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "indices.npy").read_bytes(), (folder / "scores.npy").read_bytes()


def rows(folder: Path) -> list[Mapping[str, float]]:
    """The metrics without the seconds, the only ones that may differ."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


def test_a_run_folder_holds_what_the_contract_says(request_for: Request, tmp_path: Path) -> None:
    folder = run(request_for())
    assert folder == tmp_path / "run"
    assert names(folder) - {"near_duplicates.npy"} == FILES | LEARNED
    coreset, content = Coreset.load(folder), record(folder)
    assert len(coreset) == 27
    assert content["num_selected"] == sum(content["class_counts"]) == 27
    assert content["dataset"] | {"fingerprint": None} == {
        "name": "arrays",
        "split": "train",
        "size": 90,
        "candidates": 90,
        "num_classes": 3,
        "class_names": ["0", "1", "2"],
        "label_values": ["0", "1", "2"],
        "fingerprint": None,
    }
    assert content["ratio"]["requested"] == content["ratio"]["achieved"] == 0.3
    assert content["ratio"]["thresholded"] == pytest.approx((coreset.scores > 0).mean())
    assert abs(content["ratio"]["thresholded"] - 0.3) <= 0.01
    assert content["selector"]["name"] == "rl_selector"
    assert (content["seed"], content["parent"]) == (0, None)
    assert content["wall_seconds"] > 0
    assert content["peak_rss_bytes"] > 1e7
    assert set(content["versions"]) >= {"rlsel", "torch", "numpy"}
    assert state(folder) == "complete"
    assert [row["epoch"] for row in rows(folder)] == [1, 2]
    assert {"loss", "accuracy", "share_kept", "reward", "coverage_correlation"} <= set(rows(folder)[1])


def test_the_coreset_is_the_same_alone_and_in_a_list(request_for: Request) -> None:
    several = (QUICK, EL2N(num_models=2), AUM(), Random())
    parent = run(request_for("all", selectors=several, ratios=(0.3, 0.7)))
    assert names(parent) == {selector.name for selector in several}
    for selector in several:
        for ratio in (0.3, 0.7):
            alone = run(request_for(f"{selector.name}-{ratio}", selectors=(selector,), ratios=(ratio,)))
            [listed] = (parent / selector.name).glob(f"ratio-{ratio:.2f}_seed-0_*")
            assert result(listed) == result(alone), (selector.name, ratio)
            assert Coreset.load(listed).provenance.settings_hash == Coreset.load(alone).provenance.settings_hash
            assert not list(listed.glob(".*")), "no checkpoint is left"
            if selector == QUICK:
                assert rows(listed) == rows(alone)


@pytest.mark.parametrize("selector", [replace(QUICK, policy=PPO()), replace(QUICK, policy=DQN(), reward=Dynamics())])
def test_every_policy_is_reproducible(request_for: Request, selector: RLSelector) -> None:
    first, again = (run(request_for(name, selectors=(selector,))) for name in ("a", "b"))
    assert result(first) == result(again)
    assert rows(first) == rows(again)


def test_another_seed_gives_another_coreset(request_for: Request, settings: RunSettings) -> None:
    first, other = run(request_for("a")), run(request_for("b", settings=replace(settings, seed=1)))
    assert result(first)[0] != result(other)[0]


def test_the_program_keeps_the_invariant_in_a_sweep(rlsel: Callable[..., Any], settings: RunSettings) -> None:
    common = [
        *("dataset=arrays", f"dataset.path={settings.dataset.path}", "model.width=2", "training.epochs=2"),
        *("training.batch_size=32", "selector.settle_passes=2", "device=cpu"),
    ]
    alone = rlsel("select", *common, "ratio=0.3", "run_dir=alone").folder
    listed = rlsel("select", *common, "ratio=[0.3,0.7]", "run_dir=listed").folder
    swept = rlsel("select", "-m", *common, "ratio=0.3,0.7", "run_dir=swept").folder
    assert (listed, swept) == (Path.cwd() / "listed", Path.cwd() / "swept")
    cells = [next(parent.glob("rl_selector/ratio-0.30_seed-0_*")) for parent in (listed, swept)]
    assert result(alone) == result(cells[0]) == result(cells[1])
    assert cells[0].name == cells[1].name
    assert names(alone) == names(cells[0]) == names(cells[1]) == FILES | LEARNED
    assert names(Path.cwd()) == {"alone", "listed", "swept"}, "no outputs of Hydra's own"


def test_a_selector_without_training_is_charged_for_no_training(
    request_for: Request, settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlsel.training.resuming.save_state", lambda path, state: None)
    longer = replace(settings, training=replace(settings.training, epochs=12))
    parent = run(request_for("all", settings=longer, selectors=(EL2N(), Random())))
    [el2n, random] = [record(next((parent / name).iterdir()))["wall_seconds"] for name in ("el2n", "random")]
    # the training takes 36 steps; what both are charged for is reading 90 images
    assert random < el2n / 2


def test_a_selector_without_training_trains_nothing(request_for: Request, reporter: Any) -> None:
    folder = select(request_for(selectors=(Random(),)), reporter)
    assert reporter.trainings == []
    assert names(folder) == FILES


@pytest.mark.parametrize(("ratio", "kept"), [(1.0, 90), (0.5, 45), (0.01, 1), (0.995, 90)])
def test_the_size_is_exact(request_for: Request, ratio: float, kept: int) -> None:
    # floor(ratio * 90 + 0.5): 0.01 * 90 = 0.9 and 0.995 * 90 = 89.55
    coreset = Coreset.load(run(request_for(ratios=(ratio,))))
    assert len(coreset) == kept
    if kept == 90:
        assert coreset.indices.tolist() == list(range(90))


@pytest.mark.parametrize("policy", [QUICK, RLSelectorFinetuned(epochs=2)], ids=lambda policy: policy.name)
def test_the_threshold_of_a_policy(request_for: Request, policy: Selector) -> None:
    folder = run(request_for(selectors=(policy,), export=ExportSettings(mode="threshold")))
    coreset = Coreset.load(folder)
    assert coreset.indices.tolist() == np.flatnonzero(coreset.scores > 0).tolist()
    assert record(folder)["ratio"]["achieved"] == record(folder)["ratio"]["thresholded"]


def test_the_threshold_of_a_score_is_refused(request_for: Request, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"export\.mode must be"):
        run(request_for(selectors=(QUICK, EL2N()), export=ExportSettings(mode="threshold")))
    assert not (tmp_path / "run").exists()


def test_a_ratio_that_keeps_nothing_is_refused(request_for: Request, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ratio must be large enough"):
        run(request_for("new/run", ratios=(0.5, 0.001)))
    assert not (tmp_path / "new").exists()


def test_weighting_by_the_policy(request_for: Request, settings: RunSettings, tmp_path: Path) -> None:
    weighted = replace(settings, training=replace(settings.training, weighting="policy"))
    for several in ({"ratios": (0.3, 0.7)}, {"selectors": (QUICK, Random())}, {"selectors": (EL2N(),)}):
        with pytest.raises(ConfigurationError, match=r"training\.weighting=policy must go with one policy"):
            run(request_for("new/run", settings=weighted, **several))
        assert not (tmp_path / "new").exists(), "refused without a trace"
    first, second = run(request_for("a", settings=weighted)), run(request_for("b"))
    assert (first / "target.safetensors").read_bytes() != (second / "target.safetensors").read_bytes()
    # the policy is at rest in the first epoch, in which all samples weigh the same
    assert rows(first)[0]["loss"] == rows(second)[0]["loss"]
    assert rows(first)[1]["loss"] != rows(second)[1]["loss"]


@pytest.mark.parametrize("selector", [QUICK, replace(QUICK, state="features")])
def test_the_user_s_features_need_no_training(
    request_for: Request, tmp_path: Path, reporter: Any, selector: RLSelector
) -> None:
    path = tmp_path / "features.npy"
    np.save(path, np.random.default_rng(0).normal(size=(90, 5)))
    folder = select(request_for(selectors=(selector,), features=path), reporter)
    assert reporter.trainings == []
    assert names(folder) == FILES | {"policy.safetensors", "features.safetensors"}
    assert record(folder)["selector"]["settings"]["features"] == hashlib.sha256(path.read_bytes()).hexdigest()
    elsewhere = path.rename(tmp_path / "moved.npy")
    again = run(request_for("again", selectors=(selector,), features=elsewhere))
    assert result(folder) == result(again)
    assert record(folder)["settings_hash"] == record(again)["settings_hash"], "they go by what they hold"


def test_features_of_the_user_need_no_training(request_for: Request, tmp_path: Path, reporter: Any) -> None:
    path = tmp_path / "features.npy"
    np.save(path, np.random.default_rng(0).normal(size=(90, 5)))
    folder = select(request_for(selectors=(replace(QUICK, reward=Dynamics()),), features=path), reporter)
    assert reporter.trainings == []
    assert names(folder) == FILES | LEARNED - {"target.safetensors", "target.json", "metrics.jsonl"}


@pytest.mark.parametrize("features", [np.zeros((89, 5)), np.full((90, 5), np.nan)])
def test_unfit_features_leave_nothing(request_for: Request, tmp_path: Path, features: np.ndarray) -> None:
    np.save(tmp_path / "features.npy", features)
    with pytest.raises(DataError, match="features must"):
        run(request_for("new/run", features=tmp_path / "features.npy"))
    assert not (tmp_path / "new").exists()


def test_a_complete_run_is_not_run_again(request_for: Request, reporter: Any, settings: RunSettings) -> None:
    folder = run(request_for())
    before = result(folder)
    stamp = (folder / "coreset.json").stat().st_mtime_ns
    assert select(request_for(), reporter) == folder
    assert reporter.trainings == []
    assert reporter.notes == ["note: the run is complete already and is taken as it is: resume=never makes it anew"]
    assert (folder / "coreset.json").stat().st_mtime_ns == stamp
    # where the data is not needed, it may be gone
    settings.dataset.path.unlink()
    assert select(request_for(), reporter) == folder
    assert result(folder) == before


def test_a_selection_ends_with_what_is_kept_and_what_to_type_next(request_for: Request, reporter: Any) -> None:
    folder = select(request_for(selectors=(Random(),)), reporter)
    counts = record(folder)["class_counts"]
    last = reporter.notes[-1]
    assert last.startswith("note: 27 of 90 samples are kept, ")  # 0.3 of 90
    assert last.endswith("; next: rlsel train-on-subset coreset=run")
    assert f"({min(counts)})" in last or f" {min(counts)} of each class" in last


def test_a_complete_run_is_run_again_on_demand(request_for: Request, reporter: Any, tmp_path: Path) -> None:
    folder = run(request_for())
    before, stamp = result(folder), (folder / "coreset.json").stat().st_mtime_ns
    select(request_for(options=RunOptions(run_dir=tmp_path / "run", resume="never")), reporter)
    assert reporter.trainings == ["target small_cnn"]
    assert (folder / "coreset.json").stat().st_mtime_ns != stamp
    assert result(folder) == before


def test_other_settings_in_the_same_folder_replace_the_run(request_for: Request) -> None:
    folder = run(request_for())
    before = result(folder)
    assert run(request_for(selectors=(EL2N(),))) == folder
    assert result(folder) != before
    assert record(folder)["selector"]["name"] == "el2n"
    assert state(folder) == "complete"


def test_only_what_is_missing_is_made(request_for: Request, reporter: Any) -> None:
    first = run(request_for(ratios=(0.3, 0.7), selectors=(Random(),)))
    stamps = {path: path.stat().st_mtime_ns for path in first.rglob("coreset.json")}
    assert len(stamps) == 2
    select(request_for(ratios=(0.3, 0.5, 0.7), selectors=(Random(), EL2N())), reporter)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    made, there = reporter.notes[-2:]
    assert made.startswith("note: 4 coresets are made, of 27 to 63 samples, ")  # of 90, 0.3 to 0.7
    assert there == "note: 2 of 6 runs are complete already and are taken as they are: resume=never makes all anew"
    assert len(list(first.rglob("coreset.json"))) == 6


def test_without_run_dir_runs_lie_under_outputs(request_for: Request, settings: RunSettings, tmp_path: Path) -> None:
    one = run(request_for(options=RunOptions()))
    assert one.parent == tmp_path / "outputs/select/arrays/rl_selector"
    assert one.name.startswith("ratio-0.30_seed-0_")
    several = run(request_for(options=RunOptions(), ratios=(0.3, 0.7), selectors=(Random(),)))
    assert several == tmp_path / "outputs/select/arrays/random"


def test_a_place_that_is_a_file_is_refused(request_for: Request, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="is a file"):
        run(request_for("file/run"))


@dataclass(frozen=True, kw_only=True)
class Failing:
    """Fails in the way of its error, after the training."""

    name: ClassVar[str] = "failing"
    export: ClassVar[ExportSettings] = ExportSettings()

    error: str

    def needs(self, task: SelectionTask) -> Needs:
        return Needs(training=True)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        errors: Mapping[str, BaseException] = {
            "user": DataError("the data is unfit"),
            "defect": ZeroDivisionError("unexpected"),
            "stop": KeyboardInterrupt(),
        }
        raise errors[self.error]


def test_a_user_s_error_after_the_training_leaves_nothing(request_for: Request, tmp_path: Path) -> None:
    before = names(tmp_path)
    with pytest.raises(DataError, match="the data is unfit"):
        run(request_for("new/run", selectors=(Random(), Failing(error="user"))))
    with pytest.raises(DataError):
        run(request_for(options=RunOptions(), selectors=(Failing(error="user"),)))
    assert names(tmp_path) == before


def test_a_defect_leaves_a_failed_run_that_is_run_again(request_for: Request) -> None:
    selectors: tuple[Selector, ...] = (Random(), Failing(error="defect"))
    with pytest.raises(ZeroDivisionError):
        run(request_for(selectors=selectors))
    folders = {path.parent.name: path for path in request_for().options.run_dir.glob("*/*")}
    assert {name: state(path) for name, path in folders.items()} == {"random": "complete", "failing": "failed"}
    assert "ZeroDivisionError: unexpected" in (folders["failing"] / "status.json").read_text()
    assert not (folders["failing"] / "coreset.json").exists()
    with pytest.raises(ZeroDivisionError):
        run(request_for(selectors=selectors))


def test_an_interrupted_selection_goes_on_as_if_nothing_had_happened(
    request_for: Request, stopping: Callable[..., Any]
) -> None:
    several = {"selectors": (QUICK, EL2N(), AUM())}
    expected = run(request_for("calm", **several))
    for step in (1, 3, 4, 6):
        stopped = request_for(f"stopped-{step}", **several)
        with pytest.raises(KeyboardInterrupt):
            select(stopped, stopping(at=step))
        folders = sorted(stopped.options.run_dir.glob("*/*"))
        assert len(folders) == 3
        assert {state(folder) for folder in folders} == {"interrupted"}
        checkpoints = sorted(path.name.split(".")[2][:5] for path in stopped.options.run_dir.rglob(".training-*.ckpt"))
        assert checkpoints == ["cells", "ckpt"], "what is made together, and the one training of it"
        resumed = run(stopped)
        for folder in folders:
            calm = expected / folder.relative_to(resumed)
            assert result(folder) == result(calm), f"interrupted after step {step}"
            assert rows(folder) == rows(calm)
            assert names(folder) == names(calm)
            assert state(folder) == "complete"


def save_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlsel.runs.checkpoint.Checkpointing", partial(Checkpointing, every_seconds=0))


def test_killed_between_two_coresets_it_trains_nothing_again(
    request_for: Request, reporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = {"selectors": (AUM(), QUICK), "ratios": (0.3, 0.6)}
    expected = run(request_for("calm", **several))
    save_often(monkeypatch)
    request = request_for("killed", **several)

    def die_after_the_first_of(selector: str) -> None:
        save = Planned.save

        def save_and_die(self: Planned, coreset: Coreset) -> None:
            save(self, coreset)
            if self.name == selector:
                raise SystemExit

        with monkeypatch.context() as patch:
            patch.setattr(Planned, "save", save_and_die)
            with pytest.raises(SystemExit):
                select(request, reporter)

    steps: list[int] = []
    reporter.step = steps.append
    die_after_the_first_of("aum")
    die_after_the_first_of("rl_selector")
    resumed = select(request, reporter)
    assert steps == [1, 2, 3, 4, 5, 6]
    folders = sorted(resumed.glob("*/*"))
    assert [folder.name[:10] for folder in folders] == ["ratio-0.30", "ratio-0.60"] * 2
    for folder in folders:
        calm = expected / folder.relative_to(resumed)
        assert result(folder) == result(calm)
        assert rows(folder) == rows(calm)
        assert names(folder) == names(calm), "no checkpoint is left"
        assert record(folder)["parent"] is None


def test_the_seconds_of_before_an_interruption_count(
    request_for: Request, stopping: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        select(request_for(), stopping(at=4))
    [checkpoint] = (tmp_path / "run").glob(".training-*.ckpt")
    saved = load_state(checkpoint)
    save_state(checkpoint, {**saved, "seconds": 1000.0 + saved["seconds"]})
    assert 1000 < record(run(request_for()))["wall_seconds"] < 1100


@pytest.mark.parametrize("policy", [PPO(), DQN()])
def test_every_policy_can_be_interrupted(request_for: Request, stopping: Callable[..., Any], policy: PPO | DQN) -> None:
    selectors = (replace(QUICK, policy=policy, rollout=16),)
    calm = run(request_for("calm", selectors=selectors))
    for step in (4, 5):
        stopped = request_for(f"stopped-{step}", selectors=selectors)
        with pytest.raises(KeyboardInterrupt):
            select(stopped, stopping(at=step))
        resumed = run(stopped)
        assert result(resumed) == result(calm), f"interrupted after step {step}"
        assert rows(resumed) == rows(calm)


def test_a_new_start_forgets_an_interrupted_training(
    request_for: Request, stopping: Callable[..., Any], reporter: Any, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        select(request_for(), stopping(at=4))
    steps: list[int] = []
    reporter.step = steps.append
    select(request_for(options=RunOptions(run_dir=tmp_path / "run", resume="never")), reporter)
    assert steps == [1, 2, 3, 4, 5, 6]


def test_another_ratio_of_a_score_trains_nothing(request_for: Request, reporter: Any) -> None:
    fresh = run(request_for("fresh", selectors=(EL2N(),), ratios=(0.5, 0.6)))
    first = run(request_for(selectors=(EL2N(),), ratios=(0.3, 0.6)))
    select(request_for(selectors=(EL2N(),), ratios=(0.3, 0.5)), reporter)
    assert reporter.trainings == []
    (again,) = first.glob("el2n/ratio-0.50*")
    (expected,) = fresh.glob("el2n/ratio-0.50*")
    for name in ("indices.npy", "scores.npy"):
        assert (again / name).read_bytes() == (expected / name).read_bytes()
    assert record(again)["parent"].startswith(str(first)), "it says where the scores come from"
    assert record(expected)["parent"] is None


def test_another_training_is_not_taken_for_recorded_scores(request_for: Request, reporter: Any) -> None:
    request = request_for(selectors=(EL2N(),), ratios=(0.3, 0.6))
    run(request)
    other = replace(request.settings, training=replace(request.settings.training, learning_rate=0.07))
    select(replace(request, settings=other, ratios=(0.5, 0.6)), reporter)
    assert len(reporter.trainings) == 1


def test_one_conditioned_policy_serves_every_ratio(request_for: Request, reporter: Any) -> None:
    conditioned = replace(QUICK, conditioned=True)
    several = request_for("several", selectors=(conditioned,), ratios=(0.3, 0.5, 0.8))
    select(several, reporter)
    folders = [cell.folder.path for cell in plan(several)]
    assert [len(np.load(folder / "indices.npy")) for folder in folders] == [27, 45, 72]
    assert [record(folder)["ratio"]["thresholded"] for folder in folders] == [0.3, 0.5, 0.8]
    # the networks differ by the threshold only
    parameters = [load_file(folder / "policy.safetensors") for folder in folders]
    last = "network.actor.layers.2.bias"
    assert all(torch.equal(parameters[0][name], parameters[2][name]) for name in parameters[0] if name != last)
    assert not torch.equal(parameters[0][last], parameters[2][last])
    # and it is the same alone
    alone = run(request_for("alone", selectors=(conditioned,), ratios=(0.5,)))
    assert (alone / "scores.npy").read_bytes() == (folders[1] / "scores.npy").read_bytes()
    assert rows(alone) == rows(folders[1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reward": Paper()}, "selector.conditioned=true must go with a reward that has a price, got reward=paper"),
        ({"checkpoint": "best_r2"}, "selector.conditioned=true must go with selector.checkpoint=last, got best_r2"),
    ],
)
def test_what_a_conditioned_policy_cannot_do_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(QUICK, conditioned=True, **given)


def test_a_minimum_that_the_budget_does_not_allow_is_said(request_for: Request, reporter: Any) -> None:
    export = ExportSettings(min_per_class=9)
    folder = select(request_for(selectors=(Random(),), ratios=(0.2,), export=export), reporter)
    assert min(record(folder)["class_counts"]) == 6, "18 of 90 are six of each class"
    assert reporter.notes[1:-1] == ["note: export.min_per_class=9 needs 27 samples, the ratio keeps 18: it is lowered"]


def test_the_training_to_come_is_tried_and_recorded(request_for: Request, settings: RunSettings, reporter: Any) -> None:
    selectors = (replace(QUICK, trials=1),)
    told = request_for("told", selectors=selectors, settings=replace(settings, for_steps=8))
    untold = request_for("untold", selectors=selectors)

    outcome = record(select(told, reporter))["outcome"]

    assert outcome["chosen"] in ("random", *outcome["tried"])
    assert outcome["tried"]["reward"].keys() == {"loss", "loss_error", "points", "points_error"}
    # a training of eight steps is tried whole, as a quarter of it would tell nothing
    assert (outcome["steps"], outcome["of_steps"], outcome["rounds"]) == (8, 8, 1)
    assert any(
        note.startswith("note: at ratio 0.3, in trials of small_cnn (1 x 8 of 8 steps)") for note in reporter.notes
    )
    assert record(run(untold))["outcome"] is None


def test_of_planted_copies_one_is_kept_before_a_second(request_for: Request, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 40)
    images = generator.integers(0, 200, (120, 8, 8, 1), dtype=np.uint8)
    for label in range(3):
        images[labels == label, :, 2 * label + 1 : 2 * label + 3] += 50
    copies = np.minimum(images[:60].astype(int) + generator.integers(0, 2, (60, 8, 8, 1)), 255).astype(np.uint8)
    all_images, all_labels = np.concatenate([images, copies]), np.concatenate([labels, labels[:60]])
    np.savez(tmp_path / "data.npz", images=all_images, labels=all_labels)
    source = RunSettings(
        dataset=Arrays(path=tmp_path / "data.npz"),
        model=SmallCNN(width=4),
        training=TrainingSettings(epochs=4, batch_size=30),
    )

    kept = Coreset.load(run(request_for(settings=source, ratios=(0.5,)))).indices

    coreset = Coreset.load(tmp_path / "run")
    assert coreset.near_duplicates is not None
    assert coreset.near_duplicates[120:].tolist() == list(range(60))
    assert np.array_equal(coreset.at_ratio(0.5).indices, kept)  # another cut knows the copies too
    twice = np.intersect1d(kept[kept < 60] + 120, kept)
    assert len(kept) == 90
    assert len(twice) <= 15  # a quarter of the sixty copies; a random half keeps both of fifteen
