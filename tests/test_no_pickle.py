"""No pickle is ever read: one that would leave a trace is planted as every file that a command reads."""

import hashlib
import io
import os
import pickle  # noqa: TID251 - what is planted
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlsel.errors import RlselError
from rlsel.run_files import seal
from rlsel.runs.comparison_files import read_comparison
from rlsel.runs.reader import read_run
from rlsel.training.checkpoints import load_state, load_tensors, save_state


class Bomb:
    """Leaves a folder where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = str(trace)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.trace,)


def raw(bomb: Bomb) -> bytes:
    return pickle.dumps(bomb)


def array(bomb: Bomb) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([bomb, bomb], dtype=object), allow_pickle=True)
    return file.getvalue()


def archive(bomb: Bomb) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        for name in ("images", "labels", "features"):
            members.writestr(f"{name}.npy", array(bomb))
        members.writestr("raw.npy", raw(bomb))
    return file.getvalue()


def saved_by_torch(bomb: Bomb) -> bytes:
    file = io.BytesIO()
    torch.save({"format_version": bomb, "model": torch.zeros(2)}, file)
    return file.getvalue()


def saved_by_old_torch(bomb: Bomb) -> bytes:
    file = io.BytesIO()
    torch.save({"format_version": bomb}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def yaml_object(bomb: Bomb) -> bytes:
    return f'!!python/object/apply:os.mkdir ["{bomb.trace}"]\n'.encode()


FORMS = (raw, array, archive, saved_by_torch, saved_by_old_torch, yaml_object)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace"


@pytest.fixture
def bomb(trace: Path) -> Bomb:
    return Bomb(trace)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished selection by a policy, with every file that one leaves."""
    from rlsel.commands.requests import SelectRequest
    from rlsel.commands.select import select
    from rlsel.data.digits import Digits
    from rlsel.data.variation import Variation
    from rlsel.models.small_cnn import SmallCNN
    from rlsel.runs.settings import RunOptions, RunSettings
    from rlsel.selectors.rl_selector import RLSelector
    from rlsel.training.reporting import SilentReporter
    from rlsel.training.settings import TrainingSettings

    settings = RunSettings(
        dataset=Digits(), variation=Variation(train_size=60), model=SmallCNN(), training=TrainingSettings(epochs=1)
    )
    options = RunOptions(run_dir=tmp_path_factory.mktemp("finished") / "run")
    request = SelectRequest(settings=settings, selectors=(RLSelector(),), ratios=(0.5,), options=options)
    return select(request, SilentReporter())


FILES = (
    *("config.yaml", "status.json", "coreset.json", "indices.npy", "scores.npy", "selected.csv", "metrics.jsonl"),
    *(
        "SHA256SUMS",
        "labels.npy",
        "held_out.npy",
        "policy.safetensors",
        "features.safetensors",
        "target.safetensors",
        "target.json",
    ),
)


def test_what_is_planted_goes_off_where_it_is_unpickled(bomb: Bomb, trace: Path) -> None:
    goes_off: dict[Callable[[Bomb], bytes], Callable[[bytes], object]] = {
        raw: pickle.loads,
        array: lambda content: np.load(io.BytesIO(content), allow_pickle=True),
        archive: lambda content: np.load(io.BytesIO(content), allow_pickle=True)["labels"],
        saved_by_torch: lambda content: torch.load(io.BytesIO(content), weights_only=False),
        saved_by_old_torch: lambda content: torch.load(io.BytesIO(content), weights_only=False),
    }
    for form, read in goes_off.items():
        read(form(bomb))
        assert trace.exists(), form.__name__
        trace.rmdir()


def test_every_file_of_a_run_is_planted(finished: Path) -> None:
    made = {path.name for path in finished.iterdir()}
    assert made - set(FILES) == set()
    assert len(set(FILES) & made) >= 10


def turns() -> list[Any]:
    """Pairs each file with two of the forms, in turn."""
    places = [(name, place + step) for place, name in enumerate(FILES) for step in (0, 3)]
    chosen = [(name, FORMS[place % len(FORMS)]) for name, place in places]
    return [pytest.param(name, form, id=f"{name}-{form.__name__}") for name, form in chosen]


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "form"), turns())
def test_a_run_folder(
    rlsel: Callable[..., Any], finished: Path, tmp_path: Path, bomb: Bomb, trace: Path, name: str, form: Any
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(form(bomb))
    seal(tmp_path / "run")  # a colleague who plants something can make checksums of it too
    for read in (
        lambda run: (run.selector(), run.run_settings()),
        lambda run: run.finished_coreset().paths,
        lambda run: run.metrics,
        lambda run: run.finished_policy(),
        lambda run: run.target_model(run.run_settings().model),
    ):
        with suppress(RlselError):
            read(read_run(tmp_path / "run"))
    for command in ("show run=run", "export run=run format=csv out=x.csv overwrite=true"):
        result = rlsel(*command.split())
        assert result.code in (0, 2), result.err
    assert not trace.exists()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("name", ["config.yaml", "status.json", "runs.csv", "summary.csv"])
def test_a_comparison(tmp_path: Path, bomb: Bomb, trace: Path, name: str, form: Any) -> None:
    (tmp_path / "config.yaml").write_text("command: compare\n")
    (tmp_path / "status.json").write_text('{"state": "complete"}')
    (tmp_path / name).write_bytes(form(bomb))
    with pytest.raises(RlselError):
        read_comparison(tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_checkpoint_and_tensors(tmp_path: Path, bomb: Bomb, trace: Path, form: Any) -> None:
    checkpoint, tensors = tmp_path / ".training-0123abcd.ckpt", tmp_path / "policy.safetensors"
    save_state(checkpoint, {"steps": 1})
    mark, _, rest = checkpoint.read_bytes().partition(b"\n")
    own, planted = (hashlib.sha256(content).hexdigest().encode() for content in (rest, form(bomb)))
    assert own in mark, "whoever plants something would write the checksum anew"
    checkpoint.write_bytes(mark.replace(own, planted) + b"\n" + form(bomb))
    tensors.write_bytes(form(bomb))
    for path, read in ((checkpoint, load_state), (tensors, load_tensors)):
        with pytest.raises(RlselError, match="cannot read"):
            read(path)
    assert not trace.exists()


@pytest.mark.thorough
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize(
    "command",
    [
        "select selector=random dataset=arrays dataset.path=planted.npz",
        "select selector=random dataset=embeddings dataset.path=planted.npy",
        "select selector=random dataset=embeddings dataset.path=good.npy dataset.labels=planted.npy",
        "select selector=k_center features=planted.npy",
        "train-on-subset coreset=planted.npy",
        "train-on-subset coreset=planted.pt",
        "train-on-subset coreset=planted.csv",
        "train-on-subset coreset=planted.txt",
        "select selector=random dataset=cifar10 dataset.root=cifar",
        "select selector=random dataset=cifar100 dataset.root=cifar",
        "select selector=random dataset=fashion_mnist dataset.root=fashion",
        "select selector=random dataset=tiny_imagenet dataset.root=tiny",
        "select selector=random dataset=imagefolder dataset.root=images",
    ],
)
def test_what_a_user_gives(
    rlsel: Callable[..., Any], tmp_path: Path, bomb: Bomb, trace: Path, command: str, form: Any
) -> None:
    np.save(tmp_path / "good.npy", np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))
    planted = [f"planted.{ending}" for ending in ("npz", "npy", "pt", "csv", "txt")]
    planted += [f"cifar/cifar-10-batches-py/{name}" for name in (*batches(), "test_batch", "batches.meta")]
    planted += [f"cifar/cifar-100-python/{name}" for name in ("train", "test", "meta")]
    planted += [f"fashion/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    planted += [f"tiny/{name}" for name in ("wnids.txt", "words.txt", "val/val_annotations.txt")]
    planted += [f"images/{kind}/{number}.png" for kind in ("cat", "dog") for number in range(3)]
    for name in planted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(form(bomb))
    name, *arguments = command.split()
    result = rlsel(name, *arguments, "run_dir=run")
    assert (result.code, result.out) == (2, ""), result.err
    assert result.err.splitlines()[-1].startswith("error: ")
    assert not trace.exists()


def batches() -> list[str]:
    return [f"data_batch_{number}" for number in range(1, 6)]
