"""Any classifier of torchvision by its name."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlsel.checks import nearest
from rlsel.errors import ConfigurationError
from rlsel.models.target import TargetModel

_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")


@dataclass(frozen=True, kw_only=True)
class TorchvisionModel:
    """A network of torchvision with fresh parameters; grey images are repeated to three channels.

    Attributes:
        name: As in `torchvision.models.list_models()`.
    """

    name: str

    def __post_init__(self) -> None:
        from torchvision import models

        names = models.list_models(module=models)
        if self.name not in names:
            remedy = nearest(str(self.name), names) or "torchvision.models.list_models() lists them"
            raise ConfigurationError(f"model.name must be a classifier of torchvision, got {self.name!r}: {remedy}")

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        channels = image_shape[0]
        if channels not in (1, 3):
            raise ConfigurationError(
                f"model.name={self.name} needs images of 1 or 3 channels, got {channels}: use resnet18 or small_cnn"
            )
        network = self._network(num_classes)
        head = _take_head(network, num_classes)
        if head is None:
            raise ConfigurationError(f"model.name={self.name} does not end in a linear layer: use a network that does")
        model = TargetModel(nn.Sequential(_GreyToColour(), network) if channels == 1 else network, head)
        self._try(model, image_shape)
        return model

    def _network(self, num_classes: int) -> nn.Module:
        from torchvision import models

        network: nn.Module
        if self.name in _WITH_AUXILIARY_HEADS:
            network = models.get_model(
                self.name, weights=None, num_classes=num_classes, aux_logits=False, init_weights=True
            )
        else:
            network = models.get_model(self.name, weights=None, num_classes=num_classes)
        return network

    def _try(self, model: TargetModel, image_shape: tuple[int, int, int]) -> None:
        """Refuses images that the network cannot take: which sizes it takes is written nowhere."""
        model.eval()
        try:
            with torch.no_grad():
                features = model(torch.zeros(1, *image_shape)).features
        except (RuntimeError, AssertionError, ValueError) as error:
            size = f"{image_shape[1]} x {image_shape[2]}"
            reason = str(error).partition("\n")[0]
            raise ConfigurationError(
                f"model.name={self.name} does not take images of {size} pixels ({reason}): use another network"
            ) from error
        if features.shape != (1, model.head.in_features):
            raise ConfigurationError(f"model.name={self.name} has no features of one dimension: use another network")
        model.train()


class _GreyToColour(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.expand(-1, 3, -1, -1)


def _take_head(network: nn.Module, num_classes: int) -> nn.Linear | None:
    """Puts an identity in the place of the last linear layer and returns that layer."""
    linear = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear or linear[-1][1].out_features != num_classes:
        return None
    name, head = linear[-1]
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, nn.Identity())
    return head
