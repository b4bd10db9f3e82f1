"""What is to be made: a coreset with all that decides it, and the run folder that it goes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from rlsel.coreset import Coreset
from rlsel.cutting import Origin
from rlsel.export import ExportSettings, refuse_threshold_of_a_score, resolve
from rlsel.runs.folder import RunFolder, begun, cell_name, run_folder
from rlsel.runs.layout import selection_settings, selects_by_defaults, settings_hash
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selection import Wanted
from rlsel.selectors.base import Selector, for_ratio, gives_keep_logits

SelectionCommand = Literal["select", "apply", "finetune-ratio"]
"""A command that makes coresets."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """One coreset to make.

    Attributes:
        command: What makes it.
        wanted: What is to be made.
        settings: All that decides the result.
    """

    command: SelectionCommand
    wanted: Wanted
    settings: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """Hash of the settings."""
        return settings_hash(self.settings)

    def origin(self, *, wall_seconds: float, parent: Path | None = None) -> Origin:
        """Returns what is known of the coreset besides its scores.

        Args:
            wall_seconds: How long it took.
            parent: The run that it started from; None for one that started from nothing.
        """
        return Origin(
            selector=self.wanted.selector.name,
            settings=self.settings,
            digest=self.digest,
            ratio=self.wanted.ratio,
            seed=self.settings["seed"],
            export=self.wanted.export,
            wall_seconds=wall_seconds,
            parent=parent,
        )


def plan_one(
    settings: RunSettings,
    selector: Selector,
    ratio: float,
    *,
    export: ExportSettings,
    features: str | None = None,
    command: SelectionCommand = "select",
    further: Mapping[str, Any] | None = None,
) -> Plan:
    """Plans the coreset of a method at a ratio.

    Args:
        settings: Data, model, training and seed.
        selector: The method.
        ratio: The keep ratio.
        export: How scores become a set, over the method's own default.
        features: Digest of the features that the user brought; None for the target model's.
        command: What makes it.
        further: What decides a coreset that starts from a run besides; None for one that starts from nothing.

    Raises:
        ConfigurationError: if the export does not fit the method.
    """
    selector = for_ratio(selector, ratio)
    resolved = resolve(export, selector.export)
    refuse_threshold_of_a_score(resolved, policy=gives_keep_logits(selector))
    node = selection_settings(settings, selector=selector, ratio=ratio, export=export, features=features)
    wanted = Wanted(selector=selector, ratio=ratio, export=resolved)
    return Plan(command=command, wanted=wanted, settings={**node, **(further or {})})


@dataclass(frozen=True, kw_only=True, eq=False)
class Planned:
    """A coreset to make in a run folder.

    Attributes:
        name: The selector's, or that of a row of a comparison.
        plan: The coreset.
        folder: Where it goes.
    """

    name: str
    plan: Plan
    folder: RunFolder

    @property
    def wanted(self) -> Wanted:
        """The method, the ratio and the export."""
        return self.plan.wanted

    def save(self, coreset: Coreset) -> None:
        """Writes the coreset, with which the run is complete.

        Raises:
            StorageError: if it cannot be written.
        """
        coreset.save(self.folder.path)
        self.folder.set_state("complete")


def planned_in(
    plan: Plan, dataset: str, options: RunOptions, *, several: bool, row: str | None = None, by_defaults: bool = False
) -> Planned:
    """Gives a coreset its run folder.

    Args:
        plan: The coreset.
        dataset: The data set's name.
        options: Where results go.
        several: Whether the request is for more than one.
        row: What a comparison calls the selector; None for its own name.
        by_defaults: Whether all settings are the defaults, so that the folder's name says them all.
    """
    name = row or plan.wanted.selector.name
    folder = run_folder(
        plan.command,
        dataset,
        name,
        cell_name(plan.wanted.ratio, plan.settings["seed"], None if by_defaults else plan.digest),
        run_dir=options.run_dir,
        several=options.several or several,
        digest=plan.digest,
    )
    return Planned(name=name, plan=plan, folder=folder)


def planned_selection(
    settings: RunSettings,
    selector: Selector,
    ratio: float,
    *,
    export: ExportSettings,
    features: str | None = None,
    options: RunOptions,
    several: bool,
    row: str | None = None,
) -> Planned:
    """Plans the coreset that `rlsel select` makes of a method at a ratio, and gives it its run folder.

    Args:
        settings: Data, model, training and seed.
        selector: The method.
        ratio: The keep ratio.
        export: How scores become a set, over the method's own default.
        features: Digest of the features that the user brought; None for the target model's.
        options: Where results go.
        several: Whether the request is for more than one.
        row: What a comparison calls the selector; None for its own name.

    Raises:
        ConfigurationError: if the export does not fit the method.
    """
    one = plan_one(settings, selector, ratio, export=export, features=features)
    by_defaults = features is None and selects_by_defaults(settings, one.wanted.selector, export)
    name = settings.dataset.name
    return planned_in(one, name, options, several=several, row=row, by_defaults=by_defaults)


def begun_as_planned(planned: Sequence[Planned]) -> AbstractContextManager[None]:
    """Begins the runs of at least one planned coreset, all of one command, as `begun` does."""
    folders, settings = [one.folder for one in planned], [one.plan.settings for one in planned]
    return begun(folders, planned[0].plan.command, settings)
