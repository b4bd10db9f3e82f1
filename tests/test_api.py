"""rlsel from Python: the same bytes as the command line, and the same refusals."""

import doctest
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

import rlsel
from rlsel.api import choosing
from rlsel.cli.main import main
from rlsel.coreset import Coreset
from rlsel.data.wrapping import as_dataset
from rlsel.errors import ConfigurationError, CoresetError, DataError, RlselError
from rlsel.export import ExportSettings
from rlsel.models.resnet import ResNet18
from rlsel.models.small_cnn import SmallCNN
from rlsel.run_files import seal
from rlsel.runs.reader import read_run
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.settings import TrainingSettings

QUICK = TrainingSettings(epochs=2, batch_size=32, learning_rate=0.05)
COMMAND = ("training.epochs=2", "training.batch_size=32", "training.learning_rate=0.05")


@pytest.fixture
def images(write_archive: Callable[..., Path]) -> dict[str, np.ndarray]:
    with np.load(write_archive()) as archive:
        return dict(archive)


@pytest.fixture
def pair(images: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return images["images"], images["labels"]


def from_the_command_line(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["rlsel", *arguments])
    assert main() == 0
    return folder / "run"


SAME_BYTES = (
    "indices.npy",
    "scores.npy",
    "labels.npy",
    "selected.csv",
    "policy.safetensors",
    "features.safetensors",
    "target.safetensors",
    "target.json",
)


@pytest.fixture
def saved(pair: Any, tmp_path: Path) -> Path:
    """The folder of a policy that was learned in memory."""
    folder = tmp_path / "saved"
    rlsel.select(pair, ratio=0.3, seed=3, training=QUICK).save(folder)
    return folder


def test_a_coreset_is_saved_as_the_command_line_does_byte_for_byte(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_archive: Callable[..., Path]
) -> None:
    data = ("dataset=arrays", f"dataset.path={write_archive()}")
    run = from_the_command_line(monkeypatch, tmp_path, "select", *data, *COMMAND, "ratio=0.3", "seed=3", "run_dir=run")
    assert {path.name for path in saved.iterdir()} == {path.name for path in run.iterdir()}
    for name in SAME_BYTES:
        assert (saved / name).read_bytes() == (run / name).read_bytes(), name
    folders = (saved, run)
    records = [json.loads((folder / "coreset.json").read_text()) for folder in folders]
    states = [json.loads((folder / "status.json").read_text()) for folder in folders]
    for record, state in zip(records, states, strict=True):
        assert state.pop("settings_hash") == record.pop("settings_hash")
        del record["wall_seconds"], record["peak_rss_bytes"]
    assert (records[0], states[0]) == (records[1], states[1])
    rows = [[json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()] for folder in folders]
    for row in rows[0] + rows[1]:
        del row["seconds"]
    assert rows[0] == rows[1]
    settings = [yaml.safe_load((folder / "config.yaml").read_text()) for folder in folders]
    assert list(settings[0]) == list(settings[1]), "in the same order"
    given, read = settings[0].pop("dataset"), settings[1].pop("dataset")
    assert settings[0] == settings[1]
    assert {key: value for key, value in given.items() if read.get(key) != value} == {
        "_target_": "rlsel.runs.settings.GivenDataset",
        "name": "arrays",
        "fingerprint": records[0]["dataset"]["fingerprint"],
    }


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("apply run=saved ratio=0.4", "scores.npy"),
        ("finetune-ratio run=saved ratio=0.5 epochs=2", "policy.safetensors"),
        ("finetune-ratio run=saved ratio=0.5 epochs=2 features=continued", "target.safetensors"),
        ("train-on-subset coreset=saved training.steps=3", "model.safetensors"),
    ],
)
def test_commands_go_on_from_what_was_saved(
    saved: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_archive: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    line: str,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rlsel", *line.split(), "run_dir=refused"])
    assert main() == 2
    assert capsys.readouterr().err == (
        "error: dataset must be given for a run on data that a program held in memory, got none for 'arrays': give "
        "where it lies now, as in dataset=arrays dataset.path=FILE.npz\n"
    )
    assert not (tmp_path / "refused").exists()
    data = ("dataset=arrays", f"dataset.path={write_archive()}")
    from_the_command_line(monkeypatch, tmp_path, "select", *data, *COMMAND, "ratio=0.3", "seed=3", "run_dir=selected")
    arguments = line.replace("saved", "selected").split()
    expected = from_the_command_line(monkeypatch, tmp_path, *arguments, "run_dir=run")
    from_the_command_line(monkeypatch, tmp_path, *line.split(), *data, "run_dir=again")
    assert (tmp_path / "again" / name).read_bytes() == (expected / name).read_bytes()


def test_what_is_saved_over_another_run_is_that_run_no_more(saved: Path, pair: Any) -> None:
    rlsel.select(pair, ratio=np.float64(0.5), selector="random").save(saved)
    run = read_run(saved)
    assert (run.settings["ratio"], run.metrics, run.policy, run.target) == (0.5, (), None, None)
    assert np.array_equal(run.finished_coreset().indices, rlsel.select(pair, ratio=0.5, selector="random").indices)


def test_what_was_held_out_is_recorded(pair: Any, tmp_path: Path) -> None:
    rlsel.select(pair, ratio=0.5, selector="random", holdout=0.2).save(tmp_path / "saved")
    assert read_run(tmp_path / "saved").settings["dataset"]["holdout"] == 0.2


def test_another_cut_is_a_coreset_and_no_run(pair: Any, tmp_path: Path) -> None:
    rlsel.select(pair, ratio=0.5, selector="random").at_ratio(0.2).save(tmp_path / "saved")
    assert len(Coreset.load(tmp_path / "saved")) == 18
    assert not (tmp_path / "saved" / "config.yaml").exists()


def test_a_network_that_was_held_in_memory_is_no_way_to_judge_elsewhere(pair: Any, tmp_path: Path) -> None:
    coreset = rlsel.select(pair, ratio=0.5, model=Net, training=TrainingSettings(steps=2))
    coreset.save(tmp_path / "saved")
    assert len(rlsel.apply(coreset, pair[0], ratio=0.5)) == 45
    with pytest.raises(ConfigurationError, match="model must be one that can be built again, got 'Net', which a progr"):
        rlsel.apply(tmp_path / "saved", pair[0], ratio=0.5)


def test_nothing_is_written(pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    rlsel.select(pair, training=QUICK)
    rlsel.compare(pair, selectors=["el2n"], ratios=[0.5], seeds=[0], training=QUICK)
    assert set(tmp_path.rglob("*")) == before


def test_many_are_each_the_one_that_is_made_alone(pair: Any) -> None:
    many = rlsel.select_many(pair, selectors=["random", "el2n", "rl_selector"], ratios=[0.2, 0.6], training=QUICK)
    assert list(many) == [(name, ratio) for name in ("random", "el2n", "rl_selector") for ratio in (0.2, 0.6)]
    for name, ratio in (("el2n", 0.2), ("rl_selector", 0.6)):
        alone = rlsel.select(pair, ratio=ratio, selector=name, training=QUICK)
        assert np.array_equal(alone.indices, many[name, ratio].indices)
        assert np.array_equal(alone.scores, many[name, ratio].scores)


class Net(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU())
        self.head = nn.Linear(10, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(images))


@pytest.mark.parametrize(
    "model", [Net, lambda num_classes: Net(num_classes), "resnet18", ResNet18(width=4), "mobilenet_v3_small"]
)
def test_any_model_selects(pair: Any, model: Any) -> None:
    coreset = rlsel.select(pair, ratio=0.5, model=model, selector="el2n", training=TrainingSettings(steps=2))
    assert len(coreset) == 45


def test_settings_and_features_of_ones_own(pair: Any, tmp_path: Path) -> None:
    export = ExportSettings(mode="threshold")
    coreset = rlsel.select(pair, selector=RLSelector(rollout=64, settle_passes=2), export=export, training=QUICK)
    assert np.array_equal(coreset.indices, np.flatnonzero(coreset.scores > 0))
    features = np.random.default_rng(0).normal(size=(90, 5))
    one = rlsel.select(pair, selector="moderate", features=features)
    other = rlsel.select(pair, selector="moderate", features=torch.from_numpy(features))
    assert np.array_equal(one.scores, other.scores)
    assert one.provenance.selector.settings["features"] == other.provenance.selector.settings["features"]
    with pytest.raises(ConfigurationError, match=r"features must be an array of \(90, D\) numbers"):
        rlsel.select(pair, selector="moderate", features=features[:50])
    with pytest.raises(DataError, match="features must be finite numbers"):
        rlsel.select(pair, selector="moderate", features=features * np.nan)


def test_a_policy_is_applied_as_on_the_command_line(
    pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_archive: Callable[..., Path]
) -> None:
    data = ("dataset=arrays", f"dataset.path={write_archive()}")
    from_the_command_line(monkeypatch, tmp_path, "select", *data, *COMMAND, "ratio=0.5", "run_dir=source")
    unseen = write_archive("unseen", size=60, seed=1)
    new = ("dataset=arrays", f"dataset.path={unseen}")
    run = from_the_command_line(monkeypatch, tmp_path, "apply", "run=source", *new, "ratio=0.4", "run_dir=run")
    with np.load(unseen) as archive:
        given = archive["images"]
    coreset = rlsel.select(pair, ratio=0.5, training=QUICK)
    applied = rlsel.apply(coreset, given, ratio=0.4)
    expected = Coreset.load(run)
    assert np.array_equal(applied.scores, expected.scores), "no label is needed"
    with_labels = rlsel.apply(coreset, (given, np.arange(60) % 3), ratio=0.4)
    assert np.array_equal(with_labels.indices, expected.indices)
    on_disk = rlsel.apply(str(tmp_path / "source"), given, ratio=0.4)
    assert np.array_equal(on_disk.scores, expected.scores)
    assert on_disk.provenance.parent == expected.provenance.parent
    on_disk.save(tmp_path / "saved")
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {path.name for path in run.iterdir()}
    kept, written = (read_run(folder).settings for folder in (tmp_path / "saved", run))
    assert {key for key in written if kept[key] != written[key]} == {"dataset"}
    with pytest.raises(
        CoresetError,
        match=r"policy must be a coreset that rlsel\.select made .* one of rl_selector w.*give its folder$",
    ):
        rlsel.apply(expected, given)
    with pytest.raises(CoresetError, match=r"policy must be the folder of a finished run, got .*none': there is no su"):
        rlsel.apply(tmp_path / "none", given)


def test_a_model_is_trained_as_on_the_command_line(
    pair: Any,
    images: dict[str, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_archive: Callable[..., Path],
) -> None:
    data = ("dataset=arrays", f"dataset.path={write_archive()}")
    from_the_command_line(monkeypatch, tmp_path, "select", *data, "selector=random", "ratio=0.5", "run_dir=chosen")
    run = from_the_command_line(monkeypatch, tmp_path, "train-on-subset", "coreset=chosen", *COMMAND, "run_dir=run")
    coreset = rlsel.select(pair, ratio=0.5, selector="random")
    test = (images["test_images"], images["test_labels"])
    trained = rlsel.train_on_subset(coreset, pair, test=test, training=QUICK)
    assert trained.result.top1_last == json.loads((run / "result.json").read_text())["top1_last"]
    assert not trained.model.training
    by_indices = rlsel.train_on_subset(coreset.indices, pair, test=test, training=QUICK)
    assert by_indices.result.top1_last == trained.result.top1_last
    everything = rlsel.train_on_subset(None, pair, training=QUICK)
    assert (everything.result.num_train, everything.result.top1_last) == (90, None)


def test_nothing_is_measured_on_what_was_chosen_from(pair: Any) -> None:
    coreset = rlsel.select(pair, ratio=0.5, selector="random", holdout=0.2)
    assert len(coreset.held_out) == 18
    assert rlsel.train_on_subset(coreset, pair, holdout=0.2, training=QUICK).result.top1_last is not None
    with pytest.raises(CoresetError, match="holdout must be what select was given, got 18 samples held out that were"):
        rlsel.train_on_subset(rlsel.select(pair, ratio=0.5, selector="random"), pair, holdout=0.2)
    with pytest.raises(CoresetError, match="coreset must keep candidates only, got sample"):
        rlsel.train_on_subset(np.arange(90), pair, holdout=0.2)


def test_a_comparison_has_random_and_full_beside_the_methods(pair: Any) -> None:
    compared = rlsel.compare(pair, selectors=["el2n"], ratios=[0.5], seeds=[0, 1], training=QUICK)
    assert {(run.selector, run.seed) for run in compared.runs} == {
        (name, seed) for name in ("full", "random", "el2n") for seed in (0, 1)
    }
    assert {summary.selector for summary in compared.summaries} == {"full", "random", "el2n"}
    assert compared.markdown.startswith("# Comparison on arrays")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"selector": "el3n"}, r"selector must be a name that .* got 'el3n': did you mean 'el2n'?"),
        ({"model": "small_cmn"}, "model must be one of small_cnn, .* got 'small_cmn': did you mean 'small_cnn'?"),
        ({"model": 3}, "model must be a name, or a class or function"),
        ({"ratio": 1.5}, r"ratio must be a number in \(0, 1\]"),
        ({"ratio": 0.001}, "ratio must be large enough"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"export": ExportSettings(mode="threshold"), "selector": "el2n"}, "export.mode must be topk, sample"),
    ],
)
def test_mistakes_are_said_in_one_line(pair: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RlselError, match=message) as error:
        rlsel.select(pair, training=QUICK, **arguments)
    assert "\n" not in str(error.value)


def test_what_has_no_labels_can_be_judged_and_not_learned(pair: Any) -> None:
    with pytest.raises(DataError, match="the samples must have labels to be trained on, got none"):
        rlsel.select(pair[0])


def test_the_example_of_the_documentation() -> None:
    assert doctest.testmod(choosing).attempted > 0
    assert doctest.testmod(choosing).failed == 0


def test_a_seed_beside_the_setup_wins_and_else_that_of_the_setup_counts(pair: Any) -> None:
    setup = rlsel.Setup(seed=3, training=QUICK)
    random = [rlsel.select(pair, selector="random", seed=seed).indices.tolist() for seed in (0, 3)]
    assert rlsel.select(pair, selector="random", setup=setup).indices.tolist() == random[1]
    assert rlsel.select(pair, selector="random", seed=0, setup=setup).indices.tolist() == random[0]
    assert rlsel.train_on_subset(None, pair, setup=setup).result.seed == 3
    coreset = rlsel.select(pair, ratio=0.5, training=QUICK)
    assert rlsel.apply(coreset, pair[0], setup=setup).provenance.seed == 3


def test_features_are_those_of_the_command_line(
    pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_archive: Callable[..., Path], reporter: Any
) -> None:
    data = ("dataset=arrays", f"dataset.path={write_archive()}", "seed=3", "run_dir=run")
    run = from_the_command_line(monkeypatch, tmp_path, "features", *data)
    made = rlsel.features(pair[0], seed=3, setup=rlsel.Setup(reporter=reporter))
    assert made.tobytes() == np.load(run / "features.npy").tobytes()
    assert made.shape == (90, 32)
    assert ["are random" in note for note in reporter.notes] == [True]
    with pytest.raises(DataError, match="the samples must be images, got features"):
        rlsel.features(made)


def test_a_tensor_with_its_channels_behind_is_read_as_the_array() -> None:
    generator = np.random.default_rng(0)
    images, labels = generator.integers(0, 256, (40, 9, 8, 3), dtype=np.uint8), np.arange(40) % 2

    behind = as_dataset((torch.from_numpy(images), labels)).train.images
    pairs = as_dataset(torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))).train.images
    before = as_dataset((torch.from_numpy(images).permute(0, 3, 1, 2), labels)).train.images

    assert behind.shape == pairs.shape == before.shape == (3, 9, 8)
    assert behind.digest() == pairs.digest() == before.digest() == as_dataset((images, labels)).train.images.digest()


def test_bfloat16_is_read() -> None:
    images = torch.rand(20, 1, 6, 6).bfloat16()
    found = as_dataset((images, np.arange(20) % 2)).train.images
    assert torch.equal(next(iter(found.batches([torch.arange(20)]))), images.float())


def test_a_held_out_share_beside_test_data_is_refused() -> None:
    images, labels = np.random.default_rng(0).random((30, 6, 6)).astype(np.float32), np.arange(30) % 2
    with pytest.raises(ConfigurationError, match=r"holdout must be 0 beside test data, got 0\.2"):
        rlsel.train_on_subset(None, (images, labels), test=(images, labels), holdout=0.2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda data: rlsel.select(data, model=torch.nn.Linear(2, 2)), "model must be the class or a function"),
        (lambda data: rlsel.select(data, features="f.npy"), r"features must be an array of \(30, D\) numbers"),
        (
            lambda data: rlsel.apply(None, data),
            "policy must be a coreset, or the folder of a select run, got 'NoneType'",
        ),
    ],
)
def test_a_newcomer_s_mistakes_are_named(call: Any, message: str) -> None:
    images, labels = np.random.default_rng(0).random((30, 6, 6)).astype(np.float32), np.arange(30) % 2
    with pytest.raises(RlselError, match=message):
        call((images, labels))


def test_one_name_and_one_ratio_stand_for_lists_of_one() -> None:
    images, labels = np.random.default_rng(0).random((30, 6, 6)).astype(np.float32), np.arange(30) % 2
    found = rlsel.select_many((images, labels), selectors="random", ratios=0.3)
    assert list(found) == [("random", 0.3)]


def test_a_run_folder_names_no_code_that_the_program_does_not_vouch_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pair: tuple[np.ndarray, np.ndarray]
) -> None:
    coreset = rlsel.select(pair, ratio=0.5, model=SmallCNN(width=2), training=QUICK)
    coreset.save(tmp_path / "saved")
    path = tmp_path / "saved" / "config.yaml"
    recorded = yaml.safe_load(path.read_text())
    assert recorded["model"].pop("_target_") == "rlsel.models.small_cnn.SmallCNN"
    path.write_text(yaml.safe_dump({**recorded, "model": {"_target_": "colleagues_net.Net", **recorded["model"]}}))
    seal(tmp_path / "saved")
    (tmp_path / "colleagues_net.py").write_text(
        "from pathlib import Path\nfrom rlsel.models.small_cnn import SmallCNN as Net\nPath('trace').touch()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    with pytest.raises(ConfigurationError, match=r"^model\._target_ must be in .+: add targets_from=colleagues_net if"):
        rlsel.apply("saved", pair[0], ratio=0.4)
    assert not (tmp_path / "trace").exists()
    applied = rlsel.apply("saved", pair[0], ratio=0.4, setup=rlsel.Setup(targets_from=("colleagues_net",)))
    assert applied.indices.tolist() == rlsel.apply(coreset, pair[0], ratio=0.4).indices.tolist()
    del sys.modules["colleagues_net"]
