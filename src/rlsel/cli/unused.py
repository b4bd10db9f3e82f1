"""Settings that were typed but change nothing: each is named in a note, so that nobody waits for its effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rlsel.structure import setting_names
from rlsel.training.reporting import HintsFirst

if TYPE_CHECKING:
    from rlsel.cli.composing import Composed
    from rlsel.evaluation.settings import EvaluationSettings
    from rlsel.export import ExportSettings
    from rlsel.selectors.base import Selector
    from rlsel.training.reporting import Reporter

PARTS = ("policy", "reward", "cover")
"""Fields of a selector that have a top-level key of their own."""

_DECIDED_BY_CONTINUED = ("schedule", "step_milestones", "step_factor", "warmup", "weighting")
"""Of a training that goes on where another ended; see `rlsel.commands.finetune_ratio`."""

Unused = Iterator[tuple[str, str]]
"""Keys, a level standing for all below it, each with what reads behind "has no effect"."""


@contextmanager
def noting_unused(composed: Composed, reporter: Reporter, *unused: Unused) -> Iterator[Reporter]:
    """Notes those of the unused keys that the user typed, before all else that a command says.

    A command that is refused says nothing but its error.
    """
    found = ((name, why) for several in unused for key, why in several for name in composed.typed(key))
    hinting = HintsFirst(reporter, [f"note: {name} has no effect {why}" for name, why in found])
    yield hinting
    hinting.say_hints()


def of_selectors(selectors: Sequence[Selector]) -> Unused:
    """Yields the parts that no selector has, and settings of a cover that is measured in another way."""
    if not any("trials" in setting_names(type(selector)) for selector in selectors):
        for key in ("for_model", "for_steps", "for_epochs"):
            yield key, f"on {_named(selectors)}, which makes the same choice for every training"
    for key in PARTS:
        if not any(key in setting_names(type(selector)) for selector in selectors):
            yield key, f"on {_named(selectors)}"
    measures = {selector.cover.measure for selector in selectors if hasattr(selector, "cover")}
    for key, measure in (("cover.neighbours", "knn"), ("cover.reduction", "cover")):
        if measures and measure not in measures:
            yield key, f"with cover.measure={'|'.join(sorted(measures))}: it is of cover.measure={measure}"


def of_target(selectors: Sequence[Selector], *, features: bool) -> Unused:
    """Yields the features that no selector looks at, and the model where none wants it trained.

    Args:
        selectors: All that are run.
        features: Whether the user brings features.
    """
    from rlsel.selectors.base import uses

    used = [uses(selector) for selector in selectors]
    if features and not any(one.features for one in used):
        yield "features", f"on {_named(selectors)}"
    if not any(one.target_beside_features if features else one.target for one in used):
        for key in ("model", "training"):
            yield key, f"on {_named(selectors)}, which trains no model" + (" beside features=" if features else "")


def of_export(exports: Iterable[tuple[Selector, ExportSettings]]) -> Unused:
    """Yields the temperature where nothing is drawn.

    Args:
        exports: The selectors, each with what the user set over its own default.
    """
    from rlsel.export import resolve

    modes = {resolve(export, selector.export).mode for selector, export in exports}
    if "sample" not in modes:
        yield "export.temperature", f"with export.mode={'|'.join(sorted(modes))}: it is of export.mode=sample"


def of_evaluation(evaluation: EvaluationSettings) -> Unused:
    """Yields the folder where nothing is read from it."""
    if not evaluation.needs_root:
        yield "evaluation.root", "on evaluation.datasets without imagenet_a, imagenet_r and imagenet_hard"


def of_one_process(composed: Composed) -> Unused:
    """Yields the number of processes, for a command that is one of them."""
    if composed.nodes["jobs"] != 1:
        command = composed.name.partition("/")[0]
        yield "jobs", f"on {command}, which is one process: sweep with -m and hydra/launcher=joblib"


def of_finetuning(features: object) -> Unused:
    """Yields the parts of the recipe that fine-tuning has no use for.

    Args:
        features: `saved` or `continued`.
    """
    if features == "saved":
        yield "training", "with features=saved, which trains no model"
        return
    for name in _DECIDED_BY_CONTINUED:
        yield f"training.{name}", "with features=continued, which goes on at the end of the recorded training"


def of_images() -> Unused:
    """Yields what is changed in the labels, for a command that looks at images alone."""
    yield "dataset.label_noise", "on features, which are of the images alone"


def of_format(format: str) -> Unused:  # noqa: A002 - the word of the command line
    """Yields how images get into a folder, for a form that is none of images.

    Args:
        format: The form.
    """
    from rlsel.formats.writing import IMAGE_FOLDER

    if format != IMAGE_FOLDER:
        yield "mode", f"with format={format}: it is of format={IMAGE_FOLDER}"


def of_page(*, of_comparison: bool) -> Unused:
    """Yields what a page does not depend on.

    Args:
        of_comparison: Whether it shows a comparison, which needs no data.
    """
    yield "resume", "on report, which writes the page anew each time"
    if of_comparison:
        yield "dataset", "on the page of a comparison, which shows what was measured"


def of_verification(*, trains: bool) -> Unused:
    """Yields what a verification does not depend on.

    Args:
        trains: Whether it trains, which an interrupted one goes on with.
    """
    if not trains:
        yield "resume", "on verify, which measures anew what needs no training"


def _named(selectors: Sequence[Selector]) -> str:
    names = [selector.name for selector in selectors]
    return f"selector={names[0]}" if len(names) == 1 else f"selectors=[{','.join(names)}]"
