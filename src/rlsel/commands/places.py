"""Where the results of a command go that looks at a run."""

from __future__ import annotations

from pathlib import Path

from rlsel.runs.reader import Run
from rlsel.runs.settings import RunOptions


def beside_run(run: Run, options: RunOptions) -> Path:
    """Returns the absolute folder: the run's own unless `run_dir` is given, which may be the parent of several."""
    folder, given = run.folder.absolute(), options.run_dir
    if given is None:
        return folder
    return (given / folder.parent.name / folder.name if options.several else given).absolute()
