"""Glister: the set on which one training step lowers the validation loss most.

Killamsetty, Sivasubramanian, Ramakrishnan, Iyer, "GLISTER: generalization based data subset selection for efficient and
robust learning", AAAI 2021: the bilevel problem of section 3, its one-step form and the greedy Taylor approximation of
section 4, on the gradients of the last layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from rlsel.budget import class_budgets
from rlsel.checks import number_between, positive_int, refuse
from rlsel.cover.coverage import class_members
from rlsel.export import ExportSettings
from rlsel.randomness import torch_generator
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.epochs import check_epoch, early_epoch
from rlsel.selectors.gradients import LastLayerGradients, last_layer_gradients, require_finite, softmax_errors
from rlsel.selectors.ordering import rank_scores
from rlsel.training.observation import CleanPass


def glister_order(
    candidates: LastLayerGradients, validation: CleanPass, *, labels: Tensor, step_size: float, rounds: int
) -> Tensor:
    """Orders candidates greedily by the Taylor gain in validation loss.

    With S the samples chosen so far and θ the last layer, θ_S = θ - η (1 / |S|) Σ_S ∇ℓ is the layer after one step on
    S. The gain of a candidate e is ∇L_val(θ_S)·∇ℓ_e(θ): by how much a step on e lowers the validation loss. Each round
    takes the best of those left and computes the validation gradient anew. The step is on the mean loss of S, as in
    the authors' code: a step on the sum would grow with S until the gradient means nothing.

    Args:
        candidates: Gradients of n samples under θ.
        validation: Logits (V, C) and features (V, D) of the validation samples under θ.
        labels: (V,) their int64 classes.
        step_size: η.
        rounds: Number of rounds in which all are ordered; with n or more, one sample is chosen at a time.

    Returns:
        (n,) int64, the first choice first. Equal gains in the order of the positions.
    """
    size = len(candidates.errors)
    per_round = max(1, -(-size // rounds))
    order: list[Tensor] = []
    left = torch.ones(size, dtype=torch.bool)
    shift = torch.zeros(candidates.errors.shape[1], candidates.features.shape[1] + 1)  # θ_S - θ
    total = torch.zeros_like(shift)
    taken = 0
    while taken < size:
        direction = _validation_gradient(validation, labels, shift)
        gains = candidates.products(direction).masked_fill_(~left, -torch.inf)
        chosen = gains.sort(descending=True, stable=True).indices[: min(per_round, size - taken)]
        order.append(chosen)
        left[chosen] = False
        taken += len(chosen)
        total += candidates.at(chosen).total()
        shift = total * (-step_size / taken)
    return torch.cat(order)


def _validation_gradient(validation: CleanPass, labels: Tensor, shift: Tensor) -> Tensor:
    """Returns the (C, D + 1) mean gradient once the last layer has moved by `shift`."""
    logits = torch.addmm(validation.logits, validation.features, shift[:, :-1].T) + shift[:, -1]
    return LastLayerGradients(errors=softmax_errors(logits, labels), features=validation.features).mean()


def held_out(labels: Tensor, share: float, *, num_classes: int, generator: torch.Generator) -> Tensor:
    """Draws a class-stratified share of the samples.

    Args:
        labels: (N,) int64 in [0, `num_classes`).
        share: The share, in (0, 1).
        num_classes: C.
        generator: Draws them.

    Returns:
        (N,) bool, True for round(share · N) samples, at least one.
    """
    count = max(1, round(share * len(labels)))
    members = class_members(labels, num_classes)
    budgets = class_budgets(count, np.array([len(positions) for positions in members], dtype=np.int64))
    drawn = torch.zeros(len(labels), dtype=torch.bool)
    for positions, budget in zip(members, budgets.tolist(), strict=True):
        drawn[positions[torch.randperm(len(positions), generator=generator)[:budget]]] = True
    return drawn


@dataclass(frozen=True, kw_only=True)
class Glister:
    """Keeps the samples that the greedy order chooses first.

    A share of the training split is the validation set that guides the choice among the rest; then the rest guides the
    choice among that share, so that every sample is ranked and none guides its own. The two orders are joined in
    proportion to their sizes.

    Attributes:
        epoch: After how many epochs of the target training the gradients are taken; None for a tenth of it, at least
            one. Late in training there is little left to tell.
        validation_share: Share of the training samples that guides the choice among the rest; with 0, all samples guide
            the choice among all.
        step_size: η, the length of the step on the chosen set.
        rounds: How often the validation gradient is computed while all samples are ordered.
    """

    name: ClassVar[str] = "glister"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk", class_balance="none")
    uses: ClassVar[Uses] = Uses(features=False)

    epoch: int | None = None
    validation_share: float = 0.1
    step_size: float = 0.05
    rounds: int = 100

    def __post_init__(self) -> None:
        check_epoch(self.epoch, reason="before the training the gradients say nothing of the samples")
        number_between("selector.validation_share", self.validation_share, 0, 0.5)
        number_between("selector.step_size", self.step_size, 0, low_open=True)
        positive_int("selector.rounds", self.rounds)

    def needs(self, task: SelectionTask) -> Needs:
        if len(task) < 2:
            raise refuse("the training split", "two samples or more for glister", len(task))
        return Needs(training=True, clean_epochs=frozenset({early_epoch(task, self.epoch)}))

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        clean = observed.clean[early_epoch(task, self.epoch)]
        gradients = last_layer_gradients(clean, task.labels)
        require_finite(gradients.norms())
        everyone = torch.arange(len(task))
        if self.validation_share == 0:
            return Scores(values=rank_scores(self._order(gradients, clean, task.labels, everyone, everyone)))
        generator = torch_generator(task.seed, "glister", "validation")
        drawn = held_out(task.labels, self.validation_share, num_classes=task.dataset.num_classes, generator=generator)
        values = torch.empty(len(task))
        for candidates, guides in ((everyone[~drawn], everyone[drawn]), (everyone[drawn], everyone[~drawn])):
            values[candidates] = rank_scores(self._order(gradients, clean, task.labels, candidates, guides))
        return Scores(values=values)

    def _order(
        self, gradients: LastLayerGradients, clean: CleanPass, labels: Tensor, candidates: Tensor, guides: Tensor
    ) -> Tensor:
        return glister_order(
            gradients.at(candidates),
            CleanPass(logits=clean.logits[guides], features=clean.features[guides]),
            labels=labels[guides],
            step_size=self.step_size,
            rounds=self.rounds,
        )
