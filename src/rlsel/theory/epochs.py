"""The propositions while the target model is trained: its training is repeated and looked at after some epochs."""

from __future__ import annotations

from collections.abc import Sequence

from rlsel.checks import refuse
from rlsel.randomness import Streams
from rlsel.selectors.base import SelectionTask
from rlsel.selectors.target_training import train_target
from rlsel.theory.envelopes import fit_envelope
from rlsel.theory.measured_trainings import EpochResult
from rlsel.theory.pairs import sample_pairs
from rlsel.theory.propositions import pair_differences
from rlsel.training.evaluation import accuracy, clean_pass
from rlsel.training.snapshots import SnapshotRecorder


def propositions_over_epochs(
    task: SelectionTask, epochs: Sequence[int], *, pairs: int, streams: Streams
) -> tuple[EpochResult, ...]:
    """Repeats the target training of a selection, with the same random numbers, and measures pairs of one class.

    Args:
        task: What the target model was trained on, how, and from which seed.
        epochs: Passes done, each at least 1; none trains nothing.
        pairs: Most pairs.
        streams: Draw pairs and bootstraps.

    Raises:
        ConfigurationError: if the training has fewer epochs.
    """
    if not epochs:
        return ()
    total = task.training.total_epochs(len(task))
    if max(epochs) > total:
        raise refuse("epochs", f"numbers from 1 to {total}, which the target training has", max(epochs))
    recorder = SnapshotRecorder(epochs)
    model = train_target(task, "target", observers=[recorder], title="target, again")
    found = []
    for epoch in sorted(epochs):
        seen = clean_pass(recorder.restore(model, epoch), task.dataset, task.dataset.train, fabric=task.fabric)
        generator = streams.generator("pairs", "epoch", epoch)
        drawn = sample_pairs(seen.features, task.labels, "same class", count=pairs, generator=generator)
        differences = pair_differences(drawn, seen.features, seen.logits, task.labels)
        tenth = max(1, len(drawn) // 10)
        found.append(
            EpochResult(
                epoch=epoch,
                accuracy=accuracy(seen.logits, task.labels).top1,
                median_distance=float(drawn.distances.median()) if len(drawn) else None,
                output=fit_envelope(drawn.distances, differences.output, generator=generator),
                loss=fit_envelope(drawn.distances, differences.loss, generator=generator),
                gradient=fit_envelope(drawn.distances, differences.gradient, generator=generator),
                cosine_near=float(differences.cosine[:tenth].mean()) if len(drawn) else None,
                cosine_far=float(differences.cosine[-tenth:].mean()) if len(drawn) else None,
            )
        )
    return tuple(found)
