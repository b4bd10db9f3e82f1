"""All measurements of `rlsel verify` on one trained target model and the selection made with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from rlsel.checks import int_at_least, positive_int, require_each_once
from rlsel.cover.coverage import coverage
from rlsel.randomness import Streams
from rlsel.selectors.base import SelectionTask
from rlsel.theory.effects import influence_result
from rlsel.theory.envelopes import fit_envelope
from rlsel.theory.epochs import propositions_over_epochs
from rlsel.theory.eps_net import net_curves
from rlsel.theory.group_removals import measure_group_removals
from rlsel.theory.groups import group_effect
from rlsel.theory.influence import ConvexHead, Probe, fit_head
from rlsel.theory.journal import Journal
from rlsel.theory.measured import ClassNet, FullGradients, NamedGroup, NetResult, PairResult, Points, Verification
from rlsel.theory.measured_trainings import EpochResult, GroupRemovals, SetValue
from rlsel.theory.pairs import KINDS, Kind, Pairs, sample_pairs
from rlsel.theory.propositions import full_gradient_differences, pair_differences
from rlsel.theory.set_value import measure_set_value
from rlsel.theory.subject import LogitsOnly, Subject

_SHOWN, _NET_STEPS = 300, 60
_FULL_SHARE = 8  # the gradient of all parameters of one sample takes some milliseconds
_TOP = 0.1


@dataclass(frozen=True, kw_only=True)
class VerifySettings:
    """How much is measured.

    Attributes:
        pairs: Most pairs of each kind; an eighth of them under the gradients of all parameters.
        removals: Most single removals that are refitted, and as many groups.
        seed: Whole number of at least 0 that draws pairs, removals, subsets and bootstraps.
        epochs: Passes of the target training after which pairs are measured as well; none for its end alone.
        left_out: Groups of samples that real trainings leave out; 0 for none.
        subsets: Drawn subsets that are trained on; 0 for none.
    """

    pairs: int = 2000
    removals: int = 40
    seed: int = 0
    epochs: tuple[int, ...] = ()
    left_out: int = 0
    subsets: int = 0

    def __post_init__(self) -> None:
        positive_int("pairs", self.pairs)
        positive_int("removals", self.removals)
        int_at_least("seed", self.seed, 0)
        for epoch in self.epochs:
            positive_int("epochs", epoch)
        require_each_once("epochs", self.epochs)
        int_at_least("left_out", self.left_out, 0)
        int_at_least("subsets", self.subsets, 0)

    @property
    def trains(self) -> bool:
        """Whether something is trained."""
        return bool(self.epochs or self.left_out or self.subsets)


@dataclass(frozen=True, kw_only=True)
class Repeating:
    """How the target training is repeated.

    Attributes:
        task: What was trained on, how, and from which seed.
        left_out: Keeps what is known of trainings without groups.
        subsets: Keeps what is known of drawn subsets.
    """

    task: SelectionTask
    left_out: Journal
    subsets: Journal


def verify_theory(subject: Subject, settings: VerifySettings, repeating: Repeating | None = None) -> Verification:
    """Measures the propositions, the cover's size, influence and the group effect.

    Args:
        subject: What is measured.
        settings: How much.
        repeating: How the target training is repeated; None where the settings ask for no training.

    Raises:
        ConfigurationError: if the target training has fewer epochs than the settings name.
    """
    streams = Streams(seed=settings.seed, names=("verify",))
    # first what can refuse its settings
    epochs, left_out, subsets = _trainings(subject, settings, repeating, streams)
    head, probe = fit_head(
        subject.features,
        subject.labels,
        subject.probe_features,
        subject.probe_labels,
        num_classes=subject.num_classes,
    )
    return Verification(
        samples=len(subject.labels),
        measured_on=subject.measured_on,
        propositions=tuple(_propositions(subject, kind, settings.pairs, streams) for kind in KINDS),
        net=_net(subject),
        influence=influence_result(
            head,
            probe,
            features=subject.features,
            labels=subject.labels,
            kept=subject.kept,
            removals=settings.removals,
            streams=streams,
        ),
        groups=_groups(subject, head, probe, settings.removals, streams),
        epochs=epochs,
        left_out=left_out,
        subsets=subsets,
    )


def _trainings(
    subject: Subject, settings: VerifySettings, repeating: Repeating | None, streams: Streams
) -> tuple[tuple[EpochResult, ...], GroupRemovals | None, SetValue | None]:
    if repeating is None:
        return (), None, None
    epochs = propositions_over_epochs(repeating.task, settings.epochs, pairs=settings.pairs, streams=streams)
    task = replace(repeating.task, seed=settings.seed)
    left_out, subsets = None, None
    if settings.left_out:
        left_out = measure_group_removals(
            task, subject, count=settings.left_out, streams=streams, journal=repeating.left_out
        )
    if settings.subsets:
        subsets = measure_set_value(task, scores=subject.scores, count=settings.subsets, journal=repeating.subsets)
    return epochs, left_out, subsets


def _propositions(subject: Subject, kind: Kind, count: int, streams: Streams) -> PairResult:
    generator = streams.generator("pairs", kind)
    pairs = sample_pairs(subject.features, subject.labels, kind, count=count, generator=generator)
    found = pair_differences(pairs, subject.features, subject.logits, subject.labels)
    output, loss, gradient = (
        fit_envelope(pairs.distances, differences, generator=generator)
        for differences in (found.output, found.loss, found.gradient)
    )
    tenth = max(1, len(pairs) // 10)
    shown = _evenly(len(pairs), _SHOWN)
    full = _full(subject, pairs.at(_evenly(len(pairs), -(-count // _FULL_SHARE))))
    return PairResult(
        kind=kind,
        pairs=len(pairs),
        output=output,
        loss=loss,
        gradient=gradient,
        cosine_near=float(found.cosine[:tenth].mean()) if len(pairs) else None,
        cosine_far=float(found.cosine[-tenth:].mean()) if len(pairs) else None,
        points=Points(
            distances=_numbers(pairs.distances[shown]),
            output=_numbers(found.output[shown]),
            loss=_numbers(found.loss[shown]),
            gradient=_numbers(found.gradient[shown]),
            cosine=_numbers(found.cosine[shown]),
        ),
        full=full,
        full_gradient=fit_envelope(
            torch.tensor(full.distances, dtype=torch.float64),
            torch.tensor(full.gradient, dtype=torch.float64),
            generator=generator,
        ),
    )


def _full(subject: Subject, pairs: Pairs) -> FullGradients:
    if not len(pairs):
        return FullGradients(distances=(), gradient=(), cosine=())
    sides = []
    for positions in (pairs.first, pairs.second):
        images = subject.images(positions)
        sides.append((images, subject.labels[positions].to(images.device)))
    gradient, cosine = full_gradient_differences(LogitsOnly(subject.model), *sides)
    return FullGradients(distances=_numbers(pairs.distances), gradient=_numbers(gradient), cosine=_numbers(cosine))


def _net(subject: Subject) -> NetResult:
    curves = net_curves(subject.features, subject.labels, num_classes=subject.num_classes)
    samples = len(subject.labels)
    # below the last radius of a class whose curve was cut short nothing is known of it
    low, high = max(curve.radii[-1] for curve in curves), max(curve.radii[0] for curve in curves)
    epsilons = torch.linspace(low, high, _NET_STEPS, dtype=torch.float64).tolist()
    sizes = [[curve.size_at(epsilon) for curve in curves] for epsilon in epsilons]
    return NetResult(
        classes=tuple(ClassNet(size=curve.size, bend=curve.bend, epsilon=curve.bend_epsilon) for curve in curves),
        epsilons=tuple(epsilons),
        shares=tuple(sum(points) / samples for points in sizes),
        bend_ratio=sum(curve.bend for curve in curves) / samples,
    )


def _groups(
    subject: Subject, head: ConvexHead, probe: Probe, removals: int, streams: Streams
) -> tuple[NamedGroup, ...]:
    probabilities = subject.logits.softmax(dim=1)
    answers = nn.functional.one_hot(subject.labels, subject.num_classes)
    scores = {
        "score of the run": subject.scores,
        "el2n": (probabilities - answers).norm(dim=1),
        "entropy": torch.special.entr(probabilities).sum(dim=1),
        "E_c": coverage(subject.features, subject.labels, num_classes=subject.num_classes),
    }
    top = max(2, round(_TOP * len(subject.labels)))
    members = {"dropped": (~subject.kept).nonzero()[:, 0], "kept": subject.kept.nonzero()[:, 0]}
    members |= {name: score.argsort(descending=True, stable=True)[:top] for name, score in scores.items()}
    pairs = max(1, removals // 4)
    return tuple(
        NamedGroup(
            name=name,
            effect=group_effect(head, probe, group, pairs=pairs, generator=streams.generator("group effect", name)),
        )
        for name, group in members.items()
    )


def _evenly(size: int, count: int) -> Tensor:
    return torch.linspace(0, size - 1, count).round().long() if size > count else torch.arange(size)


def _numbers(values: Tensor) -> tuple[float, ...]:
    return tuple(values.tolist())
