"""Measuring a trained model on further data sets, where they differ from what it was trained on."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rlsel.data.corrupted import corrupted_test_split
from rlsel.data.dataset import Dataset
from rlsel.data.further import FurtherSplit
from rlsel.data.imagenet_variants import read_imagenet_variant
from rlsel.evaluation.settings import EvaluationSettings, corruptions_of
from rlsel.models.target import TargetModel
from rlsel.training.evaluation import clean_pass, right_guesses
from rlsel.training.fabric import Fabric
from rlsel.training.resuming import Checkpointing, kept


@dataclass(frozen=True, kw_only=True)
class FurtherDataset:
    """Something that a model is measured on.

    Attributes:
        name: The name that it was asked for by.
        parts: The splits whose mean accuracy is taken. Two data sets that share a split hold the same object, so that
            it is measured once.
    """

    name: str
    parts: tuple[FurtherSplit, ...]


@dataclass(frozen=True, kw_only=True)
class FurtherAccuracy:
    """How often a right class is among the first guesses; fractions in [0, 1].

    Attributes:
        top1: The first guess is right.
        top5: One of the first five is.
    """

    top1: float
    top5: float


def read_further(settings: EvaluationSettings, dataset: Dataset, *, seed: int) -> tuple[FurtherDataset, ...]:
    """Finds all that was asked for, so that what is missing is known before a training.

    Args:
        settings: What was asked for.
        dataset: What is trained on.
        seed: The data set's own; the corrupted images are the same for every model.

    Raises:
        DataError: if a data set is missing, damaged, or unfit for what is trained on.
    """
    corrupted: dict[tuple[str, int], FurtherSplit] = {}
    found: list[FurtherDataset] = []
    for name in settings.measured:
        wanted = corruptions_of(name)
        for kind, severity in wanted:
            if (kind, severity) not in corrupted:
                split = corrupted_test_split(dataset, kind, severity, seed=seed)
                corrupted[kind, severity] = FurtherSplit(
                    name=f"{kind}@{severity}", split=split, answers=split.labels[:, None]
                )
        parts = [corrupted[key] for key in wanted] or [read_imagenet_variant(name, settings.root, dataset)]
        found.append(FurtherDataset(name=name, parts=tuple(parts)))
    return tuple(found)


def measure(
    model: TargetModel,
    dataset: Dataset,
    further: Sequence[FurtherDataset],
    *,
    fabric: Fabric,
    checkpointing: Checkpointing | None = None,
) -> dict[str, FurtherAccuracy]:
    """Measures a model; each part is looked at once.

    Args:
        model: Keeps the mode that it was in.
        dataset: What it was trained on; says how images are normalised.
        further: What it is measured on.
        fabric: The device and the precision.
        checkpointing: That of the training of the model, where what is measured is kept too; None for nowhere.

    Returns:
        The accuracies by name.
    """

    def measured_on(part: FurtherSplit) -> FurtherAccuracy:
        place = None if checkpointing is None else checkpointing.part("further", part.name)
        return FurtherAccuracy(**kept(place, lambda: asdict(_measure(model, dataset, part, fabric=fabric))))

    parts = {part.name: part for one in further for part in one.parts}
    measured = {name: measured_on(part) for name, part in parts.items()}
    return {one.name: _mean([measured[part.name] for part in one.parts]) for one in further}


def _measure(model: TargetModel, dataset: Dataset, part: FurtherSplit, *, fabric: Fabric) -> FurtherAccuracy:
    logits = clean_pass(model, dataset, part.split, fabric=fabric).logits
    right = right_guesses(logits, part.answers, among=part.among)
    return FurtherAccuracy(top1=float(right[:, 0].double().mean()), top5=float(right.any(dim=1).double().mean()))


def _mean(accuracies: Sequence[FurtherAccuracy]) -> FurtherAccuracy:
    return FurtherAccuracy(
        top1=statistics.fmean(one.top1 for one in accuracies), top5=statistics.fmean(one.top5 for one in accuracies)
    )
