"""Cheap proxies of a subset's value against real trainings on it: how well each orders drawn subsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from rlsel.cover.coverage import coverage
from rlsel.data.classes import stratified_share
from rlsel.data.dataset import Split
from rlsel.models.target import TargetModel
from rlsel.randomness import Streams, stream
from rlsel.selectors.base import SelectionTask
from rlsel.selectors.target_training import train_target
from rlsel.theory.correlations import rank_correlation, rank_correlation_interval
from rlsel.theory.drawn_subsets import DrawnSubset, draw_subset
from rlsel.theory.journal import Journal, Row
from rlsel.theory.measured_trainings import ProxyResult, SetValue
from rlsel.theory.proxies import Material, cheap_proxies, mean_calibrated_loss
from rlsel.training.evaluation import accuracy, clean_pass
from rlsel.training.loop import Progress, Training, build_model

_HELD_OUT = 0.2
_TRUTH_SHARE, _FEW_SHARE, _LEAST_STEPS = 1 / 3, 0.15, 10
_REPEATED = 5
"""Each fifth subset is trained on twice, from two initialisations: no proxy can follow the truth better than itself."""

_NOT_PROXIES = ("order", "tilt", "noise", "loss", "accuracy", "repeated loss")


def measure_set_value(
    task: SelectionTask, *, scores: Tensor, count: int, steps: int | None = None, journal: Journal
) -> SetValue:
    """Draws subsets, computes the proxies and trains on each.

    A fifth of the training split is held out: the target model of the proxies is trained anew on the rest, from which
    the subsets are drawn, and the proxies are measured on what it has not seen. The truth is measured on the test
    split, or on what is held out where there is none.

    Args:
        task: What is trained on, and how.
        scores: (N,) of a selection, high = keep.
        count: Subsets.
        steps: Of each real training; None for a third of those of the task.
        journal: What is done already, by the number of the subset; the rest is added.
    """
    value = _Measuring(task, scores, steps)
    missing = [number for number in range(count) if str(number) not in journal.rows]
    if missing:
        value.prepare()
    for number in missing:
        journal.add(str(number), value.measure(number))
    rows = [journal.rows[str(number)] for number in range(count)]
    return _summary(rows, value, seed=task.seed)


class _Measuring:
    """What the measurements of all subsets share."""

    def __init__(self, task: SelectionTask, scores: Tensor, steps: int | None) -> None:
        parts = stratified_share(task.labels, _HELD_OUT, stream(task.seed, "set value", "held out"))
        train = task.dataset.train
        self.task = replace(task, dataset=replace(task.dataset, train=train.subset(parts.train)))
        self.held_out = train.subset(parts.test)
        self.scores = scores[parts.train]
        self.has_test = len(task.dataset.test) > 0
        self.truth = task.dataset.test if self.has_test else self.held_out
        total = task.training.total_steps(len(parts.train))
        self.steps = max(_LEAST_STEPS, round(_TRUTH_SHARE * total)) if steps is None else steps
        self.few_steps = max(1, round(_FEW_SHARE * self.steps))

    def prepare(self) -> None:
        """Trains the target model and takes from it what the proxies need."""
        task = self.task
        model = train_target(task, "set value", title="target of the proxies")
        seen, unseen = (
            clean_pass(model, task.dataset, split, fabric=task.fabric) for split in (task.dataset.train, self.held_out)
        )
        errors = seen.probabilities - torch.nn.functional.one_hot(task.labels, task.dataset.num_classes)
        own = {
            "score of the run": self.scores.float(),
            "E_c": coverage(seen.features, task.labels, num_classes=task.dataset.num_classes),
            "el2n": errors.norm(dim=1),
        }
        material = Material(
            features=seen.features,
            labels=task.labels,
            scores=own,
            held_out_features=unseen.features,
            held_out_labels=self.held_out.labels,
            num_classes=task.dataset.num_classes,
        )
        self._material, self._proxies = material, cheap_proxies(material)

    def measure(self, number: int) -> Row:
        """Measures the subset of a number."""
        task, material = self.task, self._material
        subset = draw_subset(number, material.scores, task.labels, num_classes=material.num_classes, seed=task.seed)
        few = self._train(subset, self.few_steps, f"subset {number + 1}, few steps", "few")
        trained = self._train(subset, self.steps, f"subset {number + 1}", "truth")
        loss, right = self._measured(trained, self.truth)
        row: dict[str, float | str] = {
            "order": subset.order,
            "tilt": subset.tilt,
            "noise": subset.noise,
            **self._proxies(subset),
            "few steps": -self._measured(few, self.held_out)[0],
            "loss": loss,
            "accuracy": right,
        }
        if number % _REPEATED == 0:
            again = self._train(subset, self.steps, f"subset {number + 1}, again", "truth again")
            row["repeated loss"] = self._measured(again, self.truth)[0]
        return row

    def _train(self, subset: DrawnSubset, steps: int, title: str, name: str) -> TargetModel:
        task = self.task
        labelled = replace(task.dataset.train, labels=subset.labels)
        streams = Streams(seed=task.seed, names=("set value", name))
        return Training(
            build_model(task.model, task.dataset, streams),
            task.dataset,
            split=labelled.subset(subset.places),
            settings=replace(task.training, steps=steps, weighting="none"),
            fabric=task.fabric,
            streams=streams,
            progress=Progress(reporter=task.reporter, title=title),
        ).run()

    def _measured(self, model: TargetModel, split: Split) -> tuple[float, float]:
        logits = clean_pass(model, self.task.dataset, split, fabric=self.task.fabric).logits
        return mean_calibrated_loss(logits, split.labels), accuracy(logits, split.labels).top1


def _summary(rows: Sequence[Row], value: _Measuring, *, seed: int) -> SetValue:
    def column(name: str) -> list[float]:
        return [float(row[name]) for row in rows]

    losses, accuracies = column("loss"), column("accuracy")
    values = [-loss for loss in losses]
    names = [name for name in rows[0] if name not in _NOT_PROXIES]
    found = [_proxy_result(name, column(name), values, accuracies, column("ratio"), seed=seed) for name in names]
    found.sort(key=lambda result: -2.0 if result.loss is None else result.loss, reverse=True)
    twice = [row for row in rows if "repeated loss" in row]
    return SetValue(
        subsets=len(rows),
        steps=value.steps,
        few_steps=value.few_steps,
        measured_on="test" if value.has_test else "held out",
        proxies=tuple(found),
        repeated=rank_correlation(
            [float(row["loss"]) for row in twice], [float(row["repeated loss"]) for row in twice]
        ),
        losses=tuple(losses),
        accuracies=tuple(accuracies),
        best=tuple(column(found[0].name)),
    )


def _proxy_result(
    name: str,
    proxy: Sequence[float],
    values: Sequence[float],
    accuracies: Sequence[float],
    ratios: Sequence[float],
    *,
    seed: int,
) -> ProxyResult:
    interval = rank_correlation_interval(proxy, values, Streams(seed=seed, names=("set value",)).generator(name))
    own, truth, sizes = np.asarray(proxy), np.asarray(values), np.asarray(ratios)
    within = [
        (rank_correlation(own[sizes == ratio].tolist(), truth[sizes == ratio].tolist()), int((sizes == ratio).sum()))
        for ratio in sorted(set(ratios))
    ]
    weighed = [(correlation, weight) for correlation, weight in within if correlation is not None]
    return ProxyResult(
        name=name,
        loss=rank_correlation(proxy, values),
        low=interval[0],
        high=interval[1],
        accuracy=rank_correlation(proxy, accuracies),
        within_ratio=sum(c * w for c, w in weighed) / sum(w for _, w in weighed) if weighed else None,
    )
