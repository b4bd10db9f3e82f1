"""Self-supervised prototypes (Sorscher et al., "Beyond neural scaling laws", NeurIPS 2022, section 4).

Samples far from the centre of their cluster, in features that know no labels, count as hard.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from rlsel.checks import one_of, positive_int, refuse
from rlsel.export import ExportSettings
from rlsel.randomness import stream
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.contrastive import ContrastiveSettings, contrastive_features
from rlsel.selectors.features import selection_features

_RESTARTS = 3  # of k-means


def cluster_centres(features: Tensor, count: int, *, seed: int) -> Tensor:
    """Clusters features with k-means.

    Args:
        features: (N, D).
        count: k.
        seed: Seed of the initial centres.

    Returns:
        (k, D) centres.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    k_means = KMeans(n_clusters=count, n_init=_RESTARTS, random_state=seed % 2**32)
    # sums in another order give other centres: one thread, so that the result does not depend on the machine's cores
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # fewer distinct samples than clusters: some centres coincide, and the distances are right all the same
        warnings.simplefilter("ignore", ConvergenceWarning)
        k_means.fit(features.numpy())
    return torch.from_numpy(k_means.cluster_centers_).to(features.dtype)


def centre_distances(features: Tensor, centres: Tensor) -> Tensor:
    """Returns (N,) one minus the largest cosine similarity of (N, D) features with any of the (k, D) centres."""
    unit_features, unit_centres = torch.nn.functional.normalize(features), torch.nn.functional.normalize(centres)
    nearest = torch.cat([(rows @ unit_centres.T).amax(dim=1) for rows in torch.split(unit_features, 4096)])
    return (1 - nearest).clamp_min_(0)


@dataclass(frozen=True, kw_only=True)
class SelfSupPrototypes:
    """Keeps the samples that are far from their prototype, or near it where data is scarce.

    Features are the user's, or come from a contrastive training of the target architecture without labels; they are
    scaled to length one before they are clustered.

    Attributes:
        num_prototypes: The number of clusters; None for the number of classes.
        keep: `far` (hard samples: where there is plenty of data) or `near`.
        epochs: Passes of the contrastive training.
        batch_size: Images in one of its steps; each is seen in two views.
        learning_rate: Peak of its learning rate.
        temperature: Temperature of its similarities.
    """

    name: ClassVar[str] = "self_sup_prototypes"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk", class_balance="none")
    uses: ClassVar[Uses] = Uses(target_beside_features=False)

    num_prototypes: int | None = None
    keep: Literal["far", "near"] = "far"
    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 2e-3
    temperature: float = 0.5

    def __post_init__(self) -> None:
        if self.num_prototypes is not None:
            positive_int("selector.num_prototypes", self.num_prototypes)
        one_of("selector.keep", self.keep, ("far", "near"))
        _ = self.contrastive  # checks the values that it is made of

    @property
    def contrastive(self) -> ContrastiveSettings:
        """How features are learned where the user brings none."""
        return ContrastiveSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            temperature=self.temperature,
        )

    def needs(self, task: SelectionTask) -> Needs:
        count = self.num_prototypes or task.dataset.num_classes
        if count > len(task):
            raise refuse("selector.num_prototypes", f"at most the {len(task)} training samples", count)
        return Needs()

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        count = self.num_prototypes or task.dataset.num_classes
        if task.features is None:
            task.reporter.note(
                f"self_sup_prototypes: trains {task.model.name} without labels for {self.epochs} epochs, "
                "each at twice the cost of a supervised one; selector.epochs sets how long"
            )
            features = contrastive_features(task, self.contrastive)
        else:
            features = selection_features(task, observed)
        features = torch.nn.functional.normalize(features)
        centres = cluster_centres(features, count, seed=stream(task.seed, self.name, "k-means"))
        distances = centre_distances(features, centres)
        return Scores(values=distances if self.keep == "far" else -distances)
