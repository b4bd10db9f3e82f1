"""Any classifier of torchvision by its name."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from rlsel.checks import nearest
from rlsel.errors import ConfigurationError
from rlsel.models.network import split_network
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
        if channels == 1:
            network = nn.Sequential(_GreyToColour(), network)
        return split_network(network, image_shape, num_classes, setting=f"model.name={self.name}")

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


class _GreyToColour(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.expand(-1, 3, -1, -1)
