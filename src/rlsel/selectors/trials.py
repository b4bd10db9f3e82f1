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

from collections.abc import Mapping

import torch
from torch import Tensor

from rlsel.budget import kept_count
from rlsel.export import ResolvedExport, choose
from rlsel.provenance import Gain, Outcome
from rlsel.randomness import stream
from rlsel.selectors.base import Purpose, SelectionTask
from rlsel.selectors.held_out import HeldOut, Measured

_LEAST_STEPS = 20

_FEWEST = 10
"""Samples that a trial must have at the least, to train on as to measure on."""


class Trials:
    """Rounds of short trainings for one ratio; a rule that is asked for later is tried on the same random numbers.

    Attributes:
        fewest: The smaller of the numbers of samples that are trained on and that are measured on.
        total_steps: The steps of the training to come.
        steps_each: The steps of each trial.
    """

    def __init__(
        self,
        task: SelectionTask,
        purpose: Purpose,
        *,
        ratio: float,
        rounds: int,
        step_share: float = 0.25,
        label_error: Tensor | None = None,
    ) -> None:
        """Sets samples to measure on aside.

        Args:
            task: What is selected from.
            purpose: The training to come.
            ratio: The share to keep.
            rounds: How often each rule is tried, at least 1.
            step_share: Share of the steps to come that a trial takes, in (0, 1].
            label_error: (N,) probability that each label is wrong; None where nothing is known.
        """
        self._task, self._ratio, self._rounds = task, ratio, rounds
        self._held_out = HeldOut(task, purpose, label_error)
        self._name = purpose.model.name
        self.fewest = min(round(ratio * len(self._held_out.train)), len(self._held_out.measured))
        self._random: list[Measured] = []
        self.total_steps = purpose.training.total_steps(kept_count(ratio, len(task)))
        self.steps_each = min(self.total_steps, max(_LEAST_STEPS, round(step_share * self.total_steps)))

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
        loss = self._held_out.mean([before.losses - after.losses for before, after in pairs])
        points = self._held_out.mean([100 * (after.right - before.right) for before, after in pairs])
        return Gain(loss=loss.mean, loss_error=loss.error, points=points.mean, points_error=points.error)

    @property
    def seconds(self) -> float:
        """How long all trials took so far."""
        return self._held_out.seconds

    def _train(self, logits: Tensor, number: int, title: str) -> Measured:
        task, places = self._task, self._held_out.train
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
        return self._held_out.try_on(
            places[torch.from_numpy(chosen)],
            steps=self.steps_each,
            number=number,
            title=f"trial {number + 1} of {self._rounds}, {self._name} on {title}",
        )


def try_variants(
    task: SelectionTask,
    purpose: Purpose,
    logits: Mapping[str, Tensor],
    *,
    ratio: float,
    rounds: int,
    step_share: float,
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
        step_share: Share of the steps to come that a trial takes, in (0, 1].
        label_error: (N,) probability that each label is wrong; None where nothing is known.

    Returns:
        What the trials came to; None, and a note to the user, where there are too few samples.
    """
    trials = Trials(task, purpose, ratio=ratio, rounds=rounds, step_share=step_share, label_error=label_error)
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
