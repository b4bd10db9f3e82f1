"""Reading a run folder: what is in it, and one line for each file that is missing or damaged."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from rlsel.commands.requests import SelectRequest
from rlsel.commands.select import select
from rlsel.data.arrays import Arrays
from rlsel.errors import CoresetError
from rlsel.models.small_cnn import SmallCNN
from rlsel.run_files import seal
from rlsel.runs.layout import selection_settings
from rlsel.runs.reader import Run, read_run, scored_alike
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.random import Random
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.reporting import SilentReporter
from rlsel.training.settings import TrainingSettings

SELECTOR = RLSelector(rollout=64, settle_passes=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two methods on 90 small images, each in a folder of its name."""
    parent = tmp_path_factory.mktemp("made")
    images = np.random.default_rng(0).integers(0, 256, (90, 8, 8)).astype(np.uint8)
    np.savez(parent / "images.npz", images=images, labels=np.arange(90) % 3)
    settings = RunSettings(
        dataset=Arrays(path=parent / "images.npz"),
        model=SmallCNN(width=2),
        training=TrainingSettings(epochs=2, batch_size=32, learning_rate=0.05),
    )
    for selector in (SELECTOR, Random()):
        request = SelectRequest(
            settings=settings,
            selectors=(selector,),
            ratios=(0.5,),
            options=RunOptions(run_dir=parent / selector.name),
        )
        select(request, SilentReporter())
    return parent


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A run of RL-Selector, to be damaged; without checksums, as earlier versions made it."""
    run = Path(shutil.copytree(made / "rl_selector", tmp_path / "run"))
    (run / "SHA256SUMS").unlink()
    status = json.loads((run / "status.json").read_text())
    assert status.pop("checksums") is True
    (run / "status.json").write_text(json.dumps(status))
    return run


def test_a_run_says_all_of_itself(folder: Path) -> None:
    run = read_run(folder)
    run.require_finished()
    assert (run.folder, run.command, run.state) == (folder, "select", "complete")
    assert run.settings == {
        key: value for key, value in yaml.safe_load((folder / "config.yaml").read_text()).items() if key != "command"
    }
    assert run.coreset is not None
    assert run.finished_coreset() is run.coreset, "read once"
    assert np.array_equal(run.coreset.indices, np.load(folder / "indices.npy"))
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert list(run.metrics) == [json.loads(line) for line in lines]
    assert [row["epoch"] for row in run.metrics] == [1, 2]
    assert torch.equal(run.finished_policy().features, load_file(folder / "features.safetensors")["features"])
    assert run.target is not None
    assert (run.target.image_shape, run.target.num_classes) == ((1, 8, 8), 3)
    stored = load_file(folder / "target.safetensors")
    model = run.target_model(SmallCNN(width=2))
    assert all(torch.equal(value, stored[name]) for name, value in model.state_dict().items())
    assert replace(run.selector(), ratio=SELECTOR.ratio) == SELECTOR
    assert run.run_settings().model == SmallCNN(width=2)


def test_what_a_method_does_not_leave_behind_is_none(made: Path) -> None:
    run = read_run(str(made / "random"))
    assert (run.metrics, run.policy, run.target) == ((), None, None)
    with pytest.raises(CoresetError, match=r"cannot read .*policy\.safetensors: there is no such file: make the run"):
        run.finished_policy()


def drop(name: str, key: str) -> Callable[[Path], object]:
    """Takes a tensor out of a file."""

    def damage(folder: Path) -> None:
        tensors = load_file(folder / name)
        del tensors[key]
        save_file(tensors, folder / name)

    return damage


def write(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


def missing(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing("config.yaml"), r"run must be the folder of a finished run, got .*: it has no config\.yaml"),
        (write("config.yaml", "[1, 2"), r"cannot read .*config\.yaml: ParserError: make the run again"),
        (write("config.yaml", "3"), r"cannot read .*config\.yaml: it holds no settings: make the run again"),
        (write("config.yaml", "seed: 1"), r"cannot read .*config\.yaml: it does not say which command made it: make"),
        (write("config.yaml", "{command: select, model: x}"), r"config\.yaml: model is no group of settings in it: m"),
        (missing("status.json"), r"cannot read .*status\.json: No such file or directory: make the run again"),
        (write("status.json", "{"), r"cannot read .*status\.json: it is no JSON: make the run again"),
        (write("status.json", "[]"), r"status\.json: its state must be one of running, .*, got None: make"),
        (write("status.json", '{"state": "?"}'), r"status\.json: its state must be .*, got '\?': make the run again"),
    ],
)
def test_a_run_that_does_not_say_what_it_is_is_refused(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder)
    with pytest.raises(CoresetError, match=message) as caught:
        read_run(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "look", "message"),
    [
        (missing("coreset.json"), Run.finished_coreset, r"cannot read .*coreset\.json: there is no such file: make"),
        (write("coreset.json", "{"), Run.finished_coreset, r"is damaged .*: select again"),
        (missing("scores.npy"), Run.finished_coreset, r"cannot read .*scores\.npy: No such file"),
        (write("metrics.jsonl", '{"a": 1}\n{'), lambda run: run.metrics, r"metrics\.jsonl: line 2 is no JSON: make"),
        (write("metrics.jsonl", "[]"), lambda run: run.metrics, r"metrics\.jsonl: line 1 is no JSON object: make the"),
        (lambda folder: (folder / "metrics.jsonl").write_bytes(b"\xff"), lambda run: run.metrics, r"UnicodeDecodeErr"),
        (
            missing("policy.safetensors"),
            Run.finished_policy,
            r"cannot read .*policy\.safetensors: .*make the run again",
        ),
        (missing("features.safetensors"), Run.finished_policy, r"cannot read .*features\.safetensors: .*make the run"),
        (write("features.safetensors", "junk"), Run.finished_policy, r"cannot read .*features\.safetensors: .*make t"),
        (drop("policy.safetensors", "price"), Run.finished_policy, r"cannot read .*: there is no tensor 'price' in it"),
        (missing("target.json"), lambda run: run.target, r"cannot read .*target\.json: .*make the run again"),
        (write("target.json", "{}"), lambda run: run.target, r"cannot read .*target\.json: .*make the run again"),
        (
            missing("target.safetensors"),
            lambda run: run.target_model(SmallCNN(width=2)),
            r"cannot read .*target\.safetensors: .*make the run again",
        ),
        (write("config.yaml", "command: select"), Run.selector, r"no 'selector' in its config\.yaml"),
        (write("config.yaml", "command: select"), Run.run_settings, r"no 'dataset' in its config\.yaml"),
    ],
)
def test_each_file_that_is_missing_or_damaged_is_named(
    folder: Path, damage: Callable[[Path], object], look: Callable[[Run], object], message: str
) -> None:
    damage(folder)
    run = read_run(folder)
    with pytest.raises(CoresetError, match=message) as caught:
        look(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("state", ["running", "failed", "interrupted"])
def test_a_run_that_did_not_end_is_refused(folder: Path, state: str) -> None:
    (folder / "status.json").write_text(json.dumps({"state": state}))
    run = read_run(folder, "coreset")
    message = f"coreset must be the folder of a finished run, got '{re.escape(str(folder))}', which is {state}: repeat"
    for look in (Run.require_finished, Run.finished_coreset, Run.finished_policy):
        with pytest.raises(CoresetError, match=message):
            look(run)


def test_a_training_is_no_selection(folder: Path) -> None:
    (folder / "config.yaml").write_text("command: train-on-subset")
    (folder / "coreset.json").unlink()
    with pytest.raises(CoresetError, match=r"must be the folder of a selection, got .*, made by rlsel train-on-subset"):
        read_run(folder).finished_coreset()


def test_only_finished_selections_that_differ_in_the_cut_are_scored_alike(made: Path, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    for name in ("as it is", "damaged", "failed", "of apply", "other seed"):
        shutil.copytree(made / "random", tmp_path / name)
    (tmp_path / "damaged" / "config.yaml").write_text("{")
    (tmp_path / "failed" / "status.json").write_text('{"state": "failed"}')
    for name, change in (("of apply", {"command": "apply"}), ("other seed", {"seed": 7})):
        path = tmp_path / name / "config.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
        seal(tmp_path / name)
    run = read_run(made / "random")
    settings = selection_settings(run.run_settings(), selector=Random(), ratio=0.9, export=Random.export, features=None)
    notes: list[str] = []
    assert [found.folder.name for found in scored_alike(tmp_path, settings, notes.append)] == ["as it is"]
    damaged = tmp_path / "damaged" / "config.yaml"
    assert notes == [
        f"note: the scores of a run beside are not used: cannot read {damaged}: its SHA-256 is not the one in "
        "SHA256SUMS: make the run again, by the command that made it"
    ]
