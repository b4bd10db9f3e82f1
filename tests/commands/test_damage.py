"""Damage of each file that is read again: another result never, but the same again or exactly one line of an error."""

import contextlib
import io
import json
import shutil
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra._internal.hydra import Hydra

from rlsel.cli.main import main
from rlsel.coreset import Coreset
from rlsel.errors import CoresetError

OF_EVERY_RUN = ("config.yaml", "status.json", "SHA256SUMS", "metrics.jsonl", "indices.npy")
SCORED = (*OF_EVERY_RUN, "coreset.json", "selected.csv", "scores.npy", "labels.npy", "held_out.npy", "hardness.npy")
LEARNED = (
    *(*OF_EVERY_RUN, "coreset.json", "selected.csv", "scores.npy", "labels.npy", "held_out.npy"),
    *("near_duplicates.npy", "policy.safetensors", "features.safetensors", "target.safetensors", "target.json"),
)
TRAINED = (*OF_EVERY_RUN, "result.json", "model.safetensors")

SMALL = ("model.width=2", "training.epochs=1", "training.batch_size=32", "dataset.holdout=0.2")
LEARN = ("select", *SMALL, "selector.rollout=64", "selector.settle_passes=1", "ratio=0.5", "run_dir=learned")
SCORE = ("select", "-m", *SMALL, "selector=aum", "export.trim_hardest=0.1", "run_dir=scored")
TRAIN = ("train-on-subset", *SMALL, "coreset=full", "run_dir=trained")
COMPARE = ("compare", *SMALL, "selectors=[el2n]", "ratios=[0.5]", "seeds=[0]", "run_dir=compared")


def flipped(content: bytes, generator: np.random.Generator) -> bytes:
    place, bit = int(generator.integers(len(content))), int(generator.integers(8))
    return content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]


DAMAGES: Mapping[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "flipped": flipped,
    "emptied": lambda content, generator: b"",
    "truncated": lambda content, generator: content[: generator.integers(1, len(content))],
}


def damage(folder: Path, name: str, kind: str) -> None:
    content = (folder / name).read_bytes()
    generator = np.random.default_rng(zlib.crc32(f"{name} {kind}".encode()))
    (folder / name).write_bytes(DAMAGES[kind](content, generator))
    assert (folder / name).read_bytes() != content


OFTEN_READ = ("coreset.json", "scores.npy")
"""Files that every kind of damage is tried on; of the others, a bit is flipped."""


def every(names: tuple[str, ...]) -> pytest.MarkDecorator:
    cases = [(name, kind) for name in names for kind in DAMAGES if kind == "flipped" or name in OFTEN_READ]
    return pytest.mark.parametrize(("name", "kind"), cases)


def on_data(command: tuple[str, ...], root: Path) -> tuple[str, ...]:
    """Returns the command with the data of the runs, where it does not find it in a run."""
    starts_from_run = any(argument in ("run=learned", "coreset=learned") for argument in command)
    return command if starts_from_run else (*command, "dataset=arrays", f"dataset.path={root / 'images.npz'}")


@dataclass(frozen=True)
class Result:
    """What a call of the program left."""

    code: int
    err: str


def program(folder: Path, *arguments: str) -> Result:
    """Calls the program in a folder."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(Hydra, "get_mode", lambda hydra, config_name, overrides: None)  # is asked for by -m alone
        patch.setattr(sys, "argv", ["rlsel", *arguments])
        code = main()
    return Result(code, err.getvalue())


def chosen(folder: Path) -> dict[str, bytes]:
    """What a selection comes to; what it measured has times in it."""
    left = ("status.json", "config.yaml", "coreset.json", "metrics.jsonl", "SHA256SUMS")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in left}


def measured(folder: Path) -> list[object]:
    """What a training comes to, without the times."""
    found = json.loads((folder / "result.json").read_text())
    timeless = {key: value for key, value in found.items() if key not in ("seconds", "images_per_second")}
    return [timeless, (folder / "indices.npy").read_bytes()]


def only(parent: Path, pattern: str) -> Path:
    (folder,) = parent.glob(pattern)
    return folder


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with finished runs, and their data."""
    root = tmp_path_factory.mktemp("undamaged")
    images = np.random.default_rng(0).integers(0, 256, (120, 8, 8)).astype(np.uint8)
    images[60:80] = images[0:20]
    np.savez(root / "images.npz", images=images, labels=np.arange(120) % 3)
    made = (LEARN, (*SCORE, "ratio=0.3,0.4"), TRAIN, COMPARE)
    for command in (*made, *((*command, f"run_dir={command[0]}") for command in READERS)):
        done = program(root, *on_data(command, root))
        assert done.code == 0, done.err
    return root


READERS = (
    ("apply", "run=learned", "ratio=0.4", "dataset.holdout=0.2"),
    ("finetune-ratio", "run=learned", "ratio=0.4", "epochs=1", "features=continued"),
    ("train-on-subset", *SMALL, "coreset=learned"),
)


def assert_told(done: Result, path: Path) -> None:
    """Holds that the run was made again, and that the damaged file was named where the run still said it was done."""
    assert done.code == 0, done.err
    if path.name != "status.json":
        assert f"note: a finished run is made again, since it is damaged: {path}: " in done.err.replace("\n", "")


def test_every_file_of_every_run_is_covered(undamaged: Path) -> None:
    runs = [path.parent for path in undamaged.rglob("status.json")]
    commands = {yaml.safe_load((run / "config.yaml").read_text())["command"] for run in runs}
    assert commands == {"select", "apply", "finetune-ratio", "train-on-subset", "compare"}
    for run in runs:
        listed = {line.split("  ")[1] for line in (run / "SHA256SUMS").read_text().splitlines()[1:]}
        assert listed | {"status.json", "SHA256SUMS"} == {path.name for path in run.iterdir() if path.is_file()}


def test_another_method_in_the_same_folder_leaves_nothing_of_the_first(undamaged: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(undamaged / "learned", tmp_path / "learned")
    (folder / "mine.txt").write_text("mine")
    (folder / ".scores.npy.123.part").write_text("half")
    done = program(tmp_path, *on_data(("select", "selector=random", "run_dir=learned"), undamaged))
    assert done.code == 0, done.err
    assert not [path.name for path in folder.iterdir() if path.name.startswith((".", "policy", "target", "features"))]
    assert (folder / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_a_run_is_never_replaced_by_what_starts_from_it(
    undamaged: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    folder = shutil.copytree(undamaged / "learned", tmp_path / "learned")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = program(tmp_path, *command, "run_dir=learned")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith("error: run_dir must be another folder than that of ")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@every(LEARNED)
def test_a_selection_is_made_again(undamaged: Path, tmp_path: Path, name: str, kind: str) -> None:
    folder = shutil.copytree(undamaged / "learned", tmp_path / "learned")
    damage(folder, name, kind)
    assert_told(program(tmp_path, *on_data(LEARN, undamaged)), folder / name)
    assert chosen(folder) == chosen(undamaged / "learned")


@every(TRAINED)
def test_a_training_is_made_again(undamaged: Path, tmp_path: Path, name: str, kind: str) -> None:
    folder = shutil.copytree(undamaged / "trained", tmp_path / "trained")
    damage(folder, name, kind)
    assert_told(program(tmp_path, *on_data(TRAIN, undamaged)), folder / name)
    assert measured(folder) == measured(undamaged / "trained")
    assert (folder / "model.safetensors").read_bytes() == (undamaged / "trained" / "model.safetensors").read_bytes()


@pytest.mark.thorough
@every(LEARNED)
@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_what_starts_from_a_run_refuses_it_or_comes_to_the_same(
    undamaged: Path, tmp_path: Path, command: tuple[str, ...], name: str, kind: str
) -> None:
    damage(shutil.copytree(undamaged / "learned", tmp_path / "learned"), name, kind)
    done = program(tmp_path, *command, "run_dir=new")
    if done.code == 0:
        same = measured if command[0] == "train-on-subset" else chosen
        assert same(tmp_path / "new") == same(undamaged / command[0])
    else:
        assert done.code == 2
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1
        assert name in done.err
        assert not (tmp_path / "new").exists()


@pytest.mark.thorough
@every(SCORED)
def test_a_run_beside_is_no_obstacle(undamaged: Path, tmp_path: Path, name: str, kind: str) -> None:
    parent = tmp_path / "scored" / "aum"
    beside = only(undamaged, "scored/aum/ratio-0.30*")
    damage(shutil.copytree(beside, parent / beside.name), name, kind)
    done = program(tmp_path, *on_data((*SCORE, "ratio=0.4"), undamaged))
    assert done.code == 0, done.err
    assert chosen(only(parent, "ratio-0.40*")) == chosen(only(undamaged, "scored/aum/ratio-0.40*"))


@pytest.mark.parametrize("name", SCORED)
def test_only_what_was_selected_is_loaded(undamaged: Path, tmp_path: Path, name: str) -> None:
    run = only(undamaged, "scored/aum/ratio-0.30*")
    expected = Coreset.load(run).at_ratio(0.5).indices.tolist()
    damage(shutil.copytree(run, tmp_path / "run"), name, "flipped")
    try:
        found = Coreset.load(tmp_path / "run").at_ratio(0.5).indices.tolist()
    except CoresetError as error:
        found = str(error).partition(": ")[0]
    assert found in (expected, f"cannot read {tmp_path / 'run' / name}")


@pytest.mark.thorough
@pytest.mark.parametrize("name", [*OF_EVERY_RUN, "coreset.json", "scores.npy", "labels.npy"])
def test_a_selection_of_a_comparison_is_made_again(undamaged: Path, tmp_path: Path, undrawn: None, name: str) -> None:
    shutil.copytree(undamaged / "compared", tmp_path / "compared")
    cell = only(tmp_path, "compared/cells/select/el2n/*")
    damage(cell, name, "flipped")
    assert_told(program(tmp_path, *on_data(COMPARE, undamaged)), cell / name)
    assert chosen(cell) == chosen(only(undamaged, "compared/cells/select/el2n/*"))


@pytest.mark.thorough
@pytest.mark.parametrize("name", [*OF_EVERY_RUN[:4], "result.json"])
def test_a_training_of_a_comparison_is_made_again(undamaged: Path, tmp_path: Path, undrawn: None, name: str) -> None:
    shutil.copytree(undamaged / "compared", tmp_path / "compared")
    cell = only(tmp_path, "compared/cells/train/small_cnn/full/*")
    damage(cell, name, "flipped")
    assert_told(program(tmp_path, *on_data(COMPARE, undamaged)), cell / name)
    again = json.loads((cell / "result.json").read_text())
    before = json.loads((only(undamaged, "compared/cells/train/small_cnn/full/*") / "result.json").read_text())
    assert again["top1_last"] == before["top1_last"]


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_table_of_a_run_is_no_list_of_samples_once_it_is_damaged(undamaged: Path, tmp_path: Path, kind: str) -> None:
    damage(shutil.copytree(undamaged / "learned", tmp_path / "learned"), "selected.csv", kind)
    done = program(tmp_path, *on_data(("train-on-subset", *SMALL, "coreset=learned/selected.csv"), undamaged))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(
        f"error: cannot read {tmp_path / 'learned' / 'selected.csv'}: its SHA-256 is not the one in "
    )


@pytest.mark.parametrize("kind", DAMAGES)
def test_features_are_made_again_and_never_selected_from_damaged(undamaged: Path, tmp_path: Path, kind: str) -> None:
    make = on_data(("features", "model.width=2", "run_dir=embedded"), undamaged)
    assert program(tmp_path, *make).code == 0
    path = tmp_path / "embedded" / "features.npy"
    whole = path.read_bytes()
    damage(path.parent, path.name, kind)
    select = ("select", "selector=k_center", f"features={path}", "run_dir=new")
    done = program(tmp_path, *on_data(select, undamaged))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(
        f"error: cannot read {path}: its SHA-256 is not the one in SHA256SUMS: make the run again"
    )
    assert_told(program(tmp_path, *make), path)
    assert path.read_bytes() == whole
