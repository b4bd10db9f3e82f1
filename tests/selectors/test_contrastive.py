from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rlsel.errors import ConfigurationError
from rlsel.selectors.base import SelectionTask
from rlsel.selectors.contrastive import ContrastiveSettings, contrastive_features, nt_xent, random_views

FeatureTask = Callable[..., SelectionTask]

BRIEF = ContrastiveSettings(epochs=6, batch_size=16, learning_rate=3e-3, temperature=0.5)


def by_double_loop(first: Tensor, second: Tensor, temperature: float) -> float:
    views = [*first, *second]
    size, losses = len(first), []

    def similarity(a: Tensor, b: Tensor) -> float:
        return float(a @ b) / (float(a.norm()) * float(b.norm())) / temperature

    for i, view in enumerate(views):
        others = sum(math.exp(similarity(view, other)) for j, other in enumerate(views) if j != i)
        losses.append(math.log(others) - similarity(view, views[(i + size) % (2 * size)]))
    return sum(losses) / len(losses)


def test_the_loss_equals_a_double_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    second = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    found = float(nt_xent(first, second, temperature=0.3))
    assert found == pytest.approx(by_double_loop(first, second, 0.3), rel=1e-12)


def test_the_loss_by_hand() -> None:
    # two images, orthogonal to each other, with equal views: similarities 1, 0, 0, so log(e + 2) - 1
    views = torch.eye(2)
    assert float(nt_xent(views, views, temperature=1.0)) == pytest.approx(math.log(math.e + 2) - 1)


def ramp(channels: int) -> Tensor:
    """Images that grow brighter from left to right."""
    return torch.linspace(-1, 1, 16).expand(200, channels, 16, 16)


def slopes(views: Tensor) -> Tensor:
    columns = views.mean(dim=(1, 2))
    return columns[:, -4:].mean(dim=1) - columns[:, :4].mean(dim=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_views_are_mirrored_only_where_asked(channels: int) -> None:
    straight = random_views(ramp(channels), torch.Generator().manual_seed(0), flip=False)
    assert straight.shape == (200, channels, 16, 16)
    assert (slopes(straight) > 0).all()
    mirrored = random_views(ramp(channels), torch.Generator().manual_seed(0), flip=True)
    share = float((slopes(mirrored) < 0).float().mean())
    # 200 fair draws: three standard deviations are 0.11
    assert abs(share - 0.5) < 0.11


def test_views_are_drawn_from_the_generator_alone() -> None:
    images = torch.rand(10, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    first = random_views(images, torch.Generator().manual_seed(2), flip=True)
    assert torch.equal(first, random_views(images, torch.Generator().manual_seed(2), flip=True))
    assert not torch.equal(first, random_views(images, torch.Generator().manual_seed(3), flip=True))


def test_some_colour_views_are_grey() -> None:
    images = torch.rand(300, 3, 1, 1, generator=torch.Generator().manual_seed(1)).expand(300, 3, 32, 32)
    # the mean over 1024 pixels leaves 0.05 / 32 = 0.002 of the noise
    channels = random_views(images, torch.Generator().manual_seed(2), flip=False).mean(dim=(2, 3))
    grey = float((channels.amax(dim=1) - channels.amin(dim=1) < 0.01).float().mean())
    # 0.2 of 300: three standard deviations are 0.07; a few images have hardly any colour themselves
    assert 0.12 < grey < 0.3


def striped(size: int) -> tuple[Tensor, Tensor]:
    labels = torch.arange(size) % 2
    images = torch.zeros(size, 1, 8, 8)
    images[labels == 0, :, ::2], images[labels == 1, :, :, ::2] = 1.0, 1.0
    return images + 0.1 * torch.rand(size, 1, 8, 8, generator=torch.Generator().manual_seed(0)), labels


def test_training_lowers_the_loss_without_labels(feature_task: FeatureTask, reporter: Any) -> None:
    images, labels = striped(64)
    before = torch.random.get_rng_state()
    features = contrastive_features(feature_task(labels, images=images), BRIEF)
    assert features.shape[0] == 64
    assert features.dtype == torch.float32
    assert torch.equal(torch.random.get_rng_state(), before)
    losses = [row["loss"] for row in reporter.measurements]
    assert len(losses) == 6
    assert losses[-1] < losses[0] - 0.1
    # the same without the labels: they play no part
    again = contrastive_features(feature_task(labels.flip(0), images=images), BRIEF)
    assert torch.equal(features, again)
    # horizontal and vertical stripes part on their own
    distances = torch.cdist(features, features)
    alike = labels[:, None] == labels
    assert distances[~alike].mean() > 1.5 * distances[alike].mean()


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 1}, {"learning_rate": 0.0}, {"temperature": -1.0}])
def test_refuses_wrong_settings(wrong: dict[str, Any]) -> None:
    right = {"epochs": 1, "batch_size": 2, "learning_rate": 0.1, "temperature": 0.5}
    with pytest.raises(ConfigurationError, match=rf"selector\.{next(iter(wrong))} must be"):
        ContrastiveSettings(**(right | wrong))
