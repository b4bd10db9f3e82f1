"""What a target training shows of each sample: its cover, measured again and again, and its behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rlsel.cover.coverage import standardise_within_classes
from rlsel.cover.measures import measure_redundancy
from rlsel.cover.settings import CoverSettings
from rlsel.policy.label_errors import label_p_values
from rlsel.policy.rewards import Behaviour, Evidence
from rlsel.processes import ALONE, Processes
from rlsel.training.dynamics import DynamicsRecorder, TrainingDynamics, other_labels
from rlsel.training.feature_bank import FeatureBank
from rlsel.training.observation import BatchObservation, EpochEnd


def behaviour_of(dynamics: TrainingDynamics, labels: Tensor, num_classes: int) -> Behaviour:
    """Sums up the recorded dynamics of N samples over the epochs so far.

    Args:
        dynamics: Dynamics of one epoch or more.
        labels: (N,) int64, on the CPU.
        num_classes: C.
    """
    correct, margin = dynamics.correct, dynamics.margin.mean(dim=0)
    others = other_labels(labels, torch.arange(len(labels)), num_classes)
    return Behaviour(
        forgetting=(correct[:-1] & ~correct[1:]).sum(dim=0).float(),
        error_norm=dynamics.error_norm.mean(dim=0),
        margin=margin,
        variability=dynamics.probability.std(dim=0, correction=0),
        label_p_value=label_p_values(margin, labels, dynamics.other_margin.mean(dim=0), others),
    )


class EvidenceCollector:
    """An observer that measures E_c as the features move, and keeps the mean of its standardised values.

    Attributes:
        evidence: What was known at the last measurement; None before the first.
    """

    def __init__(
        self,
        cover: CoverSettings,
        *,
        labels: Tensor,
        num_classes: int,
        dynamics: DynamicsRecorder,
        bank: FeatureBank,
        processes: Processes = ALONE,
    ) -> None:
        """Prepares for N samples.

        Args:
            cover: How E_c is measured, and how often.
            labels: (N,) int64.
            num_classes: C.
            dynamics: Sees each batch before this observer.
            bank: Sees each batch before this observer.
            processes: Share the measuring.
        """
        self._cover, self._labels, self._num_classes = cover, labels, num_classes
        self._dynamics, self._bank, self._processes = dynamics, bank, processes
        self._measurements = 0
        self.evidence: Evidence | None = None

    def on_batch(self, batch: BatchObservation) -> None:
        return

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        # a training of few epochs must leave one after the first measurement, for a policy to act in
        if (end.epoch + 1) % min(self._cover.refresh_every, max(1, end.epochs - 1)) == 0:
            self.evidence = self.measured(self._bank.features, self._behaviour())
            self._measurements += 1
        return {}

    def measured(self, features: Tensor, behaviour: Behaviour | None) -> Evidence:
        """Returns the evidence with one more measurement, on (N, D) features, without keeping it."""
        labels = self._labels.to(features.device)
        raw = measure_redundancy(
            features, labels, self._cover, num_classes=self._num_classes, processes=self._processes
        )
        standardised = standardise_within_classes(raw, labels, num_classes=self._num_classes).cpu()
        before = torch.zeros_like(standardised) if self.evidence is None else self.evidence.mean_cover
        mean_cover = before + (standardised - before) / (self._measurements + 1)
        return Evidence(coverage=raw.cpu(), mean_cover=mean_cover, behaviour=behaviour)

    def state_dict(self) -> dict[str, Any]:
        if self.evidence is None:
            return {}
        return {
            "coverage": self.evidence.coverage,
            "mean_cover": self.evidence.mean_cover,
            "measurements": self._measurements,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if not state:
            return
        self._measurements = state["measurements"]
        self.evidence = Evidence(
            coverage=state["coverage"],
            mean_cover=state["mean_cover"],
            behaviour=self._behaviour(),
        )

    def _behaviour(self) -> Behaviour:
        return behaviour_of(self._dynamics.dynamics(), self._labels, self._num_classes)
