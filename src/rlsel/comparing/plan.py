"""What belongs to a comparison: its coresets, and the trainings on them and on all of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlsel.budget import kept_count
from rlsel.comparing.jobs import SelectJob, TrainJob
from rlsel.comparing.request import CompareRequest
from rlsel.coreset import INDICES_FILE, Coreset, indices_sha256
from rlsel.data.dataset import Dataset
from rlsel.dynamic.settings import DynamicSettings
from rlsel.evaluation.comparison import FULL, RANDOM
from rlsel.models.target import ModelSpec
from rlsel.runs.folder import RunFolder, cell_name
from rlsel.runs.layout import settings_hash, training_settings
from rlsel.runs.plan import Planned, planned_selection

TrainingKey = tuple[str, str, float, int]
"""Model, selector, ratio and seed: what a row of `runs.csv` is about."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What is trained on: a finished selection, all of the data, or a part that is chosen anew for each pass.

    Attributes:
        selector: Its name, or that of the row or the rule.
        ratio: The keep ratio.
        seed: The seed of selection and training.
        size: Number of samples in a pass.
        sha256: SHA-256 of its `indices.npy`.
        folder: The folder of the selection; None for all of the data.
        dynamic: What each pass is over, where that is chosen while the model trains.
        seconds: Seconds that the selection took; None for all of the data.
        peak_rss_bytes: The most memory that the selection held.
        thresholded: Share of the keep probabilities above one half; None for what is no policy.
    """

    selector: str
    ratio: float
    seed: int
    size: int
    sha256: str
    folder: Path | None = None
    dynamic: DynamicSettings | None = None
    seconds: float | None = None
    peak_rss_bytes: int = 0
    thresholded: float | None = None


@dataclass(frozen=True, kw_only=True)
class TimeAllowed:
    """What a seed's trainings of one model may take, with the selections before them (`budget=seconds`).

    Attributes:
        full_seconds: Seconds of a training on all of the data.
        full_steps: Its steps.
        selection_seconds: Seconds of the dearest selection, which every row may spend on steps as well.
    """

    full_seconds: float
    full_steps: int
    selection_seconds: float

    def steps(self, chosen: Chosen) -> int:
        """Returns the steps that are left for a training beside its selection."""
        saved = self.selection_seconds - (chosen.seconds or 0.0)
        return self.full_steps + round(saved * self.full_steps / self.full_seconds)


@dataclass(frozen=True, kw_only=True)
class ComparisonPlan:
    """What belongs to a comparison.

    Attributes:
        request: What is compared.
        folder: Where the results of all parts lie.
        size: Number of training samples.
        sha256: SHA-256 of the `indices.npy` that would hold the positions of all of them.
    """

    request: CompareRequest
    folder: Path
    size: int
    sha256: str

    @classmethod
    def of(cls, request: CompareRequest, folder: Path, dataset: Dataset) -> ComparisonPlan:
        """Plans a comparison on a data set."""
        sha256 = indices_sha256(dataset.train.in_source().numpy())
        return cls(request=request, folder=folder, size=len(dataset.train), sha256=sha256)

    @property
    def full_steps(self) -> int:
        """Steps of a training on all of the data."""
        return self.request.settings.training.total_steps(self.size)

    @property
    def keys(self) -> list[TrainingKey]:
        """All trainings: by model, `full` first, then selectors, ratios and seeds as asked for."""
        names = [*(row.name for row in self.request.rows), *self.request.dynamic]
        rows = [(name, ratio) for name in names for ratio in self.request.ratios]
        return [
            (model.name, selector, ratio, seed)
            for model in self.request.models
            for selector, ratio in [(FULL, 1.0), *rows]
            for seed in self.request.seeds
        ]

    def coresets(self, seed: int) -> list[Planned]:
        """Plans the coresets of a seed.

        Raises:
            ConfigurationError: if an export does not fit a selector.
        """
        request = self.request
        options = replace(request.options, run_dir=self.folder / "cells" / "select")
        settings = replace(request.settings, seed=seed)
        return [
            planned_selection(
                settings, row.selector, ratio, export=row.export, options=options, several=True, row=row.name
            )
            for row in request.rows
            for ratio in request.ratios
        ]

    def unselected(self, seed: int) -> list[Chosen]:
        """Returns what is trained on without a selection: all of the data, and what is chosen anew for each pass."""
        request = self.request
        settings = [DynamicSettings(rule=rule, ratio=ratio) for rule in request.dynamic for ratio in request.ratios]
        return [
            Chosen(selector=FULL, ratio=1.0, seed=seed, size=self.size, sha256=self.sha256),
            *(
                Chosen(
                    selector=one.rule,
                    ratio=one.ratio,
                    seed=seed,
                    size=kept_count(one.ratio, self.size),
                    sha256=self.sha256,
                    dynamic=one,
                    seconds=0.0,
                )
                for one in settings
            ),
        ]

    def select_jobs(self, seed: int, coresets: Sequence[Planned], missing: Sequence[Planned]) -> list[SelectJob]:
        """Returns the jobs that make coresets of a seed; a random choice needs no training, so that it goes alone.

        Args:
            seed: The seed.
            coresets: All of it.
            missing: Those that are not made yet.
        """
        settings = replace(self.request.settings, seed=seed)
        of_random = tuple(one for one in coresets if one.wanted.selector.name == RANDOM)
        others = tuple(one for one in coresets if one.wanted.selector.name != RANDOM)
        jobs = []
        for request in (of_random, others):
            planned = tuple(one for one in request if one in missing)
            if planned:
                jobs.append(SelectJob(settings=settings, planned=planned, request=request))
        return jobs

    def steps(self, chosen: Chosen, allowed: TimeAllowed | None = None) -> int:
        """Returns how many steps a training takes.

        Args:
            chosen: What is trained on.
            allowed: What it may take, where the budget is `seconds`; None for the steps of the full training.
        """
        if allowed is not None:
            return allowed.steps(chosen)
        return self.request.settings.training.total_steps(chosen.size if self.request.budget == "epochs" else self.size)

    def train_job(self, chosen: Chosen, model: ModelSpec, steps: int) -> TrainJob:
        """Plans the training of a model on a part of the data."""
        training = replace(self.request.settings.training, steps=steps)
        settings = replace(
            self.request.settings, model=model, training=training, seed=chosen.seed, dynamic=chosen.dynamic
        )
        digest = settings_hash(training_settings(settings, chosen.sha256, self.request.evaluation))
        parent = self.folder / "cells" / "train" / model.name / chosen.selector
        return TrainJob(
            settings=settings,
            indices=None if chosen.folder is None else chosen.folder / INDICES_FILE,
            sha256=chosen.sha256,
            title=f"{model.name} {chosen.selector} ratio {chosen.ratio:g} seed {chosen.seed}",
            folder=RunFolder(path=parent / cell_name(chosen.ratio, chosen.seed, digest), digest=digest),
        )

    def trainings_there(self) -> dict[str, RunFolder]:
        """Finds the trainings that earlier comparisons left in the folder, by the hash of their settings."""
        found: dict[str, RunFolder] = {}
        for path in sorted(self.folder.glob("cells/train/*/*/*")):
            digest = path.name.rpartition("_")[2]
            found.setdefault(digest, RunFolder(path=path, digest=digest))
        return found


def chosen_of(planned: Planned, seed: int) -> Chosen:
    """Reads a finished selection.

    Raises:
        CoresetError: if it is damaged.
    """
    coreset = Coreset.load(planned.folder.path)
    return Chosen(
        selector=planned.name,
        ratio=planned.wanted.ratio,
        seed=seed,
        size=len(coreset),
        sha256=coreset.indices_sha256,
        folder=planned.folder.path,
        seconds=coreset.provenance.wall_seconds,
        peak_rss_bytes=coreset.provenance.peak_rss_bytes,
        thresholded=coreset.provenance.ratio.thresholded,
    )
