"""Models that answer by rule, measured on images that were made or corrupted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from rlsel.data.corruption import KINDS, SEVERITIES
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.data.further import FurtherSplit
from rlsel.evaluation import robustness
from rlsel.evaluation.robustness import FurtherAccuracy, FurtherDataset, measure, read_further
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.models.target import TargetModel
from rlsel.training.devices import DeviceSettings
from rlsel.training.fabric import Fabric
from rlsel.training.observation import CleanPass
from rlsel.training.resuming import Checkpointing

LEVELS = (40, 100, 160, 220)
"""The gray of each class."""

WNIDS = ("n00000001", "n00000002", "n00000003", "n00000004")


class Gray(nn.Module):
    """The mean of an image in [0, 1]; undoes the normalisation of the data set below."""

    def forward(self, images: Tensor) -> Tensor:
        return (0.25 * images + 0.5).mean(dim=(1, 2, 3))[:, None]


def nearest() -> TargetModel:
    """Guesses the class whose gray is nearest: -(mean - level)² less the square of the mean."""
    levels = torch.tensor(LEVELS) / 255
    head = nn.Linear(1, 4)
    with torch.no_grad():
        head.weight.copy_(2 * levels[:, None])
        head.bias.copy_(-levels.square())
    return TargetModel(Gray(), head)


@pytest.fixture
def dataset() -> Dataset:
    labels = torch.arange(40) % 4
    pixels = torch.tensor(LEVELS, dtype=torch.uint8)[labels].view(-1, 1, 1, 1).repeat(1, 3, 8, 8)
    split = Split(images=MemoryImages(pixels), labels=labels)
    return Dataset(name="grays", train=split, test=split, class_names=WNIDS, mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture
def fabric() -> Iterator[Fabric]:
    with DeviceSettings(accelerator="cpu").computing() as fabric:
        yield fabric


def write_gray(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), level, dtype=np.uint8)).save(path)


def further(dataset: Dataset, *names: str, root: Path | None = None, seed: int = 0) -> tuple[FurtherDataset, ...]:
    return read_further(EvaluationSettings(datasets=names, root=root), dataset, seed=seed)


def test_the_logits_of_other_classes_are_masked(dataset: Dataset, fabric: Fabric, tmp_path: Path) -> None:
    # 90 is nearest to the second class, 100; among the first and the fourth, to the first, 40
    for folder in ("imagenet-a", "imagenet-r"):
        write_gray(tmp_path / folder / WNIDS[0] / "a.png", 90)
        write_gray(tmp_path / folder / WNIDS[3] / "a.png", 90)
        write_gray(tmp_path / folder / WNIDS[3] / "b.png", 150)
        write_gray(tmp_path / folder / WNIDS[3] / "c.png", 230)
    measured = measure(nearest(), dataset, further(dataset, "imagenet_a", "imagenet_r", root=tmp_path), fabric=fabric)
    # 90 right and wrong, 150 and 230 right; two guesses among two classes are always right
    expected = FurtherAccuracy(top1=3 / 4, top5=1.0)
    assert measured == {"imagenet_a": expected, "imagenet_r": expected}


def test_one_right_answer_is_enough(dataset: Dataset, fabric: Fabric, tmp_path: Path) -> None:
    folder = tmp_path / "imagenet-hard"
    for name, level in (("a", 40), ("b", 100), ("c", 160)):
        write_gray(folder / f"{name}.png", level)
    lines = [f"a.png,{WNIDS[3]} {WNIDS[0]}", f"b.png,{WNIDS[0]} {WNIDS[2]} {WNIDS[3]}", f"c.png,{WNIDS[2]}"]
    (folder / "labels.csv").write_text("path,labels\n" + "\n".join(lines) + "\n")
    measured = measure(nearest(), dataset, further(dataset, "imagenet_hard", root=tmp_path), fabric=fabric)
    assert measured == {"imagenet_hard": FurtherAccuracy(top1=pytest.approx(2 / 3), top5=1.0)}  # type: ignore[arg-type]


def test_a_corruption_that_moves_the_gray_is_measured_by_hand(dataset: Dataset, fabric: Fabric) -> None:
    # severity 3 adds 0.15 * 255 = 38.25: 78.25 is nearer to 100 than to 40, 138.25 to 160, 198.25 to 220
    measured = measure(nearest(), dataset, further(dataset, "brightness@1", "brightness@3"), fabric=fabric)
    # severity 1 adds 12.75, and 30 is half of the way
    assert measured["brightness@1"].top1 == 1.0
    assert measured["brightness@3"].top1 == 0.25, "only white stays white"


def test_a_name_without_a_severity_is_the_mean(dataset: Dataset, fabric: Fabric) -> None:
    names = ["brightness", *(f"brightness@{severity}" for severity in SEVERITIES)]
    measured = measure(nearest(), dataset, further(dataset, *names), fabric=fabric)
    singles = [measured[name].top1 for name in names[1:]]
    # 0.05 and 0.1 are 12.75 and 25.5, less than 30
    assert singles == [1.0, 1.0, 0.25, 0.25, 0.25]
    assert measured["brightness"].top1 == pytest.approx(np.mean(singles))


def test_all_corruptions_are_the_mean_of_the_kinds(dataset: Dataset, fabric: Fabric) -> None:
    measured = measure(nearest(), dataset, further(dataset, "corruptions"), fabric=fabric)
    assert list(measured) == ["corruptions", *KINDS]
    assert measured["corruptions"].top1 == pytest.approx(np.mean([measured[kind].top1 for kind in KINDS]))
    assert measured["contrast"].top1 == 1.0, "an even image has no contrast to lose"


def test_what_stands_in_several_is_looked_at_once(
    dataset: Dataset, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real: Callable[..., FurtherAccuracy] = robustness._measure

    def count(model: TargetModel, dataset: Dataset, part: FurtherSplit, *, fabric: Fabric) -> FurtherAccuracy:
        seen.append(part.name)
        return real(model, dataset, part, fabric=fabric)

    monkeypatch.setattr(robustness, "_measure", count)
    measure(nearest(), dataset, further(dataset, "corruptions@2", "contrast", "contrast@3"), fabric=fabric)
    assert sorted(seen) == sorted([*(f"{kind}@2" for kind in KINDS), *(f"contrast@{one}" for one in (1, 3, 4, 5))])


def test_all_models_see_the_same_images(dataset: Dataset) -> None:
    def images(seed: int) -> Tensor:
        ((part,),) = (one.parts for one in further(dataset, "gaussian_noise@5", seed=seed))
        return next(iter(part.split.images.batches([torch.arange(40)])))

    assert torch.equal(images(0), images(0))
    assert not torch.equal(images(0), images(1))


def test_a_model_keeps_its_mode(dataset: Dataset, fabric: Fabric) -> None:
    model = nearest().train()
    measure(model, dataset, further(dataset, "pixelate@1"), fabric=fabric)
    assert model.training


def test_what_was_measured_before_an_interruption_is_kept(
    dataset: Dataset, fabric: Fabric, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Checkpointing(path=tmp_path / ".training-0.ckpt")
    parts = further(dataset, "gaussian_noise@1", "gaussian_noise@5")
    expected = measure(nearest(), dataset, parts, fabric=fabric)
    left, look = [2], robustness.clean_pass

    def interrupted(*arguments: Any, **named: Any) -> CleanPass:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return look(*arguments, **named)

    monkeypatch.setattr(robustness, "clean_pass", interrupted)
    with pytest.raises(KeyboardInterrupt):
        measure(nearest(), dataset, parts, fabric=fabric, checkpointing=place)
    assert measure(nearest(), dataset, parts, fabric=fabric, checkpointing=place) == expected
    assert left == [-1], "one before the interruption, and one after it"
