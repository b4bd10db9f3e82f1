"""Three convolutions: enough for small images, and quick on a processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from rlsel.checks import positive_int
from rlsel.models.target import TargetModel


@dataclass(frozen=True, kw_only=True)
class SmallCNN:
    """Convolutions of width, 2 width and 8 width channels, averaged over the image; D = 8 width.

    Attributes:
        width: Channels of the first convolution.
    """

    name: ClassVar[str] = "small_cnn"

    width: int = 8

    def __post_init__(self) -> None:
        positive_int("model.width", self.width)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        channels, height, width = image_shape
        side = min(height, width)
        backbone = nn.Sequential(
            *_stage(channels, self.width, side, pool=side >= 2),
            *_stage(self.width, 2 * self.width, side // 2, pool=side // 2 >= 2),
            *_stage(2 * self.width, 8 * self.width, side // 4, pool=False),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        return TargetModel(backbone, nn.Linear(8 * self.width, num_classes))


def _stage(channels_in: int, channels_out: int, side: int, *, pool: bool) -> list[nn.Module]:
    kernel = 3 if side >= 2 else 1  # on a single pixel, a wider kernel would only ever see its own padding
    return [
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        # Pooled before it is normalised: a quarter of the work, and max and ReLU commute.
        *([nn.MaxPool2d(2)] if pool else []),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    ]
