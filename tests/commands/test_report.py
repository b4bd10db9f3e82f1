"""`rlsel report` as a whole: where the page goes, what it is made from, and which mistakes are one line."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from tests.report.parsed_page import Page

from rlsel.commands.report import report
from rlsel.commands.requests import ReportRequest, SelectRequest
from rlsel.commands.select import select
from rlsel.coreset import Coreset
from rlsel.data.arrays import Arrays
from rlsel.errors import CoresetError, DataError
from rlsel.report.opinions import labels_instead
from rlsel.runs.datasets import read_dataset
from rlsel.runs.reader import read_run
from rlsel.runs.settings import RunOptions
from rlsel.selectors.random import Random
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.reporting import SilentReporter


@pytest.fixture(scope="module")
def lasting_runs(lasting_settings: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the policy and one of a random choice, of the same images."""
    folder = tmp_path_factory.mktemp("runs")
    for selector in (RLSelector(), Random()):
        options = RunOptions(run_dir=folder / selector.name)
        request = SelectRequest(settings=lasting_settings, selectors=(selector,), ratios=(0.4,), options=options)
        select(request, SilentReporter())
    return folder


@pytest.fixture
def runs(lasting_runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lasting_runs, tmp_path / "runs"))


def read(folder: Path) -> Page:
    return Page((folder / "report.html").read_text())


def test_the_page_goes_into_the_run_folder_which_is_the_last_line(
    rlsel: Callable[..., Any], runs: Path, working_folder: Path
) -> None:
    before = {path.name: path.read_bytes() for path in (runs / "rl_selector").iterdir()}
    result = rlsel("report", f"run={runs / 'rl_selector'}", f"against={runs / 'random'}")
    assert (result.code, result.out) == (0, f"{runs / 'rl_selector'}\n")
    assert result.err.startswith(f"note: {runs / 'rl_selector' / 'report.html'} is one file of ")
    after = {path.name: path.read_bytes() for path in (runs / "rl_selector").iterdir()}
    page = read(runs / "rl_selector")
    del after["report.html"]
    assert after == before, "nothing else is touched"
    assert "36 of 90 samples of arrays are kept by rl_selector" in page.text
    mine, other = (set(np.load(runs / name / "indices.npy").tolist()) for name in ("rl_selector", "random"))
    assert f"Both keep {len(mine & other)} " in page.text
    assert list(working_folder.iterdir()) == []


def test_a_run_without_features_is_measured_in_pixels_which_the_page_says(runs: Path, reporter: Any) -> None:
    folder = report(ReportRequest(run=runs / "random"), reporter)
    page = read(folder)
    assert "The run stored no features. Distances are therefore those of pixels" in page.text
    coreset = Coreset.load(folder)
    # one loop over all pairs of a dropped and a kept sample of a class
    with np.load(_archive(folder)) as archive:
        pixels = archive["images"].reshape(90, -1) / 255
    nearest = min(
        float(np.linalg.norm(pixels[dropped] - pixels[kept]))
        for dropped in range(90)
        for kept in coreset.indices
        if dropped not in coreset.indices and coreset.labels[dropped] == coreset.labels[kept]
    )
    assert f"distance {nearest:.3g}" in page.text


def _archive(folder: Path) -> str:
    import yaml

    return str(yaml.safe_load((folder / "config.yaml").read_text())["dataset"]["path"])


def test_the_model_is_asked_for_another_label_than_the_given_one(lasting_runs: Path) -> None:
    run = read_run(lasting_runs / "rl_selector")
    dataset = read_dataset(run.run_settings())
    places = [3, 0, 40, 89]
    with RunOptions().device.computing() as fabric:
        found = labels_instead(run, dataset, places, fabric)
        assert labels_instead(run, dataset, [], fabric) == {}
    # the recorded features through the recorded last layer
    tensors = load_file(run.folder / "target.safetensors")
    logits = load_file(run.folder / "features.safetensors")["features"] @ tensors["head.weight"].T
    logits += tensors["head.bias"]
    labels = np.load(run.folder / "labels.npy")
    assert found == {
        place: max((label for label in range(3) if label != labels[place]), key=lambda label: logits[place, label])
        for place in places
    }


def test_data_that_moved_leaves_the_page_without_pictures_unless_told_where(runs: Path, tmp_path: Path) -> None:
    run = runs / "rl_selector"
    archive = Path(_archive(run))
    moved = archive.rename(tmp_path / "moved.npz")
    try:
        report(ReportRequest(run=run), SilentReporter())
        assert "There are no pictures: arrays: dataset.path must be an existing file" in read(run).text
        assert read(run).payload["columns"], "the features are those of the run"
        report(ReportRequest(run=run, dataset=Arrays(path=moved)), SilentReporter())
    finally:
        moved.rename(archive)
    assert "There are no pictures" not in read(run).text


def test_data_that_changed_is_not_shown(runs: Path, write_archive: Callable[..., Path]) -> None:
    run = runs / "rl_selector"
    other = write_archive("other", seed=9)
    with pytest.raises(CoresetError, match=r"the data set has .*other images, labels or order"):
        report(ReportRequest(run=run, dataset=Arrays(path=other)), SilentReporter())
    assert not (run / "report.html").exists()
    with pytest.raises(DataError, match="must be an existing file"):
        report(ReportRequest(run=run, dataset=Arrays(path=Path("/none.npz"))), SilentReporter())


def test_another_folder_and_a_sweep(rlsel: Callable[..., Any], runs: Path, working_folder: Path) -> None:
    assert rlsel("report", f"run={runs / 'random'}", "run_dir=page").folder == working_folder / "page"
    assert [path.name for path in (working_folder / "page").iterdir()] == ["report.html"]
    result = rlsel("report", "-m", f"run={runs / 'random'},{runs / 'rl_selector'}", "run_dir=pages")
    assert result.folder == working_folder / "pages"
    pages = sorted(str(path.relative_to(result.folder)) for path in result.folder.rglob("report.html"))
    assert pages == ["runs/random/report.html", "runs/rl_selector/report.html"]


def test_select_makes_the_page_at_its_end_also_of_a_run_that_is_there(
    settings: Any, tmp_path: Path, reporter: Any
) -> None:
    options = RunOptions(run_dir=tmp_path / "made")
    request = SelectRequest(settings=settings, selectors=(Random(),), ratios=(0.3, 0.5), report=True, options=options)
    folder = select(request, reporter)
    pages = sorted(folder.rglob("report.html"))
    assert [path.parent for path in pages] == sorted(path.parent for path in folder.rglob("indices.npy"))
    assert len(pages) == 2
    without = select(replace(request, report=False, options=RunOptions(run_dir=tmp_path / "plain")), SilentReporter())
    for path in pages:
        own = path.parent / "indices.npy"
        assert own.read_bytes() == (without / own.relative_to(folder)).read_bytes()
        path.unlink()
    select(request, reporter)
    assert sorted(folder.rglob("report.html")) == pages


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "run must be given: add run=VALUE"),
        (("run=none",), "run must be the folder of a finished run, got"),
        (("run={runs}",), "run must be the folder of a finished run, got"),
        (("run={runs}/random", "against=none"), "against must be the folder of a finished run, got"),
        (("run={runs}/random", "dataset=arrays", "dataset.path=none.npz"), "arrays: dataset.path must be an existing"),
        (("run={runs}/random", "ratio=0.3"), "unknown key 'ratio'"),
        (("run={runs}/random", "run_dir={runs}/random/indices.npy"), "run_dir must lie below a folder"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    rlsel: Callable[..., Any], runs: Path, working_folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = rlsel("report", *(argument.format(runs=runs) for argument in arguments))
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: {message}"), result.err
    assert result.err.count("\n") == 1
    assert list(working_folder.iterdir()) == []
    assert not list(runs.rglob("report.html"))
