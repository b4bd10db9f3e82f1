"""What a choice is worth to the training that it is made for, found out by trying.

How hard a sample is does not say whether it helps: the model and the number of steps to come decide it. A Swin that
hardly trains loses 13 points on the samples from which a small network gains one. No rule beats a random choice at
every budget (CADS, NeurIPS 2025, arXiv 2510.16806), so that the rules are tried against it.

A trial draws a set by each rule from a part of the training split, trains the model to come on each for a share of its
steps, and measures them on the rest of the split; the test split is never looked at. Three things make few and short
trainings tell enough:

- all trainings of a round start from the same parameters, shuffle alike, and draw their sets with the same random
  numbers, so that what is compared are differences of pairs;
- the measure is the cross-entropy with one temperature fitted to each model, which tells more of a sample than whether
  it is guessed, and does not reward a set of easy samples for the confidence that it makes;
- a measured sample counts as much as its label is likely to be right.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlsel.budget import kept_count
from rlsel.data.classes import Division, stratified_share
from rlsel.export import ResolvedExport, choose
from rlsel.provenance import Gain, Outcome
from rlsel.randomness import Streams, stream
from rlsel.selectors.base import Purpose, SelectionTask
from rlsel.training.evaluation import clean_pass
from rlsel.training.loop import Progress, Training, build_model

STEP_SHARE = 0.25
"""The share of the steps to come that a trial takes: two rounds of a quarter found the better of the reward and a
random choice in nine of ten regimes (`rlsel/policy/README.md`, findings)."""

_LEAST_STEPS = 20

_MEASURED, _LEAST_SHARE, _MOST_SHARE = 2000, 0.1, 0.2
"""Samples that are measured on, and the bounds of their share."""

_FEWEST = 10
"""Samples that a trial must have at the least, to train on as to measure on."""

_TEMPERATURES = torch.logspace(-1, 1.5, 51)


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """What one model does on V samples: (V,) float64 losses and right guesses (0 or 1)."""

    losses: Tensor
    right: Tensor


class Trials:
    """Rounds of short trainings for one ratio; a rule that is asked for later is tried on the same random numbers.

    Attributes:
        fewest: The smaller of the numbers of samples that are trained on and that are measured on.
        total_steps: The steps of the training to come.
        steps_each: The steps of each trial.
        seconds: How long all trials took so far.
    """

    def __init__(
        self,
        task: SelectionTask,
        purpose: Purpose,
        *,
        ratio: float,
        rounds: int,
        label_error: Tensor | None = None,
    ) -> None:
        """Sets samples to measure on aside.

        Args:
            task: What is selected from.
            purpose: The training to come.
            ratio: The share to keep.
            rounds: How often each rule is tried, at least 1.
            label_error: (N,) probability that each label is wrong; None where nothing is known.
        """
        self._task, self._purpose, self._ratio, self._rounds = task, purpose, ratio, rounds
        size = len(task)
        self._parts: Division = stratified_share(
            task.labels, min(_MOST_SHARE, max(_LEAST_SHARE, _MEASURED / size)), stream(task.seed, "trial", "measured")
        )
        weights = torch.ones(size) if label_error is None else 1 - label_error
        chosen = weights[self._parts.test].double()
        self._weights = chosen / chosen.sum().clamp_min(1e-9)
        self.fewest = min(round(ratio * len(self._parts.train)), len(self._parts.test))
        self._random: list[_Measured] = []
        self.seconds = 0.0
        self.total_steps = purpose.training.total_steps(kept_count(ratio, size))
        self.steps_each = min(self.total_steps, max(_LEAST_STEPS, round(STEP_SHARE * self.total_steps)))

    def gain(self, logits: Tensor, title: str) -> Gain:
        """Tries sets that are drawn in proportion to exp(logit).

        Args:
            logits: (N,).
            title: What the reporter calls the rule.
        """
        if not self._random:
            self._random = [
                self._train(torch.zeros(len(self._task)), number, "random") for number in range(self._rounds)
            ]
        tried = [self._train(logits, number, title) for number in range(self._rounds)]
        pairs = list(zip(self._random, tried, strict=True))
        loss, loss_error = self._mean([before.losses - after.losses for before, after in pairs])
        points, points_error = self._mean([100 * (after.right - before.right) for before, after in pairs])
        return Gain(loss=loss, loss_error=loss_error, points=points, points_error=points_error)

    def _mean(self, differences: Sequence[Tensor]) -> tuple[float, float]:
        """Returns the weighted mean of R differences (V,) and its standard error, over samples and over rounds."""
        stacked = torch.stack(list(differences))
        by_round = stacked @ self._weights
        mean = by_round.mean()
        from_samples = (self._weights.square() * (stacked.mean(dim=0) - mean).square()).sum()
        from_rounds = by_round.var() / len(by_round) if len(by_round) > 1 else torch.zeros(())
        return float(mean), float((from_samples + from_rounds).sqrt())

    def _train(self, logits: Tensor, number: int, title: str) -> _Measured:
        task, purpose = self._task, self._purpose
        began = time.perf_counter()
        places = self._parts.train
        chosen = choose(
            logits[places].float().numpy(),
            kind="logit",
            ratio=self._ratio,
            settings=ResolvedExport(mode="sample"),
            labels=task.labels[places].numpy(),
            hardness=None,
            seed=stream(task.seed, "trial", number),
            policy=True,
        )
        streams = Streams(seed=task.seed, names=("trial", number))
        title = f"trial {number + 1} of {self._rounds}, {purpose.model.name} on {title}"
        model = Training(
            build_model(purpose.model, task.dataset, streams),
            task.dataset,
            split=task.dataset.train.subset(places[torch.from_numpy(chosen)]),
            settings=replace(purpose.training, steps=self.steps_each, weighting="none"),
            fabric=task.fabric,
            streams=streams,
            progress=Progress(reporter=task.reporter, title=title),
        ).run()
        split = task.dataset.train.subset(self._parts.test)
        logits = clean_pass(model, task.dataset, split, fabric=task.fabric).logits.double()
        self.seconds += time.perf_counter() - began
        return _Measured(
            losses=calibrated_losses(logits, split.labels, self._weights),
            right=(logits.argmax(dim=1) == split.labels).double(),
        )


def try_variants(
    task: SelectionTask,
    purpose: Purpose,
    logits: Mapping[str, Tensor],
    *,
    ratio: float,
    rounds: int,
    label_error: Tensor | None,
) -> Outcome | None:
    """Finds the variant of a reward that the training to come gains most by.

    The others are tried only where the reward itself is no better than a random choice, and are taken where they are
    better by more than a standard error.

    Args:
        task: What is selected from.
        purpose: The training to come.
        logits: (N,) keep logits by each variant; `reward` and `random` are among them.
        ratio: The share to keep.
        rounds: How often each is tried, at least 1.
        label_error: (N,) probability that each label is wrong; None where nothing is known.

    Returns:
        What the trials came to; None, and a note to the user, where there are too few samples.
    """
    trials = Trials(task, purpose, ratio=ratio, rounds=rounds, label_error=label_error)
    if trials.fewest < _FEWEST:
        task.reporter.note(
            f"note: at ratio {ratio:g}, the choice is not tried on the training to come: it would train on or measure "
            f"{trials.fewest} samples, at least {_FEWEST} tell something"
        )
        return None
    tried = {"reward": trials.gain(logits["reward"], "the reward's choice")}
    if tried["reward"].loss <= 0:
        others = [name for name in logits if name not in ("reward", "random")]
        tried |= {name: trials.gain(logits[name], f"{name} samples") for name in others}
    best = max(tried, key=lambda name: tried[name].loss)
    # the best of several is better by chance alone, and a random choice needs no evidence
    least = 0.0 if best == "reward" else tried[best].loss_error
    return Outcome(
        chosen=best if tried[best].loss > least else "random",
        tried=tried,
        model=purpose.model.name,
        steps=trials.steps_each,
        of_steps=trials.total_steps,
        rounds=rounds,
        seconds=trials.seconds,
    )


def calibrated_losses(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Computes cross-entropies at the one temperature that makes their weighted mean the lowest (Guo et al. 2017).

    Args:
        logits: (V, C) float64.
        labels: (V,) int64.
        weights: (V,), sum 1.

    Returns:
        (V,) float64.
    """
    losses = torch.stack(
        [
            torch.nn.functional.cross_entropy(logits / temperature, labels, reduction="none")
            for temperature in _TEMPERATURES.tolist()
        ]
    )
    return losses[(losses @ weights).argmin()]
