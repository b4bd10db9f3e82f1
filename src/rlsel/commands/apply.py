"""`rlsel apply`: a saved policy judges samples that it has never seen, as no score of a training could."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from rlsel.applying import LearnedPolicy, judging_selector
from rlsel.commands.missing import make_missing
from rlsel.commands.requests import ApplyRequest
from rlsel.cutting import cut
from rlsel.data.dataset import Dataset
from rlsel.data.description import tell
from rlsel.paying import closing
from rlsel.provenance import Provenance
from rlsel.runs.folder import require_apart
from rlsel.runs.plan import Planned, begun_as_planned, plan_one, planned_in
from rlsel.runs.reader import read_run
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.fabric import Fabric
from rlsel.training.reporting import Reporter


def apply(request: ApplyRequest, reporter: Reporter) -> Path:
    """Makes the coresets that do not exist yet.

    Returns:
        The run folder; the folder that holds all of them where there are several.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
    """
    began = time.monotonic()
    run = read_run(request.run)
    selector, recorded = judging_selector(run, request.selector)

    def work(missing: Sequence[Planned], dataset: Dataset, fabric: Fabric) -> None:
        policy = LearnedPolicy.load(run, selector, request.settings)
        with begun_as_planned(missing):
            features = policy.features_of(dataset, fabric)
            tell(dataset, reporter.note)
            if selector.reward.priced:
                reporter.note(_unmoved(policy, recorded, features, dataset))
            shared_seconds = time.monotonic() - began
            coresets = []
            for one in missing:
                start = time.monotonic()
                scores = policy.scores(features, dataset, one.wanted.ratio)
                seconds = shared_seconds + time.monotonic() - start
                origin = one.plan.origin(wall_seconds=seconds, parent=request.run.absolute())
                coresets.append(cut(scores, dataset, origin, reporter.note))
                one.save(coresets[-1])
        reporter.note(closing(coresets, run=missing[0].folder.path))

    planned = [_planned(request, selector, recorded, ratio) for ratio in request.ratios]
    require_apart([one.folder for one in planned], "run", request.run)
    return make_missing(
        planned, work, settings=request.settings, options=request.options, reporter=reporter, needs_labels=False
    )


def _planned(request: ApplyRequest, selector: RLSelector, recorded: Provenance, ratio: float) -> Planned:
    plan = plan_one(
        request.settings,
        selector,
        ratio,
        export=request.export,
        command="apply",
        further={"run": str(request.run.absolute()), "run_settings_hash": recorded.settings_hash},
    )
    return planned_in(plan, request.settings.dataset.name, request.options, several=len(request.ratios) > 1)


def _unmoved(policy: LearnedPolicy, recorded: Provenance, features: Tensor, dataset: Dataset) -> str:
    """Tells how far the policy is from its own ratio on this data, with the threshold that its own samples need."""
    requested = recorded.ratio.requested
    return (
        f"note: learned to keep {requested:g} of {recorded.dataset.name}, the policy would keep "
        f"{policy.share_unmoved(features, requested):.3f} of these {len(features)} samples of {dataset.name} if its "
        "threshold stayed"
    )
