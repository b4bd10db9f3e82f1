import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlsel.errors import DataError
from rlsel.training.reporting import Reporter


def test_every_combination_is_a_job_of_its_own(rlsel: Callable[..., Any], select: Any, tmp_path: Path) -> None:
    result = rlsel("select", "ratio=0.3,0.5", "-m", "seed=0,1", "run_dir=runs")
    assert (result.code, result.out, result.err) == (0, f"{tmp_path / 'runs'}\n", "")
    cells = [(request.ratios, request.settings.seed) for request in select.requests]
    assert cells == [((0.3,), 0), ((0.3,), 1), ((0.5,), 0), ((0.5,), 1)]
    assert all(request.options.several for request in select.requests)


def test_a_single_run_is_not_several(rlsel: Callable[..., Any], select: Any) -> None:
    rlsel("select", "run_dir=a")
    assert not select.request.options.several


def test_a_list_in_a_sweep_stays_a_list(rlsel: Callable[..., Any], select: Any) -> None:
    rlsel("select", "-m", "ratio=[0.3,0.5]", "seed=0,1")
    assert [request.ratios for request in select.requests] == [(0.3, 0.5)] * 2


def test_the_folder_of_the_user_is_printed_for_a_single_job_too(
    rlsel: Callable[..., Any], select: Any, tmp_path: Path
) -> None:
    assert rlsel("select", "-m", "ratio=0.3", "run_dir=runs").out == f"{tmp_path / 'runs'}\n"


def test_without_run_dir_the_deepest_common_folder_is_printed(
    rlsel: Callable[..., Any], select: Any, tmp_path: Path
) -> None:
    assert rlsel("select", "-m", "ratio=0.3,0.5").out == f"{tmp_path / 'outputs' / 'somewhere'}\n"
    assert rlsel("select", "-m", "ratio=0.3").out == f"{tmp_path / 'outputs' / 'somewhere' / 'ratio-0.30_seed-0'}\n"


def test_other_run_folders_of_the_user_have_a_common_parent_too(
    rlsel: Callable[..., Any], select: Any, tmp_path: Path
) -> None:
    assert rlsel("select", "-m", "run_dir=x/a,x/b").out == f"{tmp_path / 'x'}\n"


def test_all_jobs_run_and_the_worst_code_is_returned(rlsel: Callable[..., Any], select: Any, tmp_path: Path) -> None:
    result = rlsel("select", "-m", "ratio=0.3,2,nan,0.5", "run_dir=runs")
    assert (result.code, result.out) == (2, f"{tmp_path / 'runs'}\n")
    assert [request.ratios for request in select.requests] == [(0.3,), (0.5,)]
    first, second = result.err.splitlines()
    assert first.startswith("error: job ratio=2 run_dir=runs: ratio must be a number in (0, 1], got 2")
    assert second.startswith("error: job ratio=nan run_dir=runs: ratio must be")


def test_an_error_is_printed_as_it_happens(rlsel: Callable[..., Any], select: Any) -> None:
    order = []

    def act(request: Any, reporter: Reporter) -> None:
        order.append(request.ratios)
        reporter.note(f"at {request.ratios[0]}")
        if request.ratios == (0.3,):
            raise DataError("broken")

    select.act = act
    result = rlsel("select", "-m", "ratio=0.3,0.5")
    assert result.err == "at 0.3\nerror: job ratio=0.3: broken\nat 0.5\n"


def test_where_no_job_ends_well_nothing_is_printed(rlsel: Callable[..., Any]) -> None:
    result = rlsel("select", "-m", "ratio=2,3")
    assert (result.code, result.out) == (2, "")


@pytest.mark.parametrize("ratios", ["0.3,0.5", "2,3"])
def test_nothing_of_the_sweep_itself_stays(rlsel: Callable[..., Any], select: Any, tmp_path: Path, ratios: str) -> None:
    rlsel("select", "-m", f"ratio={ratios}")
    assert not list(tmp_path.iterdir())


def test_what_lies_in_outputs_stays(rlsel: Callable[..., Any], select: Any, tmp_path: Path) -> None:
    (tmp_path / "outputs" / "select").mkdir(parents=True)
    (tmp_path / "outputs" / "select" / "mine").write_text("")
    rlsel("select", "-m", "ratio=0.3,0.5")
    assert [path.name for path in (tmp_path / "outputs").rglob("*")] == ["select", "mine"]


def test_a_place_where_nothing_can_be_written_is_refused(rlsel: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file in the way")
    result = rlsel("select", "-m", "ratio=0.3,0.5")
    assert result.code == 2
    assert result.err.startswith(f"error: cannot write {tmp_path}/outputs/select")
    assert result.err.count("\n") == 1


def test_the_processes_of_a_job_run_that_job_alone(rlsel: Callable[..., Any], select: Any) -> None:
    lines = []
    select.act = lambda request, reporter: lines.append(list(sys.argv))
    rlsel("select", "ratio=0.3,0.5", "-m", "run_dir=runs", "hydra.verbose=false")
    assert len(lines) == 2
    assert lines[1][:3] == ["/somewhere/bin/rlsel", "select", "--multirun"]
    assert lines[1][-2:] == ["ratio=0.5", "run_dir=runs"]
    assert "hydra.verbose=false" in lines[1]
    rlsel(*lines[1][1:])
    assert select.requests[-1] == select.requests[1]


def test_ctrl_c_ends_the_whole_sweep(rlsel: Callable[..., Any], select: Any, tmp_path: Path) -> None:
    def act(request: Any, reporter: Reporter) -> None:
        raise KeyboardInterrupt

    select.act = act
    assert rlsel("select", "-m", "ratio=0.3,0.5").code == 130
    assert len(select.requests) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("run_dir", ["../elsewhere/2024_01_05", "'../elsewhere/2024_01_05','../elsewhere/b c'"])
def test_with_a_place_of_its_own_a_sweep_leaves_the_working_folder_alone(
    rlsel: Callable[..., Any],
    select: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_dir: str,
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "outputs").write_text("where a sweep would write without run_dir")
    seen: list[set[str]] = []
    select.act = lambda request, reporter: seen.append({path.name for path in work.iterdir()})
    result = rlsel("select", "-m", "ratio=0.3,0.5", f"run_dir={run_dir}")
    assert result.code == 0, result.err
    assert seen == [{"outputs"}] * len(select.requests)
    assert [path.name for path in tmp_path.iterdir()] == ["work"], "nothing of the sweep stays elsewhere either"


def test_a_sweep_removes_no_folder_that_it_did_not_make(rlsel: Callable[..., Any], select: Any, tmp_path: Path) -> None:
    (tmp_path / "mine" / "empty").mkdir(parents=True)
    assert rlsel("select", "-m", "seed=0,1", "run_dir=mine/empty").code == 0
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "empty"]


def test_each_job_leaves_its_run_below_the_place_given(
    rlsel: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = rlsel("select", "-m", "selector=random", "dataset.train_size=50", "ratio=0.3,0.5", "run_dir=runs")
    assert result.code == 0, result.err
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["random"]
    assert len(list((tmp_path / "runs" / "random").iterdir())) == 2


def test_the_launcher_of_joblib_runs_the_jobs(rlsel: Callable[..., Any], working_folder: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=1")
    result = rlsel("select", "-m", *joblib, "selector=random", "ratio=0.3,0.5", "run_dir=runs")
    assert (result.code, result.out) == (0, f"{working_folder / 'runs'}\n")
    found = sorted(path.parent.name for path in working_folder.rglob("indices.npy"))
    assert found == ["ratio-0.30_seed-0", "ratio-0.50_seed-0"]
    assert not list(working_folder.rglob(".sweep"))


@pytest.mark.thorough
def test_the_logs_of_a_job_of_submitit_that_fails_are_named(rlsel: Callable[..., Any], working_folder: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    result = rlsel("select", "-m", "hydra/launcher=submitit_local", "selector=random", "ratio=0.3,7", "run_dir=runs")
    assert (result.code, result.out) == (2, f"{working_folder / 'runs'}\n")
    folder = result.err.rpartition(" below ")[2].strip()
    assert result.err.startswith("error: a job failed")
    assert result.err.count("\n") == 1
    logs = "".join(path.read_text() for path in Path(folder).rglob("*.err"))
    assert "error: job" in logs
    assert "ratio" in logs
