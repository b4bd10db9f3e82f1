from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchvision import models

from rlsel.models.resnet import ResNet18, ResNet50
from rlsel.models.target import ModelSpec


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("spec", "reference"),
    [
        pytest.param(ResNet18(), models.resnet18, id="resnet18"),
        pytest.param(ResNet50(), models.resnet50, id="resnet50", marks=pytest.mark.thorough),
    ],
)
def test_computes_what_torchvision_computes_on_large_images(
    spec: ModelSpec, reference: Callable[..., nn.Module]
) -> None:
    expected = reference(weights=None, num_classes=10).eval()
    model = spec.build((3, 64, 64), 10).eval()
    # the same layers in the same order, under other names
    values = expected.state_dict().values()
    model.load_state_dict(dict(zip(model.state_dict(), values, strict=True)))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model(images).logits, expected(images))


def test_keeps_the_resolution_of_small_images() -> None:
    model = ResNet18(width=4).build((3, 63, 63), 10)
    assert model.backbone[0].stride == (1, 1)
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in model.modules())
    features = model.backbone[:-2](torch.zeros(2, 3, 32, 32))
    assert features.shape == (2, 32, 4, 4)  # 32 / 2^3, one halving for each stage but the first


def test_has_the_known_size_of_the_variant_for_small_images() -> None:
    # of torchvision's 11 181 642 parameters with 10 classes, a 3x3 stem saves 3*64*(49 - 9)
    assert parameters(ResNet18().build((3, 32, 32), 10)) == 11_181_642 - 7_680


def test_features_have_the_documented_size() -> None:
    assert ResNet18().build((3, 32, 32), 10).head.in_features == 512
    assert ResNet50(width=8).build((3, 32, 32), 10).head.in_features == 256


def test_narrow_networks_train_on_a_processor() -> None:
    # a strided 1x1 convolution of few channels breaks the memory of the process, which may show at any time later
    for spec in (ResNet18(width=4), ResNet50(width=8)):
        model = spec.build((1, 8, 8), 3).to(memory_format=torch.channels_last)
        convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
        assert len(convolutions) > 10
        assert not any(layer.kernel_size == (1, 1) and layer.stride != (1, 1) for layer in convolutions)
        model(torch.randn(22, 1, 8, 8)).logits.sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
