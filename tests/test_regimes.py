"""The script that prints the table of the regimes."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from rlsel.evaluation.comparison import Run, summarise

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("regimes", ROOT / "scripts" / "regimes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def regime(**accuracies: tuple[float, float]) -> dict[str, object]:
    """The summaries of methods with the accuracies of two seeds; random has 0.8 in both."""
    runs = [
        Run(
            selector=name,
            ratio=0.5,
            seed=seed,
            model="small_cnn",
            accuracy=accuracy,
            top5=1.0,
            best_accuracy=accuracy,
            worst_class_accuracy=0.5,
            select_seconds=1.0,
            train_seconds=1.0,
            peak_rss_bytes=1,
            num_train=10,
            steps=10,
            mislabelled_kept=None,
            corrupted_kept=None,
            thresholded=None,
        )
        for name, pair in {"random": (0.8, 0.8), **accuracies}.items()
        for seed, accuracy in enumerate(pair)
    ]
    return {row.selector: row for row in summarise(runs, {}) if row.to_random is not None}


def test_the_table_says_what_is_gained_and_lost(script: ModuleType) -> None:
    first = regime(ours=(0.82, 0.82), other=(0.79, 0.79))
    second = regime(ours=(0.796, 0.796), other=(0.81, 0.81))
    lines = script.lines({"first": first, "second": second})
    assert lines[0] == "| regime | `ours` | `other` |"
    assert lines[2] == "| first | +2.0 [+2.0, +2.0] | -1.0 [-1.0, -1.0] |"
    # regret: 0 and 1.4 points behind the best; 3 and 0
    assert lines[-2:] == ["| `ours` | 2 | +0.8 | -0.4 | 50 % | 0.7 |", "| `other` | 2 | +0.0 | -1.0 | 50 % | 1.5 |"]


def test_an_unfinished_comparison_is_left_out(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    assert script.by_method(tmp_path) == {}
    assert script.by_method(tmp_path / "nowhere") == {}
