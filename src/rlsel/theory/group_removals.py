"""Groups of samples left out of real trainings, against what the influence function says of the trained network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rlsel.cover.distances import pairwise_distances
from rlsel.randomness import Streams
from rlsel.selectors.base import SelectionTask
from rlsel.selectors.target_training import train_target
from rlsel.theory.correlations import rank_correlation, rank_correlation_interval
from rlsel.theory.effects import covered_samples, difference_interval
from rlsel.theory.influence import estimated_effects, fit_head
from rlsel.theory.journal import Journal
from rlsel.theory.measured_trainings import GroupRemovals
from rlsel.theory.network_influence import network_effects
from rlsel.theory.subject import LogitsOnly, Subject
from rlsel.training.evaluation import clean_pass

ROUNDS = 2
"""Trainings without each group, each against one of all samples from the same initialisation."""

_SHARE = 0.05
_KINDS = ("ball", "dropped", "rim", "kept")


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of samples.

    Attributes:
        kind: `ball`: a drawn sample and the nearest others of its class; `rim`: those of its class that are farthest
            from it; `dropped` and `kept`: covered samples that the run dropped or kept, drawn at random.
        places: (R,) int64 positions.
    """

    kind: str
    places: Tensor


def measure_group_removals(
    task: SelectionTask, subject: Subject, *, count: int, streams: Streams, journal: Journal
) -> GroupRemovals:
    """Leaves groups out and trains.

    Args:
        task: What the target model was trained on, and how.
        subject: The trained target model and the selection.
        count: Groups.
        streams: Draw groups and bootstraps.
        journal: Losses that are known, by round and group; the rest is added.
    """
    covered = covered_samples(subject.features, subject.labels)[1]
    groups = draw_groups(subject.features, subject.labels, subject.kept, covered, count=count, streams=streams)
    effects = torch.stack([_effects(task, subject, groups, number, journal) for number in range(ROUNDS)])
    exact = effects.mean(dim=0)
    of_network, of_head = _estimates(subject, streams)
    estimated, estimated_head = (
        [float(effect[group.places].sum()) for group in groups] for effect in (of_network, of_head)
    )
    low, high = rank_correlation_interval(estimated, exact.tolist(), streams.generator("interval"))
    dropped, kept = (exact[torch.tensor([group.kind == kind for group in groups])] for kind in ("dropped", "kept"))
    whole = _difference(dropped, kept, streams.generator("trained difference"))
    sides = [of_network[covered & side].abs() for side in (~subject.kept, subject.kept)]
    single = _difference(sides[0], sides[1], streams.generator("single difference"))
    return GroupRemovals(
        rounds=ROUNDS,
        sizes=tuple(len(group.places) for group in groups),
        kinds=tuple(group.kind for group in groups),
        estimated=tuple(estimated),
        estimated_head=tuple(estimated_head),
        exact=tuple(exact.tolist()),
        rank_correlation=rank_correlation(estimated, exact.tolist()),
        low=low,
        high=high,
        head_rank_correlation=rank_correlation(estimated_head, exact.tolist()),
        between_rounds=rank_correlation(effects[0].tolist(), effects[1].tolist()),
        difference=whole[0],
        difference_low=whole[1],
        difference_high=whole[2],
        single_difference=single[0],
        single_low=single[1],
        single_high=single[2],
        single_kept=float(sides[1].mean()) if len(sides[1]) else None,
    )


def _estimates(subject: Subject, streams: Streams) -> tuple[Tensor, Tensor]:
    """Returns the (N,) effects of single removals, as estimated for the network and for the convex head."""
    of_network = network_effects(
        LogitsOnly(subject.model),
        (subject.images, subject.labels),
        (subject.probe_images, subject.probe_labels),
        generator=streams.generator("curvature"),
    )
    head, probe = fit_head(
        subject.features,
        subject.labels,
        subject.probe_features,
        subject.probe_labels,
        num_classes=subject.num_classes,
    )
    return of_network, estimated_effects(head, probe)


def draw_groups(
    features: Tensor, labels: Tensor, kept: Tensor, covered: Tensor, *, count: int, streams: Streams
) -> list[Group]:
    """Draws groups of a twentieth of the samples, a quarter of them of each kind.

    Balls and rims have half of a class at most; without dropped or kept covered samples there are only these two.

    Args:
        features: (N, D).
        labels: (N,) int64.
        kept: (N,) bool.
        covered: (N,) bool.
        count: Groups.
        streams: Draw them, each by its number.
    """
    size = max(1, round(_SHARE * len(labels)))
    pools = {"dropped": (covered & ~kept).nonzero()[:, 0], "kept": (covered & kept).nonzero()[:, 0]}
    # both sides give up as many, or one of them would matter more by its size alone
    drawn = min(size, *(len(pool) for pool in pools.values()))
    groups = []
    for number in range(count):
        generator, kind = streams.generator("group", number), _KINDS[number % len(_KINDS)]
        if kind in pools and drawn:
            pool = pools[kind]
            groups.append(Group(kind=kind, places=pool[torch.randperm(len(pool), generator=generator)[:drawn]]))
        else:
            rim = number % 4 >= 2
            places = _around(features, labels, size, farthest=rim, generator=generator)
            groups.append(Group(kind="rim" if rim else "ball", places=places))
    return groups


def _around(features: Tensor, labels: Tensor, size: int, *, farthest: bool, generator: torch.Generator) -> Tensor:
    """Returns those of the class of a drawn sample that are nearest to it, itself among them, or farthest from it."""
    centre = torch.randint(len(labels), (1,), generator=generator)
    members = (labels == labels[centre]).nonzero()[:, 0]
    distances = pairwise_distances(features[centre], features[members])[0]
    order = distances.argsort(stable=True, descending=farthest)
    return members[order[: min(size, max(1, len(members) // 2))]]


def _effects(task: SelectionTask, subject: Subject, groups: Sequence[Group], number: int, journal: Journal) -> Tensor:
    """Returns the (G,) changes of the probe's loss in one round."""

    def loss(name: str, places: Tensor | None) -> float:
        key = f"round {number + 1}, {name}"
        if key not in journal.rows:
            model = train_target(task, "left out", number, indices=places, title=key)
            split = task.dataset.test if len(task.dataset.test) else task.dataset.train
            logits = clean_pass(model, task.dataset, split, fabric=task.fabric).logits
            journal.add(key, {"loss": float(cross_entropy(logits.double(), subject.probe_labels))})
        return float(journal.rows[key]["loss"])

    whole = loss("all", None)
    found = []
    for place, group in enumerate(groups):
        rest = torch.ones(len(subject.labels), dtype=torch.bool)
        rest[group.places] = False
        found.append(loss(f"without group {place + 1}", rest.nonzero()[:, 0]) - whole)
    return torch.tensor(found, dtype=torch.float64)


def _difference(
    first: Tensor, second: Tensor, generator: torch.Generator
) -> tuple[float, float, float] | tuple[None, None, None]:
    if min(len(first), len(second)) < 2:
        return None, None, None
    return (float(first.mean() - second.mean()), *difference_interval(first, second, generator))
