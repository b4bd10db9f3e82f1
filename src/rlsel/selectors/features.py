"""Which features a selector compares samples by: the user's where there are some, else the trained target model's."""

from __future__ import annotations

import torch
from torch import Tensor

from rlsel.data.dataset import Dataset
from rlsel.errors import DataError
from rlsel.models.target import TargetModel
from rlsel.selectors.base import FINAL, Needs, Observed, SelectionTask
from rlsel.training.evaluation import feature_pass
from rlsel.training.fabric import Fabric


def feature_needs(task: SelectionTask) -> Needs:
    """Returns what a selector of features needs: nothing where the user brought some, else the final clean pass."""
    if task.features is not None:
        return Needs()
    return Needs(training=True, clean_epochs=frozenset({FINAL}), on_part=True)


class ModelRows:
    """The features of samples under a trained model, computed whenever they are asked for."""

    def __init__(self, model: TargetModel, dataset: Dataset, fabric: Fabric) -> None:
        """Prepares for the N training samples of a data set."""
        self._model, self._dataset, self._fabric = model, dataset, fabric

    def __len__(self) -> int:
        return len(self._dataset.train)

    def __getitem__(self, positions: Tensor) -> Tensor:
        """Returns the (B, D) float32 features at (B,) positions, on the CPU.

        Raises:
            DataError: if they are not finite.
        """
        features = feature_pass(self._model, self._dataset, positions, fabric=self._fabric)
        return _finite(features, "the training diverged, lower training.learning_rate")


def doubt_about(features: Tensor) -> str | None:
    """Says what is wrong with features that hardly tell samples apart; None for others.

    Args:
        features: (N, D) finite.
    """
    if bool((features == features[:1]).all()):
        what = "zero" if not features.any() else "the same"
        return f"the features are {what} for all {len(features):,} samples: they tell none from another"
    empty = int((features == 0).all(dim=1).sum())
    if empty:
        return f"the features of {empty:,} of {len(features):,} samples are zero: they tell none of these from another"
    return None


def selection_features(task: SelectionTask, observed: Observed) -> Tensor:
    """Returns the (N, D) float32 features that samples are compared by.

    Raises:
        DataError: if they are not finite.
    """
    if task.features is not None:
        features, remedy = task.features, "mend the file that features= names"
    else:
        features, remedy = observed.clean[FINAL].features, "the training diverged, lower training.learning_rate"
    return _finite(features, remedy)


def _finite(features: Tensor, remedy: str) -> Tensor:
    if not torch.isfinite(features).all():
        raise DataError(f"features must be finite numbers, got NaN or infinity: {remedy}")
    return features
