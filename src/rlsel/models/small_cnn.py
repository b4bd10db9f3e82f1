"""Three convolutions: enough for small images, and quick on a processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from rlsel.checks import positive_int
from rlsel.models.target import TargetModel

_GRID = 4  # cells a side of the feature, so that D does not grow with large images


@dataclass(frozen=True, kw_only=True)
class SmallCNN:
    """Convolutions of width, 2 width and 4 width channels, each halving the image while it has two pixels a side.

    The feature keeps where things are, on a grid of at most 4 x 4: D = 4 width x grid cells, 36 width for 28 x 28
    pixels. Averaged over the whole image instead, the same convolutions learn much more slowly.

    Attributes:
        width: Channels of the first convolution.
    """

    name: ClassVar[str] = "small_cnn"

    width: int = 8

    def __post_init__(self) -> None:
        positive_int("model.width", self.width)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        channels, height, width = image_shape
        stages: list[nn.Module] = []
        for channels_out in (self.width, 2 * self.width, 4 * self.width):
            pool = min(height, width) >= 2
            stages += _stage(channels, channels_out, min(height, width), pool=pool)
            channels = channels_out
            if pool:
                height, width = height // 2, width // 2
        grid = (min(height, _GRID), min(width, _GRID))
        shrink = [] if grid == (height, width) else [nn.AdaptiveAvgPool2d(grid)]
        backbone = nn.Sequential(*stages, *shrink, nn.Flatten())
        return TargetModel(backbone, nn.Linear(channels * grid[0] * grid[1], num_classes))


def _stage(channels_in: int, channels_out: int, side: int, *, pool: bool) -> list[nn.Module]:
    kernel = 3 if side >= 2 else 1  # on a single pixel, a wider kernel would only ever see its own padding
    return [
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        # Pooled before it is normalised: a quarter of the work, and max and ReLU commute.
        *([nn.MaxPool2d(2)] if pool else []),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    ]
