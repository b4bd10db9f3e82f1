"""Running a command under Hydra: one job, or the jobs of a sweep, in this process or in others."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from rlsel.checks import refuse
from rlsel.cli.composing import Composed, group_options, read_composed
from rlsel.cli.console import reporting
from rlsel.cli.failures import COMPOSITION_ERRORS, explain
from rlsel.cli.help import help_text
from rlsel.cli.options import Options, parse_options
from rlsel.cli.output import print_error, print_result
from rlsel.cli.table import GROUPS, OPTIONAL, Command
from rlsel.cli.together import run_together
from rlsel.cli.trust import opened_packages
from rlsel.cli.typed import given_paths
from rlsel.commands.outcomes import PartlyFailedError
from rlsel.errors import ConfigurationError, RlselError
from rlsel.importing import targets_from
from rlsel.processes import process_count
from rlsel.structure import absolute_path, as_node, convert

_NO_PATH = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.EILSEQ})
_NO_ACCESS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EPERM})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended.

    Attributes:
        code: The exit code that it asks for.
        folder: Its absolute run folder; None where it has none.
        run_dir: The absolute `run_dir` that the user gave; None where not given.
    """

    code: int
    folder: str | None = None
    run_dir: str | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """What Hydra calls for each job; it never raises an `Exception`, as Hydra would print lines of its own.

    Attributes:
        command: The command that is run.
        arguments: The full command line, which Hydra's stood in for; the processes of a device run it again.
        sweep_folder: Where the jobs of a sweep leave their outcomes, as they may run in other processes.
        outcomes: Those of the jobs that are no part of a sweep.
    """

    command: Command
    arguments: tuple[str, ...]
    sweep_folder: Path
    outcomes: list[Outcome] = field(default_factory=list)

    def __call__(self, config: DictConfig) -> None:
        """Runs the command for one composed configuration."""
        settings = HydraConfig.get()
        several = settings.mode == RunMode.MULTIRUN
        sys.argv = _single_job(self.arguments, settings) if several else list(self.arguments)
        label = "job " + " ".join(settings.overrides.task) + ": " if several else ""
        # relative paths mean the folder where the user stands, also under hydra.job.chdir
        with contextlib.chdir(settings.runtime.cwd):
            outcome = self._run(config, settings, label)
        if not several:
            self.outcomes.append(outcome)
            return
        self.sweep_folder.mkdir(parents=True, exist_ok=True)
        (self.sweep_folder / f"{settings.job.num}.json").write_text(json.dumps(asdict(outcome)))

    def _run(self, config: DictConfig, settings: HydraConf, label: str) -> Outcome:
        try:
            composed = read_composed(config, settings, self.command)
            if (processes := _processes_to_start(composed, self.command)) > 1:
                code, last_line = run_together(sys.argv, processes)
                return Outcome(code=code, folder=None if code else last_line, run_dir=_given_folder(composed))
            alone = settings.runtime.choices["hydra/launcher"] == "basic"
            with (
                targets_from(opened_packages(composed, settings)),
                # what libraries print must not stand among the results
                contextlib.redirect_stdout(sys.stderr),
                reporting(composed, alone=alone) as reporter,
            ):
                folder = self.command.run(composed, reporter)
        except RlselError as error:
            print_error(label + str(error))
            return Outcome(code=2)
        except PartlyFailedError as error:
            print_error(label + str(error))
            return Outcome(code=2 if error.by_user else 1, folder=str(error.folder), run_dir=_given_folder(composed))
        except OSError as error:
            remedy = _remedy(error)
            if remedy is None:
                return _internal_failure(label)
            where = error.filename or "the run folder"
            print_error(f"{label}cannot read or write {where}: {error.strerror}: {remedy}")
            return Outcome(code=2)
        except Exception:  # noqa: BLE001 - Hydra would print lines of its own
            return _internal_failure(label)
        return Outcome(code=0, folder=str(folder), run_dir=_given_folder(composed))


def _processes_to_start(composed: Composed, command: Command) -> int:
    """Returns how many processes are to run the command together; 1 where this one is to run it.

    Raises:
        ConfigurationError: if the command cannot be run by several, or the machine has not so many cores.
    """
    device = composed.nodes.get("device") or {}
    asked, started = convert(device.get("processes", 1), int, "device.processes"), process_count()
    if not command.shares_model and max(asked, started) > 1:
        raise ConfigurationError(
            f"device.processes must be 1 for rlsel {command.name}, got {max(asked, started)}: only select and "
            "train-on-subset train one model in several processes"
        )
    cores = os.cpu_count() or 1
    if started == 1 and asked > cores:
        raise refuse("device.processes", f"at most {cores}, the cores of this machine", asked)
    return asked if started == 1 else 1


def _remedy(error: OSError) -> str | None:
    """Says what a user can do where the system refuses a file; None where it is no mistake of the user."""
    if error.errno in _NO_ACCESS:
        return "free space or choose another run_dir"
    return "give another path" if error.errno in _NO_PATH else None


def _given_folder(composed: Composed) -> str | None:
    run_dir = composed.nodes.get("run_dir")
    return run_dir and str(absolute_path(str(run_dir)))


def _internal_failure(label: str) -> Outcome:
    sys.stderr.write(f"{label}this is a defect of rlsel:\n" + traceback.format_exc())
    return Outcome(code=1)


def _single_job(arguments: Sequence[str], settings: HydraConf) -> list[str]:
    """Returns the command line of one job of a sweep, as a sweep of one job."""
    program, command, *rest = arguments
    config_dir = parse_options(rest).config_dir
    return [
        program,
        command,
        "--multirun",
        *([] if config_dir is None else ["--config-dir", config_dir]),
        *(override for override in settings.overrides.hydra if not override.startswith("hydra/launcher=")),
        *settings.overrides.task,
    ]


def run_command(command: Command, options: Options, arguments: Sequence[str]) -> list[Outcome]:
    """Lets Hydra compose the configuration and run the command's jobs.

    Args:
        command: The command.
        options: Its options and settings.
        arguments: The full command line.

    Returns:
        How each job ended; empty where Hydra only showed something.

    Raises:
        ConfigurationError: if the configuration cannot be composed; no job has run then.
    """
    sweep_folder = _sweep_folder(command, options)
    new = [folder for folder in (sweep_folder, *sweep_folder.parents) if not folder.exists()]
    job = Job(command=command, arguments=tuple(arguments), sweep_folder=sweep_folder)
    place = QuotedString(text=str(sweep_folder), quote=Quote.single).with_quotes()
    for_hydra = [arguments[0], *options.for_hydra(), f"hydra.sweep.dir={place}", *options.settings]
    try:
        run_hydra(for_hydra, command, None if options.shows else job)
        swept = [Outcome(**json.loads(path.read_text())) for path in sorted(job.sweep_folder.glob("*.json"))]
    finally:
        _sweep_up(sweep_folder, new)
    # the jobs of a cluster do not write to this terminal
    if any(outcome.code for outcome in swept) and sweep_folder.is_dir():
        print_error(f"a job failed: what each of them said stands in the logs below {sweep_folder}")
    return job.outcomes + swept


def _sweep_folder(command: Command, options: Options) -> Path:
    """Returns where a sweep keeps what only it needs: below the results, as nothing else may be writable."""
    run_dirs = [path for path in given_paths(options.overrides, "run_dir") if path]
    parent = absolute_path(run_dirs[0]) if run_dirs else Path.cwd() / "outputs" / command.name
    return parent / ".sweep" / str(os.getpid())


def show_help(command: Command, options: Options, program: str) -> None:
    """Prints the help text of a command with the values as composed and the options of its groups.

    Options of `--config-dir` are among them. Hydra's own help looks into every group there is, its own included, which
    takes seconds.

    Args:
        command: The command.
        options: Its options and settings.
        program: How the program was called.

    Raises:
        ConfigurationError: if the configuration cannot be composed, or a scalar stands where settings belong.
    """
    own = sorted(command.keys & (GROUPS | OPTIONAL))
    groups = [*own, "experiment"] if own else []
    texts: list[Callable[[], str]] = []

    def take(config: DictConfig) -> None:
        nodes, choices = (
            as_node(OmegaConf.to_container(content), "configuration")
            for content in (config, HydraConfig.get().runtime.choices)
        )
        names = {group: group_options(group) for group in groups}
        # what it refuses is raised when Hydra is done, which prints lines of its own about an error in a job
        texts.append(lambda: help_text(command, nodes, choices, names))

    plain = options.without("--help", "--multirun", "--resolve")
    run_hydra([program, *plain.for_hydra(), *options.settings], command, take)
    print_result("\n".join(text() for text in texts))


def run_hydra(arguments: Sequence[str], command: Command, job: Callable[[DictConfig], None] | None = None) -> None:
    """Calls `hydra.main` with other arguments than the program's; they are the program's own again afterwards.

    Args:
        arguments: What Hydra reads as `sys.argv`.
        command: The command whose configuration is composed.
        job: Called for each job; None where Hydra only shows something.

    Raises:
        ConfigurationError: if the configuration cannot be composed, or holds nothing of what is to be shown.
    """
    full, said = sys.argv, io.StringIO()
    sys.argv = list(arguments)
    try:
        with _full_errors(), contextlib.redirect_stderr(said) if job is None else contextlib.nullcontext():
            hydra.main(version_base="1.3", config_path="pkg://rlsel.conf", config_name=command.config_name)(
                job or _nothing
            )()
    except SystemExit as leaving:
        if leaving.code not in (0, None):
            raise ConfigurationError(said.getvalue() or "Hydra cannot do that") from leaving
    except BrokenPipeError:
        raise
    except COMPOSITION_ERRORS as error:
        raise ConfigurationError(explain(error, command.keys)) from error
    finally:
        sys.argv = full


def _nothing(config: DictConfig) -> None:
    del config


@contextlib.contextmanager
def _full_errors() -> Iterator[None]:
    """Lets Hydra raise its errors, where it would print them and exit otherwise."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


def _sweep_up(sweep_folder: Path, new: Sequence[Path]) -> None:
    """Removes what Hydra and the jobs wrote for the time of a sweep; the logs of a cluster stay.

    Args:
        sweep_folder: Where they wrote.
        new: The folders on the way to it that the sweep made, the deepest first.
    """
    if not sweep_folder.is_dir():
        return
    for path in [*sweep_folder.glob("*.json"), sweep_folder / "multirun.yaml"]:
        path.unlink(missing_ok=True)
    # its parent, if it was there, was left by a sweep that ran beside this one
    for folder in dict.fromkeys([sweep_folder, sweep_folder.parent, *new]):
        with contextlib.suppress(OSError):
            folder.rmdir()


def common_folder(outcomes: Sequence[Outcome]) -> str | None:
    """Returns the folder to print: the run folder of one run, the parent of several; None where no job has one.

    The `run_dir` that the user gave is either.
    """
    folders = [outcome.folder for outcome in outcomes if outcome.folder is not None]
    parents = {outcome.run_dir for outcome in outcomes if outcome.folder is not None}
    if not folders:
        return None
    if len(parents) == 1 and None not in parents:
        return parents.pop()
    return os.path.commonpath(folders)
