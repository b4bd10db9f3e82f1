"""`rlsel export` as a whole, on a run of the program."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Eight images in two classes, below `train`."""
    for number in range(8):
        path = tmp_path / "images" / "train" / ("cats, big" if number % 2 else "dögs") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 25 * number, np.uint8)).save(path)
    return tmp_path / "images"


@pytest.fixture
def run(rlsel: Callable[..., Any], images: Path) -> Path:
    """A selection of four of them."""
    data = ("dataset=imagefolder", f"dataset.root={images}")
    folder: Path = rlsel("select", *data, "selector=random", "ratio=0.5", "run_dir=run").folder
    return folder


def kept_files(run: Path, images: Path) -> list[str]:
    samples = ImageFolder(str(images / "train")).samples
    return [samples[index][0] for index in np.load(run / "indices.npy")]


def test_the_recorded_root_leads_to_the_images(rlsel: Callable[..., Any], run: Path, images: Path) -> None:
    result = rlsel("export", "run=run", "format=imagefolder")
    assert result.out == f"{run / 'export' / 'imagefolder'}\n"
    assert result.err == "4 of 8 samples are kept\n"
    found = [str(Path(path).resolve()) for path, _ in ImageFolder(result.last_line).samples]
    assert found == kept_files(run, images)


def test_images_that_moved_are_found_by_root(
    rlsel: Callable[..., Any], run: Path, images: Path, working_folder: Path
) -> None:
    images.rename(images.parent / "moved")
    result = rlsel("export", "run=run", "format=yolo")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: root must be the folder of the images, got ")
    assert not (run / "export").exists()
    written = rlsel("export", "run=run", "format=yolo", f"root={images.parent / 'moved'}", "out=list.txt").folder
    assert written == working_folder / "list.txt"
    assert written.read_text(encoding="utf-8").splitlines() == kept_files(run, images.parent / "moved")


def test_a_list_is_a_coreset_again(rlsel: Callable[..., Any], run: Path, working_folder: Path) -> None:
    written = rlsel("export", "run=run", "format=txt", "out=kept.txt").folder
    data = json.loads((run / "coreset.json").read_text())["dataset"]["name"]
    assert data == "imagefolder"
    assert len(written.read_text(encoding="utf-8").splitlines()) == 4
    with (run / "selected.csv").open(encoding="utf-8", newline="") as file:
        rows = [row["path"] for row in csv.DictReader(file) if row["selected"] == "1"]
    assert written.read_text(encoding="utf-8").splitlines() == rows


def test_several_forms_in_one_sweep(rlsel: Callable[..., Any], run: Path) -> None:
    result = rlsel("export", "-m", "run=run", "format=csv,torch,parquet")
    assert result.folder == run / "export"
    assert sorted(path.name for path in result.folder.iterdir()) == ["csv", "parquet", "torch"]
    assert rlsel("export", "run=run", "format=csv").err.endswith("give another, or overwrite=true\n")
    assert rlsel("export", "run=run", "format=csv", "overwrite=true").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("format=cvs",), "format must be one of csv, .*, got 'cvs': did you mean 'csv'"),
        (("format=csv", "part=keep"), "part must be one of both, dropped, kept, got 'keep': did you mean 'kept'"),
        (("format=csv", "mode=link"), "mode must be one of copy, hardlink, symlink, got 'link'"),
        (("format=csv", "overwrite=yes"), "overwrite must be true or false, got 'yes'"),
        (("format=csv", "out=images.txt/x"), "out must lie below a folder, but .*images.txt is a file: choose another"),
        (("format=csv", "run=nope"), "run must be the folder of a finished run, got .*nope': there is no such folder"),
        ((), "format must be given: add format=VALUE"),
        (("format=csv", "dataset=digits"), "unknown key 'dataset': there are format, mode, out, overwrite, part, root"),
    ],
)
def test_a_mistake_is_one_line(
    rlsel: Callable[..., Any], run: Path, working_folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    (working_folder / "images.txt").touch()
    result = rlsel("export", *(() if any("run=" in word for word in arguments) else ("run=run",)), *arguments)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert re.search(message, result.err), result.err
    assert not (run / "export").exists()


def test_a_class_that_is_lost_is_told(rlsel: Callable[..., Any], images: Path) -> None:
    data = ("dataset=imagefolder", f"dataset.root={images}")
    rlsel("select", *data, "selector=random", "ratio=0.125", "export.min_per_class=0", "run_dir=one")
    result = rlsel("export", "run=one", "format=txt")
    assert result.err.startswith("warning: nothing is kept of 1 of 2 classes: ")
    assert result.err.endswith("1 of 8 samples are kept\n")


def test_a_mode_without_images_has_no_effect(rlsel: Callable[..., Any], run: Path) -> None:
    result = rlsel("export", "run=run", "format=csv", "mode=copy")
    assert "note: mode has no effect with format=csv: it is of format=imagefolder\n" in result.err


def test_the_folder_of_another_command_is_refused(rlsel: Callable[..., Any], run: Path, working_folder: Path) -> None:
    config = (run / "config.yaml").read_text().replace("command: select", "command: train-on-subset")
    other = working_folder / "other"
    other.mkdir()
    (other / "config.yaml").write_text(config)
    (other / "status.json").write_text('{"state": "complete"}')
    assert "run must be the folder of a selection, got" in rlsel("export", "run=other", "format=csv").err
