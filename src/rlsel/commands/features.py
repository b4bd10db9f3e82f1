"""`rlsel features`: the features of a frozen network, as `rlsel select features=` takes them."""

from __future__ import annotations

from pathlib import Path

from rlsel.commands.missing import taken
from rlsel.commands.requests import FeaturesRequest
from rlsel.data.description import tell
from rlsel.data.variation import apply_variation
from rlsel.embedding import embed
from rlsel.files import write_array
from rlsel.run_files import CONFIG_FILE, seal
from rlsel.runs.folder import OUTPUTS, RunFolder, begun, check_writable, note_damage
from rlsel.runs.layout import data_and_model, settings_hash
from rlsel.training.reporting import Reporter

FEATURES_FILE = "features.npy"


def features(request: FeaturesRequest, reporter: Reporter) -> Path:
    """Computes the features, unless that is done already.

    Returns:
        The run folder, with `features.npy`.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
    """
    settings = data_and_model(request.dataset, request.variation, request.model) | {"seed": request.seed}
    digest = settings_hash(settings)
    folder = RunFolder(path=_place(request, digest).absolute(), digest=digest)
    if request.options.resume == "auto" and folder.complete:
        reporter.note(taken())
        return folder.path
    check_writable(folder.path)
    dataset = apply_variation(request.dataset.load(), request.variation)
    note_damage([folder], reporter.note)
    with request.options.device.computing() as fabric, begun([folder], "features", [settings]):
        embedding = embed(dataset, request.model, fabric=fabric, seed=request.seed)
        write_array(folder.path / FEATURES_FILE, embedding.features)
        seal(folder.path, (CONFIG_FILE, FEATURES_FILE))
        folder.set_state("complete")
    tell(dataset, reporter.note)
    for line in embedding.notes:
        reporter.note(line)
    return folder.path


def _place(request: FeaturesRequest, digest: str) -> Path:
    given = request.options.run_dir
    if given is not None and not request.options.several:
        return given
    return (given or OUTPUTS / "features" / request.dataset.name) / f"{request.model.name}_{digest}"
