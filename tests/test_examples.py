"""The scripts in scripts/examples, run as they stand."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

EXAMPLES = Path(__file__).parents[1] / "scripts" / "examples"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two hundred digits in ten class folders."""
    digits = load_digits()
    for number in range(200):
        path = tmp_path / "digits" / str(digits.target[number]) / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[number] * 255 / 16).astype(np.uint8)).save(path)
    return tmp_path / "digits"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("own_folder", "100 of 200 pictures, by class"),
        ("own_model", "600 of the known, 299 of the new samples"),
    ],
)
def test_an_example_runs(
    name: str,
    expected: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", str(folder)])
    with torch.random.fork_rng(devices=()):
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert expected in capsys.readouterr().out
    assert names(tmp_path) == {"digits"}, "nothing is written"


@pytest.mark.thorough
def test_the_example_of_hugging_face_runs(folder: Path, tmp_path: Path) -> None:
    # a process of its own: `datasets` reads where its cache lies when it is imported
    environment = os.environ | {"HF_HOME": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "hugging_face.py"), str(folder)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "rl_selector at 0.3: 60 of 200 rows" in done.stdout
    assert names(tmp_path) == {"digits", "cache"}, "nothing else is written"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
