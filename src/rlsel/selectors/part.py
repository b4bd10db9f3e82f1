"""Very many samples: what is learned is learned on a part of them, drawn class by class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from rlsel.budget import class_budgets, with_minimum
from rlsel.data.classes import draw_from_classes
from rlsel.randomness import numpy_generator
from rlsel.selectors.base import FINAL, JudgesUnseen, Observed, Scores, SelectionTask, Selector, scored
from rlsel.selectors.features import ModelRows
from rlsel.training.observation import CleanPass

_LEAST = 2
"""Samples of each class that are in the part, where the class has them."""


def part_of(task: SelectionTask) -> SelectionTask | None:
    """Returns the task with the part of its samples that is learned on; None where that is all of them."""
    most, dataset = task.dataset.learn_on, task.dataset
    if most is None or len(task) <= most:
        return None
    sizes = np.asarray(dataset.class_counts(), dtype=np.int64)
    budgets = with_minimum(class_budgets(most, sizes), np.minimum(sizes, _LEAST))
    positions = draw_from_classes(task.labels, budgets, numpy_generator(task.seed, "part"))
    return replace(
        task,
        dataset=replace(dataset, train=dataset.train.subset(positions), given=dataset.source),
        features=None if task.features is None else task.features[positions],
    )


def score_all(selector: Selector, task: SelectionTask, part: SelectionTask, observed: Observed) -> Scores:
    """Scores every sample of a task after a training on a part of them.

    Args:
        selector: The method; one whose needs say that a part is enough.
        task: All that is selected from.
        part: What was trained on.
        observed: What was seen of that training.

    Raises:
        RlselError: for a user's mistake.
    """
    if isinstance(selector, JudgesUnseen):
        return selector.score_all(task, part, observed)
    if observed.model is not None:
        rows = ModelRows(observed.model, task.dataset, task.fabric)
        features = rows[torch.arange(len(task))]
        clean = CleanPass(logits=features.new_empty(len(task), 0), features=features)
        observed = replace(observed, clean={FINAL: clean}, dynamics=None)
    return scored(selector, task, observed)
