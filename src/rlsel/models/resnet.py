"""Residual networks (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, Table 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import nn

from rlsel.checks import positive_int
from rlsel.models.target import TargetModel

if TYPE_CHECKING:
    from torchvision.models.resnet import BasicBlock, Bottleneck

SMALL_IMAGE = 64
"""Images with a side below this many pixels get the stem that keeps their resolution."""


@dataclass(frozen=True, kw_only=True)
class ResNet18:
    """Eighteen layers of two-convolution blocks; D = 8 width, which is 512 as in the paper of RL-Selector.

    Attributes:
        width: Channels of the first stage; each of the three after it doubles them.
    """

    name: ClassVar[str] = "resnet18"

    width: int = 64

    def __post_init__(self) -> None:
        positive_int("model.width", self.width)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        from torchvision.models.resnet import BasicBlock

        return _build(BasicBlock, (2, 2, 2, 2), self.width, image_shape=image_shape, num_classes=num_classes)


@dataclass(frozen=True, kw_only=True)
class ResNet50:
    """Fifty layers of bottleneck blocks; D = 32 width.

    Attributes:
        width: Channels of the first stage inside its blocks; each of the three after it doubles them.
    """

    name: ClassVar[str] = "resnet50"

    width: int = 64

    def __post_init__(self) -> None:
        positive_int("model.width", self.width)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        from torchvision.models.resnet import Bottleneck

        return _build(Bottleneck, (3, 4, 6, 3), self.width, image_shape=image_shape, num_classes=num_classes)


def _build(
    block: type[BasicBlock | Bottleneck],
    depths: Sequence[int],
    width: int,
    *,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> TargetModel:
    layers = _stem(image_shape, width)
    channels = width
    for stage, depth in enumerate(depths):
        planes = width * 2**stage
        for position in range(depth):
            stride = 2 if stage > 0 and position == 0 else 1
            layers.append(block(channels, planes, stride, _shortcut(channels, planes * block.expansion, stride)))
            channels = planes * block.expansion
    backbone = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return TargetModel(backbone, nn.Linear(channels, num_classes))


def _stem(image_shape: tuple[int, int, int], width: int) -> list[nn.Module]:
    channels, *sides = image_shape
    normalised = [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    if min(sides) < SMALL_IMAGE:
        return [nn.Conv2d(channels, width, 3, padding=1, bias=False), *normalised]
    convolution = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
    return [convolution, *normalised, nn.MaxPool2d(3, stride=2, padding=1)]


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module | None:
    if stride == 1 and channels_in == channels_out:
        return None
    # Pixels are left out before the convolution, not by its stride: oneDNN writes beyond its memory in the backward
    # pass of a strided 1x1 convolution of fewer than 16 channels (uxlfoundation/oneDNN#6035).
    thinning = [nn.AvgPool2d(1, stride=stride)] if stride > 1 else []
    convolution = nn.Conv2d(channels_in, channels_out, 1, bias=False)
    return nn.Sequential(*thinning, convolution, nn.BatchNorm2d(channels_out))
