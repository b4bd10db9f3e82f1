import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rlsel as package
from rlsel.cli.main import Terminated
from rlsel.cli.table import COMMANDS
from rlsel.training.reporting import Reporter


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_the_overview_names_every_command_with_an_example(
    rlsel: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    result = rlsel(*arguments)
    assert (result.code, result.err) == (0, "")
    assert len(COMMANDS) >= 3
    for command in COMMANDS.values():
        assert re.search(
            rf"^  {command.name} +{re.escape(command.summary)}\n +{re.escape(command.example)}$", result.out, re.M
        )
        assert command.example.startswith(f"rlsel {command.name} ")


@pytest.mark.parametrize("arguments", [("--version",), ("select", "--version")])
def test_the_version_is_this_program_s(rlsel: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    assert rlsel(*arguments).out == f"rlsel {package.__version__}\n"


def test_the_word_help_may_come_first(rlsel: Callable[..., Any]) -> None:
    assert rlsel("help", "apply") == rlsel("apply", "--help")
    assert not list(Path.cwd().iterdir())


def loaded_by(*arguments: str) -> set[str]:
    """Returns the heavy packages that a fresh interpreter has loaded after the program ran."""
    command = (
        f"import sys\nsys.argv = {['rlsel', *arguments]!r}\nfrom rlsel.cli.main import main\nassert main() == 0\n"
        "print('\\n', *sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    modules = set(output.splitlines()[-1].split())
    assert "rlsel.cli.main" in modules
    return modules & {"torch", "hydra", "rich", "sklearn", "lightning_fabric", "torch._dynamo", "sympy"}


@pytest.mark.thorough
def test_a_float32_run_in_one_process_does_not_load_the_compiler_of_torch(tmp_path: Path) -> None:
    run = ("select", "dataset.train_size=50", "training.epochs=1", f"run_dir={tmp_path}")
    assert "torch" in (loaded := loaded_by(*run))
    assert not loaded & {"lightning_fabric", "torch._dynamo", "sympy"}


def test_what_only_shows_something_is_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert loaded_by("--help") == set()
    assert loaded_by("--version") == set()
    assert loaded_by("select", "--help") == {"hydra"}
    assert loaded_by("select", "--cfg", "job") == {"hydra"}


def test_the_resolved_configuration_is_shown(rlsel: Callable[..., Any]) -> None:
    result = rlsel("select", "--cfg", "job", "ratio=0.25", "training.epochs=3")
    assert result.code == 0
    assert "ratio: 0.25\n" in result.out
    assert "  epochs: 3\n" in result.out
    assert "hydra:" not in result.out
    assert rlsel("select", "--cfg", "job", "--package", "device").out.startswith("# @package device\naccelerator: auto")


def test_the_run_folder_is_the_last_line_and_never_wrapped(
    rlsel: Callable[..., Any], select: Any, tmp_path: Path
) -> None:
    folder = tmp_path / ("long-" * 40 + "name")
    result = rlsel("select", f"run_dir={folder}")
    assert (result.code, result.out) == (0, f"{folder}\n")


def test_what_a_library_prints_does_not_stand_among_the_results(
    rlsel: Callable[..., Any], select: Any, tmp_path: Path
) -> None:
    select.act = lambda request, reporter: sys.stdout.write("downloading\n")
    result = rlsel("select", "run_dir=a")
    assert result.out == f"{tmp_path / 'a'}\n"
    assert "downloading" in result.err


def test_a_command_sees_the_full_command_line(rlsel: Callable[..., Any], select: Any) -> None:
    # the processes of a device run it again
    seen = []
    select.act = lambda request, reporter: seen.append(list(sys.argv))
    rlsel("select", "ratio=0.5", "run_dir=a")
    assert seen == [["/somewhere/bin/rlsel", "select", "ratio=0.5", "run_dir=a"]]
    assert sys.argv == seen[0]


def test_what_lightning_fabric_adds_for_its_processes_is_taken(rlsel: Callable[..., Any], select: Any) -> None:
    added = ('hydra.run.dir="."', "hydra.job.name=train_ddp_process_1", "hydra.output_subdir=null")
    assert rlsel("select", "run_dir=a", *added).code == 0


def test_a_further_process_of_a_run_says_nothing(
    rlsel: Callable[..., Any], select: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    select.act = lambda request, reporter: reporter.note("something")
    result = rlsel("select", "run_dir=a")
    assert (result.code, result.out, result.err) == (0, "", "")
    result = rlsel("select", "seed=-1")
    assert (result.code, result.err) == (2, "")


def test_relative_paths_mean_the_folder_of_the_user(rlsel: Callable[..., Any], select: Any, tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    result = rlsel("select", "run_dir=a", "hydra.job.chdir=true", "hydra.run.dir=job")
    assert result.last_line == str(tmp_path / "a")
    assert Path.cwd() == tmp_path


def raising(error: BaseException) -> Callable[[Any, Reporter], None]:
    def act(request: Any, reporter: Reporter) -> None:
        raise error

    return act


def test_a_defect_shows_its_traceback_and_exits_1(rlsel: Callable[..., Any], select: Any) -> None:
    select.act = raising(ZeroDivisionError("unexpected"))
    result = rlsel("select")
    assert (result.code, result.out) == (1, "")
    assert "Traceback" in result.err
    assert result.err.rstrip().endswith("ZeroDivisionError: unexpected")


def test_no_space_is_no_defect(rlsel: Callable[..., Any], select: Any) -> None:
    select.act = raising(OSError(28, "No space left on device", "/data/x"))
    result = rlsel("select")
    assert result.code == 2
    assert result.err == (
        "error: cannot read or write /data/x: No space left on device: free space or choose another run_dir\n"
    )


def test_a_name_that_the_system_takes_for_none_is_no_defect(rlsel: Callable[..., Any], tmp_path: Path) -> None:
    for arguments in (
        ("show", "x" * 256),
        ("train-on-subset", f"coreset={'x/' * 2500}"),
        ("select", f"features={'x' * 256}"),
    ):
        result = rlsel(*arguments)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert result.err.startswith("error: ")
        assert "File name too long" in result.err
    assert not list(tmp_path.iterdir())


def test_an_error_of_several_lines_is_one_line(rlsel: Callable[..., Any], select: Any) -> None:
    select.act = raising(package.errors.DataError("first\n  second"))
    assert rlsel("select").err == "error: first second\n"


def test_the_traceback_of_a_user_s_mistake_is_shown_on_demand(
    rlsel: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Traceback" not in rlsel("select", "seed=-1").err
    monkeypatch.setenv("RLSEL_DEBUG", "1")
    for arguments in (("select", "seed=-1"), ("select", "sed=-1"), ("nope",)):
        result = rlsel(*arguments)
        assert result.code == 2
        assert result.err.startswith("Traceback")
        assert result.err.splitlines()[-1].startswith("error: ")


def test_ctrl_c_exits_130(rlsel: Callable[..., Any], select: Any) -> None:
    select.act = raising(KeyboardInterrupt())
    result = rlsel("select")
    assert (result.code, result.out) == (130, "")
    assert "error" not in result.err


def test_sigterm_reaches_the_command_and_exits_143(rlsel: Callable[..., Any], select: Any) -> None:
    before = signal.getsignal(signal.SIGTERM)
    saved = []

    def act(request: Any, reporter: Reporter) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as stop:
            saved.append(stop)
            raise

    select.act = act
    assert rlsel("select").code == 143
    assert [type(stop) for stop in saved] == [Terminated]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_ctrl_c_ends_at_once(rlsel: Callable[..., Any], select: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class EndedError(Exception):
        pass

    def end(code: int) -> None:
        codes.append(code)
        raise EndedError

    codes: list[int] = []
    monkeypatch.setattr("os._exit", end)

    def act(request: Any, reporter: Reporter) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:  # what cleans up may take its time
            signal.raise_signal(signal.SIGINT)

    select.act = act
    rlsel("select")
    assert codes == [130]
    select.act = lambda request, reporter: signal.raise_signal(signal.SIGINT)
    assert rlsel("select").code == 130, "the next call starts to count anew"


def test_the_environment_is_left_as_it_was(
    rlsel: Callable[..., Any], select: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    rlsel("select")
    assert os.environ["HYDRA_FULL_ERROR"] == "0"
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    rlsel("select")
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = [sys.executable, "-m", "rlsel", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # before the program has written anything
        assert process.stderr.read() == b""
        assert process.wait() == 141
