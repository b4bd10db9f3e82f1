"""What the trained target model makes of samples whose label is suspected to be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from rlsel.data.dataset import Dataset
from rlsel.runs.reader import Run
from rlsel.runs.rebuilding import model_spec
from rlsel.structure import as_node
from rlsel.training.evaluation import clean_pass
from rlsel.training.fabric import Fabric


def labels_instead(run: Run, dataset: Dataset, places: Sequence[int], fabric: Fabric) -> Mapping[int, int]:
    """Asks the stored target model which label it gives when the recorded one is no choice.

    The model was trained on the recorded labels, and may know a wrong one by heart.

    Args:
        run: Has a target model.
        dataset: What it was trained on.
        places: Of the samples among the candidates.
        fabric: The device and the precision.

    Returns:
        The class by place; empty where there is no other class.

    Raises:
        ConfigurationError: if the model's class cannot be imported.
        CoresetError: if the stored model is damaged.
    """
    if not places or dataset.num_classes < 2:
        return {}
    model = run.target_model(model_spec(as_node(run.settings.get("model"), "model"), "model"))
    chosen = dataset.train.subset(torch.tensor(places, dtype=torch.int64))
    logits = clean_pass(model.to(fabric.device), dataset, chosen, fabric=fabric).logits
    others = logits.scatter(1, chosen.labels[:, None], float("-inf")).argmax(dim=1)
    return dict(zip(places, others.tolist(), strict=True))
