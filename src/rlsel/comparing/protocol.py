"""The protocol of a comparison: how its numbers come about, for people."""

from __future__ import annotations

from collections.abc import Sequence

from rlsel.comparing.plan import ComparisonPlan
from rlsel.data.dataset import Dataset
from rlsel.data.variation import Variation
from rlsel.evaluation.robustness import FurtherDataset
from rlsel.evaluation.settings import corruptions_of


def protocol(plan: ComparisonPlan, dataset: Dataset, further: Sequence[FurtherDataset]) -> list[str]:
    """Returns how the numbers of a comparison come about, a sentence or two in each line.

    Args:
        plan: What belongs to the comparison.
        dataset: What is selected from, trained on and measured on.
        further: What the models are measured on besides.
    """
    request = plan.request
    training, variation = request.settings.training, request.settings.variation
    changes = {name: getattr(variation, name) for name in ("label_noise", "long_tail", "corruption")}
    plain_values = {"label_noise": 0.0, "long_tail": 1.0, "corruption": 0.0}
    changed = "".join(f", {name} {value:g}" for name, value in changes.items() if value != plain_values[name])
    if request.budget == "steps":
        source = (
            "given by training.steps" if training.steps else f"those of {training.epochs} epochs on all of the data"
        )
        budget = f"budget=steps: every training takes {plan.full_steps} steps, {source}, whatever its ratio."
    elif request.budget == "seconds":
        budget = (
            "budget=seconds: every row of a seed may spend what its dearest selection and a training of "
            f"{plan.full_steps} steps on all of the data take together; what a selection leaves goes into steps."
        )
    else:
        budget = (
            f"budget=epochs: every training makes {training.epochs} passes over its own samples, so that a smaller "
            "ratio takes fewer steps."
        )
    seeds = ", ".join(map(str, request.seeds))
    models = ", ".join(model.name for model in request.models)
    return [
        f"Data: {dataset.name}, {len(dataset.train)} training samples{changed}, {len(dataset.test)} samples to measure "
        f"on ({_measured_on(dataset, variation)}), "
        f"{dataset.num_classes} classes.",
        f"Selection with {request.settings.model.name}, one target training a seed for all selectors. Trained on the "
        f"selections: {models}, from scratch.",
        budget,
        *(f"`{row.name}` is {' '.join(row.overrides) or row.selector.name}." for row in request.variants),
        *_dynamic_protocol(request.dynamic),
        f"Seeds: {seeds}. A seed drives the selection and the training through separate random streams, and a random "
        "choice is drawn anew for each seed.",
        "Accuracy is the mean of the looks at the end of a training and 2.5 and 5 % of it before, never the best look.",
        *_further_protocol(further),
        "Intervals are 95 % t-intervals of the differences paired by seed. They are not corrected for the number of "
        "comparisons" + (", and one seed gives none." if len(request.seeds) == 1 else "."),
    ]


def _measured_on(dataset: Dataset, variation: Variation) -> str:
    if variation.measure_on == "validation":
        return "a validation part of the training split"
    return "held out of the given ones" if dataset.test_from_train else "test split"


def _dynamic_protocol(rules: Sequence[str]) -> list[str]:
    if not rules:
        return []
    names = ", ".join(f"`{rule}`" for rule in rules)
    return [
        f"{names}: nothing is selected beforehand; each pass is over another part of the data, as large as the ratio "
        "says, which is chosen while the model trains."
    ]


def _further_protocol(further: Sequence[FurtherDataset]) -> list[str]:
    lines: list[str] = []
    if any(corruptions_of(one.name) for one in further):
        lines.append(
            "Corruptions are made from the test split, the same for every model. Without @severity, the accuracy is "
            "the mean over the severities 1 to 5; that of corruptions is the mean over all kinds."
        )
    for one in further:
        for part in () if corruptions_of(one.name) else one.parts:
            classes = "all" if part.among is None else f"{int(part.among.sum())}"
            lines.append(f"{one.name}: {len(part.split)} images, guessed among {classes} classes.")
    if lines:
        lines.insert(0, "Out of distribution, the model at the end of its training is measured, by its first guess.")
    return lines
