"""The scripts in scripts/examples, run as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
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
        ("hugging_face", "rl_selector at 0.3: 60 of 200 rows"),
        ("own_model", "600 of the known, 299 of the new samples"),
    ],
)
def test_an_example_runs(name: str, expected: str, folder: Path, tmp_path: Path) -> None:
    environment = os.environ | {"HF_HOME": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), str(folder)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["digits"], "nothing is written"
