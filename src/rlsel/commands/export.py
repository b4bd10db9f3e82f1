"""`rlsel export`: the coreset of a run in the form of another tool."""

from __future__ import annotations

from pathlib import Path

from rlsel.commands.requests import ExportRequest
from rlsel.data.embeddings import Embeddings
from rlsel.formats.rows import Shard
from rlsel.formats.writing import default_place, export_coreset
from rlsel.report.selection_view import selection_warnings
from rlsel.runs.folder import check_writable
from rlsel.runs.reader import Run, read_run
from rlsel.runs.rebuilding import dataset_and_variation
from rlsel.structure import as_node
from rlsel.training.reporting import Reporter


def export(request: ExportRequest, reporter: Reporter) -> Path:
    """Writes the coreset.

    Returns:
        The absolute file or folder that was written.

    Raises:
        RlselError: for a user's mistake; nothing is written then.
    """
    run = read_run(request.run)
    coreset = run.finished_coreset()
    target = (request.out or default_place(run.folder, request.format)).absolute()
    check_writable(target.parent, "out")
    written = export_coreset(
        coreset,
        request.format,
        target,
        part=request.part,
        root=request.root or _recorded_root(run),
        mode=request.mode,
        overwrite=request.overwrite,
        shards=_recorded_shards(run) if request.format == "shards" else (),
    )
    for warning in selection_warnings(coreset):
        reporter.note(f"warning: {warning}")
    reporter.note(f"{len(coreset)} of {len(coreset.candidates)} samples are kept")
    return written


def _recorded_shards(run: Run) -> tuple[Shard, ...]:
    """Finds the files of features that a run selected from; none for any other data set."""
    source, _ = dataset_and_variation(as_node(run.settings.get("dataset"), "dataset"))
    if not isinstance(source, Embeddings):
        return ()
    return tuple(Shard(name=name, size=size, ids=ids) for name, size, ids in source.shards())


def _recorded_root(run: Run) -> Path | None:
    root = run.settings.get("dataset", {}).get("root")
    return Path(root) if isinstance(root, str) else None
