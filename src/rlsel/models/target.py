"""What every target model looks like: a backbone that gives penultimate features, and one linear head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn


class TargetOutput(NamedTuple):
    """What a target model says of a batch.

    Attributes:
        logits: (B, C).
        features: (B, D), the input of the last linear layer (the paper's feature map).
    """

    logits: Tensor
    features: Tensor


class TargetModel(nn.Module):
    """The paper's f_θ: images to logits and penultimate features.

    Attributes:
        backbone: Maps (B, C_in, H, W) to (B, D).
        head: The last linear layer, D to C.
    """

    def __init__(self, backbone: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> TargetOutput:
        """Returns the logits and features of (B, C_in, H, W) normalised images."""
        features = self.backbone(images)
        return TargetOutput(self.head(features), features)


@runtime_checkable
class ModelSpec(Protocol):
    """The hyperparameters of an architecture: a frozen dataclass that builds it for a data set."""

    @property
    def name(self) -> str:
        """What results call it: as in `conf/model/`, or `model.name` where that chooses one of many networks."""
        ...

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        """Builds the model with fresh parameters, drawn from torch's global generator.

        Args:
            image_shape: (C_in, H, W).
            num_classes: C.

        Raises:
            ConfigurationError: if the architecture cannot take such images.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class TrainedInput:
    """The images that the weights of a network were trained on elsewhere.

    Attributes:
        mean: Channel means that they were normalised with, of pixels from 0 to 1.
        std: Channel standard deviations, likewise.
        side: Height and width in pixels.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    side: int


@runtime_checkable
class Pretrained(Protocol):
    """A `ModelSpec` that can begin with weights from elsewhere."""

    def trained_on(self) -> TrainedInput | None:
        """Returns what the weights were trained on; None where the parameters are fresh."""
        ...
