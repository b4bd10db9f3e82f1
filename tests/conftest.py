"""What the tests of several packages share: the program in this process, reporters, and small data with settings."""

import gc
import pickle  # noqa: TID251 - copies what Hydra read, within this process
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose
from hydra._internal import defaults_list
from hydra._internal.hydra import Hydra
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hypothesis import settings as hypothesis_settings
from omegaconf import DictConfig

from rlsel.data.arrays import Arrays
from rlsel.models.small_cnn import SmallCNN
from rlsel.runs.settings import RunSettings
from rlsel.training.reporting import Grid, Reporter, SilentReporter
from rlsel.training.settings import TrainingSettings

# the first example of a test pays for imports, and a busy machine for everything: time is no property of the code;
# half of the usual examples, each of which is a small training or a double loop in many tests
hypothesis_settings.register_profile("rlsel", deadline=None, max_examples=50)
hypothesis_settings.load_profile("rlsel")


def pytest_collection_finish() -> None:
    """Leaves what was imported out of every later search for garbage, a tenth of the time of the suite."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@dataclass(frozen=True)
class Result:
    """What a call of the program left."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.splitlines()[-1]

    @property
    def folder(self) -> Path:
        """The run folder that the last line names."""
        assert self.code == 0, self.err
        return Path(self.last_line)


WORKED_OUT_MODE = Hydra.get_mode


def given_mode(hydra: Hydra, config_name: str | None, overrides: list[str]) -> Any:
    """Returns what Hydra finds out about sweeping by composing everything once more: nothing, unless it is told.

    It is a third of the time of a call, and the suite makes more than a thousand. No file of `conf` sets the mode.
    """
    told = any(override.lstrip("+").startswith("hydra.mode=") for override in overrides)
    return WORKED_OUT_MODE(hydra, config_name, overrides) if told else None


MAP_OF_CHOICES = defaults_list._create_interpolation_map


def map_of_choices(overrides: Any, defaults: list[Any], self_added: bool) -> Any:
    """Returns what interpolations in the names of a defaults list are looked up in: nothing, where there are none."""
    needed = any(default.is_interpolation() for default in defaults)
    return MAP_OF_CHOICES(overrides, defaults, self_added) if needed else None


@cache
def loads_of_packages() -> dict[type[ConfigSource], Any]:
    """Returns how each kind of source of packages reads, where Hydra has made its classes once and for all."""
    Plugins.instance()
    sources = [SourcesRegistry.instance().resolve(scheme) for scheme in ("pkg", "structured")]
    return {source: source.load_config for source in sources}


READ_BEFORE: dict[tuple[type[ConfigSource], str, str], bytes] = {}
"""What a package of configurations has under a name, which does not change while the suite runs."""


def load_once(source: ConfigSource, config_path: str) -> ConfigResult:
    """Reads a file of a package the first time only, and returns a copy of its own to each caller."""
    key = type(source), source.path, config_path
    if key not in READ_BEFORE:
        READ_BEFORE[key] = pickle.dumps(loads_of_packages()[type(source)](source, config_path))
    loaded = pickle.loads(READ_BEFORE[key])  # noqa: S301 - see above
    assert isinstance(loaded, ConfigResult)
    return loaded


COMPOSED_BEFORE: dict[str, DictConfig] = {}
"""Options that a command named, which are read and not changed; none of a folder of a test."""


def compose_once(name: str) -> DictConfig:
    """Composes an option of a group, with all that Hydra adds to it, the first time only."""
    if any(source.scheme() == "file" for source in GlobalHydra.instance().config_loader().get_sources()):
        return compose(name)
    if name not in COMPOSED_BEFORE:
        COMPOSED_BEFORE[name] = compose(name)
    return COMPOSED_BEFORE[name]


@pytest.fixture(scope="session", autouse=True)
def quick_hydra() -> Iterator[None]:
    """Lets Hydra compose the same in half the time: the suite calls the program more than a thousand times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hydra, "get_mode", given_mode)
        patch.setattr("rlsel.cli.composing.compose", compose_once)
        patch.setattr(defaults_list, "_create_interpolation_map", map_of_choices)
        for source in loads_of_packages():
            patch.setattr(source, "load_config", load_once)
        yield


@pytest.fixture
def working_folder(tmp_path: Path) -> Path:
    """The empty folder that the program is called in."""
    return tmp_path


@pytest.fixture
def rlsel(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Calls the program with arguments, in its working folder."""
    from rlsel.cli.main import main

    monkeypatch.chdir(working_folder)
    monkeypatch.setattr(sys, "path", sys.path.copy())  # a `_target_` in this folder extends it

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["/somewhere/bin/rlsel", *arguments])
        code = main()
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the picture of a comparison, which takes as long to draw as a small comparison to compute."""
    monkeypatch.setattr("rlsel.commands.compare.comparison_pictures", lambda summaries: {"png": b"a picture"})


class RecordingReporter(SilentReporter):
    """Keeps the notes, the titles of the trainings, what was measured in their epochs, and how a comparison went."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.trainings: list[str] = []
        self.measurements: list[Mapping[str, float]] = []
        self.grids: list[Grid] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def start(self, task: str, epochs: int, steps: int) -> None:
        self.trainings.append(task)

    def epoch(self, measurements: Mapping[str, float]) -> None:
        self.measurements.append(measurements)

    def grid(self, grid: Grid) -> None:
        self.grids.append(grid)


@pytest.fixture
def reporter() -> RecordingReporter:
    return RecordingReporter()


class StoppingReporter(SilentReporter):
    """Presses Ctrl-C after a chosen step."""

    def __init__(self, *, at: int) -> None:
        self._at = at

    def step(self, done: int) -> None:
        if done == self._at:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def stopping() -> Callable[..., Reporter]:
    """Makes a reporter that interrupts `at` a step."""
    return StoppingReporter


WriteArchive = Callable[..., Path]


def archive_in(folder: Path, name: str = "images", *, size: int = 90, seed: int = 0) -> Path:
    generator = np.random.default_rng(seed)
    arrays = {}
    for prefix, count in (("", size), ("test_", 30)):
        labels = np.arange(count) % 3
        images = generator.integers(0, 160, (count, 8, 8))
        for label in range(3):
            images[labels == label, :, 2 * label + 1 : 2 * label + 3] += 90
        arrays |= {f"{prefix}images": images.astype(np.uint8), f"{prefix}labels": labels}
    path = folder / f"{name}.npz"
    np.savez(path, **arrays)
    return path


def settings_of(archive: Path) -> RunSettings:
    return RunSettings(
        dataset=Arrays(path=archive),
        model=SmallCNN(width=2),
        training=TrainingSettings(epochs=2, batch_size=32, learning_rate=0.05),
    )


@pytest.fixture
def write_archive(tmp_path: Path) -> WriteArchive:
    """Writes noisy 8 x 8 images of three classes, 30 of them for testing, and returns the file."""
    return partial(archive_in, tmp_path)


@pytest.fixture
def settings(write_archive: WriteArchive) -> RunSettings:
    """Two epochs of three steps on 90 images."""
    return settings_of(write_archive())


@pytest.fixture(scope="session")
def lasting_settings(tmp_path_factory: pytest.TempPathFactory) -> RunSettings:
    """The same settings and images, for runs that several tests share."""
    return settings_of(archive_in(tmp_path_factory.mktemp("lasting")))
