"""What is known of all samples after a training on a part of them: measured at its end, the same for every sample.

E_c of a sample is the mean distance to the samples of its class in the part, which is an unbiased estimate of the one
over all (`rlsel.cover.landmarks`). Its behaviour is what the trained model says of it; what takes a training to see,
forgetting and variability, is known of none.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rlsel.cover.coverage import class_members, standardise_within_classes
from rlsel.cover.distances import pairwise_distances
from rlsel.cover.landmarks import LANDMARKS
from rlsel.cover.neighbours import Rows
from rlsel.cover.settings import CoverSettings
from rlsel.policy.label_errors import label_p_values
from rlsel.policy.rewards import Behaviour, Evidence
from rlsel.selectors.base import SelectionTask
from rlsel.training.dynamics import other_labels, sample_dynamics

TOGETHER = 65_536
"""Samples whose features are computed together."""


@torch.no_grad()
def evidence_of_all(
    task: SelectionTask, part: SelectionTask, rows: Rows, head: nn.Linear | None, cover: CoverSettings
) -> Evidence:
    """Measures all samples of a task.

    Args:
        task: All that is selected from, N samples.
        part: What was learned on.
        rows: (N, D) features of all samples.
        head: The last layer of the trained model; None where the features are the user's and nothing was trained.
        cover: Gives the distance.
    """
    labels, num_classes, size = task.labels, task.dataset.num_classes, len(task)
    landmarks = _landmarks(task, part)
    near = [rows[members] for members in landmarks]
    coverage, known = torch.zeros(size), torch.zeros(6, size)
    others = other_labels(labels, torch.arange(size), num_classes)
    for positions in torch.split(torch.arange(size), TOGETHER):
        features = rows[positions]
        for number, members in enumerate(class_members(labels[positions], num_classes)):
            if len(members) and len(near[number]):
                distances = pairwise_distances(features[members], near[number], cover.distance)
                own = torch.isin(positions[members], landmarks[number])
                count = (len(near[number]) - own.long()).clamp_min(1)
                coverage[positions[members]] = distances.sum(dim=1) / count
        if head is not None:
            logits = head(features.to(head.weight.device)).float().cpu()
            known[:, positions] = sample_dynamics(logits, labels[positions], others[positions], None)[0]
    behaviour = None
    if head is not None:
        _, margin, error_norm, _, _, other_margin = known
        unknown = torch.zeros(size)
        behaviour = Behaviour(
            forgetting=unknown,
            error_norm=error_norm,
            margin=margin,
            variability=unknown,
            label_p_value=label_p_values(margin, labels, other_margin, others),
        )
    standardised = standardise_within_classes(coverage, labels, num_classes=num_classes)
    return Evidence(coverage=coverage, mean_cover=standardised, behaviour=behaviour)


def _landmarks(task: SelectionTask, part: SelectionTask) -> list[Tensor]:
    """Returns the positions of the samples of each class in the part; of very many, some at even steps."""
    places = task.dataset.places_in_train(part.dataset.train.in_source())
    classes = class_members(part.labels, task.dataset.num_classes)
    return [places[members][:: math.ceil(max(1, len(members)) / LANDMARKS)] for members in classes]
