"""From data to coresets in memory: one target training is observed, every method scores, every ratio is cut.

Nothing here writes a file or knows the command line; `rlsel.select` and `rlsel select` both come through here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from rlsel.data.description import tell
from rlsel.export import ResolvedExport
from rlsel.selectors.base import FINAL, Needs, Observed, Scores, SelectionTask, Selector, scored, uses
from rlsel.selectors.features import doubt_about
from rlsel.selectors.part import part_of, score_all
from rlsel.selectors.target_training import SharedTraining
from rlsel.training.resuming import working_time


@dataclass(frozen=True, kw_only=True, eq=False)
class Wanted:
    """One coreset to make.

    Attributes:
        selector: The method, made for the ratio.
        ratio: The keep ratio.
        export: How its scores become a set.
    """

    selector: Selector
    ratio: float
    export: ResolvedExport


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """What a selection came to.

    Attributes:
        wanted: What was asked for.
        scores: The scores of all candidates.
        observed: What the method saw of the target training.
        seconds: What it took, the part of the shared training that this method needed included.
    """

    wanted: Wanted
    scores: Scores
    observed: Observed
    seconds: float


OnEpoch = Callable[[Wanted, Mapping[str, float]], None]
"""Told what an epoch of the target training measured for a selection."""

Item = TypeVar("Item")

OnFailure = Callable[[Sequence[Item], Exception], None]
"""Told what cannot be made, and why; the others are made all the same."""


def select_from(
    task: SelectionTask,
    wanted: Sequence[Wanted],
    *,
    setup_seconds: float = 0.0,
    on_epoch: OnEpoch | None = None,
    on_failure: OnFailure[Wanted] | None = None,
    watching: Sequence[Selector] = (),
) -> Iterator[Made]:
    """Makes selections from one target training that their methods share.

    Args:
        task: What is selected from.
        wanted: What to make.
        setup_seconds: Spent before, for all of them.
        on_epoch: Told the measurements of each epoch.
        on_failure: Told of what fails; None raises.
        watching: The methods that the training is for, in their order, where it began with more of them than are
            still wanted: interrupted, it goes on only as it began.

    Yields:
        Each selection as it is made, those of one method one after the other.

    Raises:
        RlselError: for a user's mistake.
    """
    began = time.monotonic()
    needs: dict[Selector, Needs] = {}
    own = _by_selector(wanted)
    for selector in watching or own:
        with reported(own.get(selector, []), on_failure):
            needs[selector] = selector.needs(task)
    wanted = [one for one in wanted if one.selector in needs]
    if not wanted:
        return
    tell(task.dataset, task.reporter.note)
    part = part_of(task)
    on_part = {one: need for one, need in needs.items() if part is not None and need.on_part}
    on_all = {one: need for one, need in needs.items() if one not in on_part}
    setup_seconds += time.monotonic() - began
    if any(one.selector in on_all for one in wanted):
        own_wanted = [one for one in wanted if one.selector in on_all]
        yield from _observe_and_score(
            task, task, own_wanted, on_all, setup_seconds=setup_seconds, on_epoch=on_epoch, on_failure=on_failure
        )
    if part is not None and any(one.selector in on_part for one in wanted):
        task.reporter.note(
            f"note: what is learned is learned on {len(part):,} of the {len(task):,} samples (dataset.learn_on), "
            "and judges all"
        )
        yield from _observe_and_score(
            task,
            replace(part, checkpointing=task.part("part")) if on_all else part,
            [one for one in wanted if one.selector in on_part],
            {one: one.needs(part) for one in on_part},
            setup_seconds=setup_seconds,
            on_epoch=on_epoch,
            on_failure=on_failure,
        )


def _observe_and_score(
    task: SelectionTask,
    learned_on: SelectionTask,
    wanted: Sequence[Wanted],
    needs: Mapping[Selector, Needs],
    *,
    setup_seconds: float,
    on_epoch: OnEpoch | None,
    on_failure: OnFailure[Wanted] | None,
) -> Iterator[Made]:
    """Trains on all samples or on a part, and scores all."""
    selectors = list(needs)

    def write(shared: Mapping[str, float], rows: Sequence[Mapping[str, float]]) -> None:
        for one in wanted:
            if on_epoch is not None:
                on_epoch(one, {**shared, **rows[selectors.index(one.selector)]})

    training = SharedTraining(task=learned_on, needs=list(needs.values()), on_epoch=write)
    try:
        observed = dict(zip(needs, training.run(), strict=True))
        _tell_doubt(task, observed)
    except Exception as error:
        if on_failure is None:
            raise
        if task.checkpointing is not None:
            task.checkpointing.remove()
        parts = _apart(wanted, needs)
        if len(parts) == 1:
            on_failure(wanted, error)
            return
        for part in parts:
            alone = replace(task, checkpointing=None)
            yield from select_from(alone, part, on_epoch=on_epoch, on_failure=on_failure)
        return
    yield from _score(task, learned_on, wanted, observed, setup_seconds=setup_seconds, on_failure=on_failure)


def _tell_doubt(task: SelectionTask, observed: Mapping[Selector, Observed]) -> None:
    """Tells of features that hardly tell samples apart, where a method compares samples by them."""
    compared = [seen for selector, seen in observed.items() if uses(selector).features]
    final = next((seen.clean[FINAL].features for seen in compared if FINAL in seen.clean), None)
    features = task.features if task.features is not None else final
    if not compared or features is None or not features.isfinite().all():
        return
    doubt = doubt_about(features)
    if doubt is not None:
        task.reporter.note(f"warning: {doubt}")


def _score(
    task: SelectionTask,
    learned_on: SelectionTask,
    wanted: Sequence[Wanted],
    observed: Mapping[Selector, Observed],
    *,
    setup_seconds: float,
    on_failure: OnFailure[Wanted] | None,
) -> Iterator[Made]:
    """Scores once for each selector."""
    for selector, own in _by_selector(wanted).items():
        start = working_time(task.checkpointing)
        try:
            if learned_on is task:
                scores = scored(selector, task, observed[selector])
            else:
                scores = score_all(selector, task, learned_on, observed[selector])
        except Exception as error:
            if on_failure is None:
                raise
            on_failure(own, error)
            continue
        spent = working_time(task.checkpointing) - start
        seconds = setup_seconds + observed[selector].seconds + spent + scores.shared_seconds
        for one in own:
            yield Made(wanted=one, scores=scores, observed=observed[selector], seconds=seconds)


def _by_selector(wanted: Sequence[Wanted]) -> dict[Selector, list[Wanted]]:
    own: dict[Selector, list[Wanted]] = {}
    for one in wanted:
        own.setdefault(one.selector, []).append(one)
    return own


def _apart(wanted: Sequence[Wanted], needs: Mapping[Selector, Needs]) -> list[list[Wanted]]:
    """Returns what each method that watches the training wants, as it can break it, and what all others want."""
    own = _by_selector(wanted)
    watching = [part for selector, part in own.items() if needs[selector].watch is not None]
    others = [one for one in wanted if needs[one.selector].watch is None]
    return [*watching, *([others] if others else [])]


@contextmanager
def reported(items: Sequence[Item], on_failure: OnFailure[Item] | None) -> Iterator[None]:
    """Hands what the block raises to `on_failure`; raises it without one."""
    try:
        yield
    except Exception as error:
        if on_failure is None:
            raise
        on_failure(items, error)
