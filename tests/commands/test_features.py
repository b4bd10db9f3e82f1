"""`rlsel features` as a whole: what it writes, and that `rlsel select` takes it."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from torchvision.datasets import ImageFolder as TorchvisionFolder

from rlsel.commands.features import features
from rlsel.commands.requests import FeaturesRequest
from rlsel.coreset import Coreset
from rlsel.data.variation import Variation
from rlsel.errors import ConfigurationError
from rlsel.models.small_cnn import SmallCNN
from rlsel.runs.settings import RunOptions
from rlsel.training.reporting import SilentReporter

NETWORK = """
from dataclasses import dataclass

from torch import nn

from rlsel.models.target import TargetModel, TrainedInput


@dataclass(frozen=True, kw_only=True)
class Averages:
    name: str = "averages"

    def build(self, image_shape, num_classes):
        return TargetModel(nn.Sequential(nn.AvgPool2d(4), nn.Flatten()), nn.Linear(3 * 2 * 3, num_classes))

    def trained_on(self):
        return TrainedInput(mean=(0.1, 0.2, 0.6), std=(0.5, 0.2, 0.1), side=8)
"""
"""Its feature is the average over each square of 4 x 4 pixels, for images of 8 x 12."""

CUSTOM = ("model=custom", "model._target_=averages_network.Averages")


@pytest.fixture
def program(rlsel: Callable[..., Any], working_folder: Path) -> Iterator[Callable[..., Any]]:
    """The program in a folder with the network above."""
    (working_folder / "averages_network.py").write_text(NETWORK)
    yield rlsel
    sys.modules.pop("averages_network", None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty images in two classes, one more that is hidden, with labels that the pixels tell."""
    generator = np.random.default_rng(0)
    root = tmp_path / "images"
    for number in range(40):
        path = root / ("dark" if number % 2 else "light") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 100, (8, 12, 3)) + 150 * (number % 2 == 0)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    Image.fromarray(pixels.astype(np.uint8)).save(root / "dark" / ".hidden.png")
    return root


def expected_of(root: Path) -> np.ndarray:
    """The features of that network, an image at a time, in the order of torchvision; zeros for what is hidden."""
    rows = []
    for path, _ in TorchvisionFolder(str(root)).samples:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"), np.float64) / 255
        normalised = (pixels - [0.1, 0.2, 0.6]) / [0.5, 0.2, 0.1]
        squares = [
            [normalised[top : top + 4, left : left + 4, channel].mean() for top in (0, 4) for left in (0, 4, 8)]
            for channel in range(3)
        ]
        rows.append(np.zeros(18) if Path(path).name.startswith(".") else np.concatenate(squares))
    return np.array(rows)


@pytest.mark.parametrize("storage", ["memory", "files"])
def test_select_takes_the_features_of_a_folder(
    program: Callable[..., Any], folder: Path, working_folder: Path, storage: str
) -> None:
    data = ("dataset=imagefolder", f"dataset.root={folder}", f"dataset.storage={storage}", "dataset.holdout=0.2")
    result = program("features", *data, *CUSTOM)
    assert result.folder.parent == working_folder / "outputs/features/imagefolder"
    assert result.folder.name.startswith("averages_")
    left = {"features.npy", "config.yaml", "status.json", "SHA256SUMS"}
    assert {path.name for path in result.folder.iterdir()} == left
    written = np.load(result.folder / "features.npy")
    assert (written.dtype, written.shape, written.flags.c_contiguous) == (np.float32, (41, 18), True)
    # float32 rounds averages of values of up to 10 by 1e-6
    np.testing.assert_allclose(written, expected_of(folder), atol=1e-5)
    read, hidden, unread = result.err.splitlines()
    assert read == "imagefolder: 41 images, 32 of them candidates, 2 classes, 8 held out to measure on, 8 x 12 px"
    assert "hidden" in hidden
    assert unread.startswith("note: 1 of 41 rows are zeros, those of samples that are not read")

    selected = program("select", *data, f"features={result.folder / 'features.npy'}", "selector=k_center", "ratio=0.5")
    coreset = Coreset.load(selected.folder)
    assert (len(coreset.scores), len(coreset.candidates), len(coreset)) == (41, 32, 16)


def test_the_record_says_what_decides_the_features(
    program: Callable[..., Any], folder: Path, working_folder: Path
) -> None:
    run = program("features", "dataset=imagefolder", f"dataset.root={folder}", *CUSTOM, "seed=3", "run_dir=run").folder
    assert run == working_folder / "run"
    recorded = yaml.safe_load((run / "config.yaml").read_text())
    assert list(recorded) == ["command", "dataset", "model", "seed"]
    assert (recorded["command"], recorded["seed"]) == ("features", 3)
    assert recorded["dataset"]["root"] == str(folder)
    assert recorded["model"] == {"_target_": "averages_network.Averages", "name": "averages"}
    assert json.loads((run / "status.json").read_text())["state"] == "complete"


def test_a_sweep_makes_a_folder_for_each_network(rlsel: Callable[..., Any], working_folder: Path) -> None:
    names = ("mobilenet_v3_small", "shufflenet_v2_x0_5")
    result = rlsel("features", "-m", "model=torchvision", f"model.name={','.join(names)}", "run_dir=swept")
    assert result.folder == working_folder / "swept"
    for name in names:
        [run] = result.folder.glob(f"{name}_*")
        assert np.load(run / "features.npy").shape == (1797, 1024), "both are 1024 wide before the last layer"
    assert result.err.count("are random") == 2


@pytest.fixture
def request_for(settings: Any, tmp_path: Path) -> FeaturesRequest:
    """A small network on ninety images of 8 x 8."""
    return FeaturesRequest(
        dataset=settings.dataset, model=SmallCNN(width=2), options=RunOptions(run_dir=tmp_path / "run")
    )


def test_a_complete_run_is_not_run_again(request_for: FeaturesRequest) -> None:
    file = features(request_for, SilentReporter()) / "features.npy"
    stamp, before = file.stat().st_mtime_ns, file.read_bytes()
    features(request_for, SilentReporter())
    assert file.stat().st_mtime_ns == stamp
    features(replace(request_for, options=replace(request_for.options, resume="never")), SilentReporter())
    assert file.stat().st_mtime_ns != stamp
    assert file.read_bytes() == before, "the same bytes every time"


def test_what_is_left_out_is_told(request_for: FeaturesRequest, reporter: Any) -> None:
    run = features(replace(request_for, variation=Variation(train_size=60)), reporter)
    written = np.load(run / "features.npy")
    assert (written != 0).any(axis=1).sum() == 60
    assert written.shape == (90, 8), "halved three times, 8 x 8 pixels become one place of 8 channels"
    read, random, zeros = reporter.notes
    assert read.startswith("arrays: 90 images, 60 of them candidates")
    assert random.startswith("note: the weights of small_cnn are random")
    assert zeros.startswith("note: 30 of 90 rows are zeros")


def test_damaged_images_are_looked_at_as_they_are(request_for: FeaturesRequest, tmp_path: Path) -> None:
    clean = np.load(features(request_for, SilentReporter()) / "features.npy")
    damaged = np.load(features(replace(request_for, variation=Variation(corruption=0.5)), SilentReporter()) /
                      "features.npy")  # fmt: skip
    assert (clean != damaged).any(axis=1).sum() == 45


def test_a_negative_seed_is_refused(request_for: FeaturesRequest) -> None:
    with pytest.raises(ConfigurationError, match="seed must be an integer of at least 0, got -1"):
        replace(request_for, seed=-1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("model=timm", "model.name=vit_tiny_patch16_224"),
            "model.name=vit_tiny_patch16_224 does not take images of 8 x 8 pixels and 1 channels (",
        ),
        (("dataset=arrays", "dataset.path=none.npz"), "arrays: dataset.path"),
        (("dataset=embeddings", "dataset.path=rows.npy"), "embeddings: the samples must be images, got features"),
        (("training.epochs=3",), "unknown key 'training"),
        (("seed=-1",), "seed must be an integer of at least 0, got -1"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    rlsel: Callable[..., Any], working_folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    np.save(working_folder / "rows.npy", np.random.default_rng(0).normal(size=(20, 3)))
    result = rlsel("features", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: {message}"), result.err
    assert result.err.count("\n") == 1
    assert [path.name for path in working_folder.iterdir()] == ["rows.npy"]
