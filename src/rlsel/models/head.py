"""A small head on features that were computed elsewhere: one hidden layer, or none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from rlsel.checks import int_at_least
from rlsel.errors import ConfigurationError
from rlsel.models.target import TargetModel


@dataclass(frozen=True, kw_only=True)
class Head:
    """A perceptron with one hidden layer, whose outputs are the features that samples are compared by.

    Attributes:
        width: Units of the hidden layer; 0 for none: a linear head, and the features themselves over the root of D.
    """

    name: ClassVar[str] = "head"

    width: int = 64

    def __post_init__(self) -> None:
        int_at_least("model.width", self.width, 0)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        channels, height, width = image_shape
        if (height, width) != (1, 1):
            raise ConfigurationError(
                f"model=head needs rows of features, got images of {height} x {width} pixels: use model=small_cnn, or "
                "compute features first (rlsel features) for dataset=embeddings"
            )
        if self.width == 0:
            return TargetModel(
                nn.Sequential(nn.Flatten(), _Scaled(1 / math.sqrt(channels))), nn.Linear(channels, num_classes)
            )
        hidden = nn.Linear(channels, self.width, bias=False)
        backbone = nn.Sequential(nn.Flatten(), hidden, nn.BatchNorm1d(self.width), nn.ReLU(inplace=True))
        return TargetModel(backbone, nn.Linear(self.width, num_classes))


class _Scaled(nn.Module):
    """Multiplies by a constant: the usual learning rate is one for inputs of unit length, whatever D."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def forward(self, features: Tensor) -> Tensor:
        return self._factor * features
