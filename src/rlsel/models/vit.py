"""The vision transformer (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, Section 3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from rlsel.checks import positive_int, refuse
from rlsel.models.target import TargetModel


@dataclass(frozen=True, kw_only=True)
class ViT:
    """Patches with learned positions, a class token, and pre-norm encoder layers; D = width.

    The published sizes are, for example, width=384 depth=12 heads=6 (S) and width=768 depth=12 heads=12 (B).

    Attributes:
        width: Size of a token; a multiple of `heads`.
        depth: Encoder layers.
        heads: Attention heads of a layer.
        patch: Side of a patch in pixels; None for an eighth of the image, at most 16.
    """

    name: ClassVar[str] = "vit"

    width: int = 64
    depth: int = 6
    heads: int = 4
    patch: int | None = None

    def __post_init__(self) -> None:
        positive_int("model.width", self.width)
        positive_int("model.depth", self.depth)
        positive_int("model.heads", self.heads)
        if self.width % self.heads:
            raise refuse("model.width", f"a multiple of model.heads={self.heads}", self.width)
        if self.patch is not None:
            positive_int("model.patch", self.patch)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        from torchvision.models import VisionTransformer

        channels, height, width = image_shape
        patch = self.patch or min(16, math.ceil(max(height, width) / 8))
        side = patch * math.ceil(max(height, width) / patch)
        transformer = VisionTransformer(
            image_size=side,
            patch_size=patch,
            num_layers=self.depth,
            num_heads=self.heads,
            hidden_dim=self.width,
            mlp_dim=4 * self.width,
            num_classes=num_classes,
        )
        transformer.conv_proj = nn.Conv2d(channels, self.width, patch, stride=patch)
        nn.init.trunc_normal_(transformer.conv_proj.weight, std=math.sqrt(1 / (channels * patch**2)))
        nn.init.zeros_(transformer.conv_proj.bias)
        transformer.heads = nn.Identity()
        head = nn.Linear(self.width, num_classes)
        # torchvision starts from a head of zeros, which hides the features from every score taken at the start.
        nn.init.trunc_normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        padding = nn.ZeroPad2d((0, side - width, 0, side - height))
        return TargetModel(nn.Sequential(padding, transformer), head)
