"""Any classifier of torchvision by its name."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from rlsel.checks import nearest
from rlsel.errors import ConfigurationError
from rlsel.models.network import split_network
from rlsel.models.target import TargetModel, TrainedInput

_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")


@dataclass(frozen=True, kw_only=True)
class TorchvisionModel:
    """A network of torchvision; grey images are repeated to three channels.

    Attributes:
        name: One of `torchvision.models.list_models()`.
        weights: What to begin with, as in `torchvision.models.get_model_weights(name)`, for example DEFAULT or
            IMAGENET1K_V1, downloaded once; the last layer is fresh all the same. None for fresh parameters.
    """

    name: str
    weights: str | None = None

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
        network = self._network(num_classes) if self.weights is None else self._pretrained(num_classes)
        if channels == 1:
            network = nn.Sequential(_GreyToColour(), network)
        return split_network(network, image_shape, num_classes, setting=f"model.name={self.name}")

    def trained_on(self) -> TrainedInput | None:
        """Returns what the weights, which torchvision must know, were trained on; None without weights."""
        if self.weights is None:
            return None
        from torchvision import models

        known = models.get_model_weights(self.name)
        preset = known[self.weights.removeprefix(f"{known.__name__}.")].transforms()
        return TrainedInput(mean=tuple(preset.mean), std=tuple(preset.std), side=int(preset.crop_size[0]))

    def _network(self, num_classes: int) -> nn.Module:
        from torchvision import models

        extra = {"aux_logits": False, "init_weights": True} if self.name in _WITH_AUXILIARY_HEADS else {}
        network: nn.Module = models.get_model(self.name, weights=None, num_classes=num_classes, **extra)
        return network

    def _pretrained(self, num_classes: int) -> nn.Module:
        """Returns the network with weights, and a fresh last layer for the classes."""
        from torchvision import models

        try:
            network: nn.Module = models.get_model(self.name, weights=self.weights)
        except Exception as error:  # it downloads
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise ConfigurationError(f"model.weights={self.weights} cannot be had ({reason}): leave it out") from error
        linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
        if self.name in _WITH_AUXILIARY_HEADS or not linear:
            raise ConfigurationError(f"model.weights must be null for model.name={self.name}, got {self.weights}")
        parent, _, attribute = linear[-1].rpartition(".")
        inputs = network.get_submodule(linear[-1]).in_features
        setattr(network.get_submodule(parent), attribute, nn.Linear(int(inputs), num_classes))  # type: ignore[arg-type]
        return network


class _GreyToColour(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.expand(-1, 3, -1, -1)
