"""Coresets in memory, complete: with the settings that decide them, and the policy that learned them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlsel.applying import policy_of
from rlsel.coreset import Coreset
from rlsel.cutting import Origin, cut
from rlsel.export import ExportSettings, refuse_threshold_of_a_score, resolve
from rlsel.runs.layout import selection_settings, settings_hash
from rlsel.runs.settings import RunSettings
from rlsel.selection import Made, Wanted
from rlsel.selectors.base import SelectionTask, Selector, for_ratio, gives_keep_logits


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """One coreset to make.

    Attributes:
        wanted: What is to be made.
        settings: All that decides the result.
        digest: Hash of the settings.
    """

    wanted: Wanted
    settings: Mapping[str, Any]
    digest: str


def plan_one(
    settings: RunSettings, selector: Selector, ratio: float, *, export: ExportSettings, features: str | None
) -> Plan:
    """Plans the coreset of a method at a ratio.

    Args:
        settings: Data, model, training and seed.
        selector: The method.
        ratio: The keep ratio.
        export: How scores become a set, over the method's own default.
        features: Digest of the features that the user brought; None for the target model's.

    Raises:
        ConfigurationError: if the export does not fit the method.
    """
    selector = for_ratio(selector, ratio)
    resolved = resolve(export, selector.export)
    refuse_threshold_of_a_score(resolved, policy=gives_keep_logits(selector))
    node = selection_settings(settings, selector=selector, ratio=ratio, export=export, features=features)
    wanted = Wanted(selector=selector, ratio=ratio, export=resolved)
    return Plan(wanted=wanted, settings=node, digest=settings_hash(node))


def coreset_of(made: Made, plan: Plan, task: SelectionTask, *, parent: Path | None = None) -> Coreset:
    """Cuts what a selection came to.

    Args:
        made: The scores, and what they were made of.
        plan: What was planned.
        task: What was selected from.
        parent: The run that the scores were taken from; None for scores made now.

    Raises:
        ConfigurationError: if the export does not fit the scores.
    """
    start = time.monotonic()
    coreset = cut(
        made.scores,
        task.dataset,
        Origin(
            selector=made.wanted.selector.name,
            settings=plan.settings,
            digest=plan.digest,
            ratio=made.wanted.ratio,
            seed=task.seed,
            export=made.wanted.export,
            wall_seconds=made.seconds + time.monotonic() - start,
            parent=parent,
        ),
        task.reporter.note,
    )
    return replace(coreset, policy=policy_of(made, task))
