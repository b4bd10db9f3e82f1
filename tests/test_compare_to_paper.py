"""The script that prints our numbers beside the paper's."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "compare_to_paper.py"
HEAD = "model,selector,ratio,n,accuracy,accuracy_se"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare_to_paper", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(folder: Path, name: str, *lines: str) -> None:
    path = folder / name / "summary.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([HEAD, *lines]) + "\n")


def cells(text: str, *start: str) -> list[str]:
    """The cells of the first line of a table that begins with these."""
    for line in text.splitlines():
        found = [cell.strip() for cell in line.strip("|").split("|")]
        if found[: len(start)] == list(start):
            return found
    raise AssertionError(f"no line begins with {start}")


def test_what_was_not_run_is_blank(script: ModuleType, tmp_path: Path) -> None:
    text = script.report(tmp_path / "nothing")
    assert cells(text, "rl_selector") == [
        "rl_selector", "91.79", "", "92.06", "", "91.93", "", "92.79", "", "92.34", "",
    ]  # fmt: skip
    assert cells(text, "random")[1:] == [""] * 10
    assert text.count("Ours: not run.") == len(script.CLAIMS) == 9
    assert text.count("Small form: not run.") == 10


def test_the_paper_s_numbers_are_those_of_its_table(script: ModuleType) -> None:
    # as the summary of the paper prints them
    table = """
    EL2N 90.32 90.97 91.61 91.75 92.34
    MoSo 90.73 91.13 91.50 92.23 92.34
    Moderate-DS 90.42 90.84 90.91 91.88 92.34
    Self-sup.Proto 90.11 90.85 91.82 91.98 92.34
    RL-Selector 91.79 92.06 91.93 92.79 92.34
    """
    printed = [tuple(map(float, line.split()[1:])) for line in table.strip().splitlines()]
    assert [(*numbers, script.PAPER_FULL) for numbers in script.PAPER.values()] == printed


def test_ours_stand_beside_the_paper_s(script: ModuleType, tmp_path: Path) -> None:
    write(
        tmp_path,
        "cifar10",
        "resnet50,full,1.0,3,0.9512,0.001",
        "resnet50,rl_selector,0.6,3,0.91235,0.0021",
        "resnet50,rl_selector,0.9,1,0.94,",
        "resnet50,random,0.6,3,0.9,0.002",
    )
    text = script.report(tmp_path)
    assert cells(text, "rl_selector")[1:3] == ["91.79", "91.23 ± 0.21"]
    assert cells(text, "rl_selector")[7:] == ["92.79", "94.00", "92.34", "95.12 ± 0.10"]
    assert cells(text, "el2n")[1:3] == ["90.32", ""]
    assert cells(text, "random")[1:3] == ["", "90.00 ± 0.20"]
    assert text.count("Small form: not run.") == 10


def test_small_forms_are_marked_and_never_beside_the_paper_s(script: ModuleType, tmp_path: Path) -> None:
    write(
        tmp_path,
        "cifar10_small",
        "resnet50,full,1.0,3,0.8,0.01",
        "resnet50,rl_selector,0.3,3,0.7,0.01",
        "vit,rl_selector,0.5,3,0.6,0.01",
    )
    (tmp_path / "cifar10_small" / "config.yaml").write_text(
        "dataset: {_target_: a.FashionMNIST, train_size: 10000}\nmodel: {_target_: b.ResNet18, width: 16}\n"
        "training: {epochs: 200, steps: 400, batch_size: 64}\nseeds: [0, 1]\n"
    )
    text = script.report(tmp_path)
    assert cells(text, "rl_selector")[1:3] == ["91.79", ""]
    assert "Small form (neither the paper's data nor its models):" in text
    assert "FashionMNIST, 10000 training images, ResNet18 of width 16 selects, 400 steps of batches of 64" in text
    assert cells(text, "resnet50", "rl_selector") == ["resnet50", "rl_selector", "70.00 ± 1.00", "", "80.00 ± 1.00"]
    assert cells(text, "vit", "rl_selector")[2:] == ["", "60.00 ± 1.00", ""]


def test_it_runs(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("# Ours beside the paper")
    assert done.stderr == ""
