"""The Swin transformer (Liu et al., "Hierarchical Vision Transformer using Shifted Windows", ICCV 2021, Section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from rlsel.checks import positive_int, refuse
from rlsel.errors import ConfigurationError
from rlsel.models.resnet import SMALL_IMAGE
from rlsel.models.target import TargetModel

_SMALLEST_IMAGE = 4
_TINY_IMAGE = 16


@dataclass(frozen=True, kw_only=True)
class Swin:
    """Attention in shifted windows over ever coarser tokens.

    From 64 pixels on, the four stages (2, 2, 6, 2) with patches of 4 and windows of 7, so that width=96 heads=3 is
    Swin-T, and D = 8 width. Below, three stages (2, 2, 2) with windows of 4 and patches of 2 (of 1 below 16 pixels),
    and D = 4 width.

    Attributes:
        width: Size of a token in the first stage, a multiple of `heads`; each further stage doubles it.
        heads: Attention heads in the first stage; each further stage doubles them.
    """

    name: ClassVar[str] = "swin"

    width: int = 32
    heads: int = 2

    def __post_init__(self) -> None:
        positive_int("model.width", self.width)
        positive_int("model.heads", self.heads)
        if self.width % self.heads:
            raise refuse("model.width", f"a multiple of model.heads={self.heads}", self.width)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        from torchvision.models import SwinTransformer

        channels, height, width = image_shape
        side = min(height, width)
        if side < _SMALLEST_IMAGE:
            least = f"{_SMALLEST_IMAGE} x {_SMALLEST_IMAGE}"
            raise ConfigurationError(
                f"model=swin needs images of at least {least} pixels, got {height} x {width}: use model=small_cnn"
            )
        small = side < SMALL_IMAGE
        patch, window = (4, 7) if not small else (1 if side < _TINY_IMAGE else 2, 4)
        depths = [2, 2, 2] if small else [2, 2, 6, 2]
        transformer = SwinTransformer(
            patch_size=[patch, patch],
            embed_dim=self.width,
            depths=depths,
            num_heads=[self.heads * 2**stage for stage in range(len(depths))],
            window_size=[window, window],
            num_classes=num_classes,
        )
        if channels != 3:
            transformer.features[0][0] = nn.Conv2d(channels, self.width, patch, stride=patch)
        head = transformer.head
        transformer.head = nn.Identity()
        return TargetModel(transformer, head)
