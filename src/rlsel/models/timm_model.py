"""Any classifier of timm by its name."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from torch import nn

from rlsel.checks import nearest
from rlsel.errors import ConfigurationError
from rlsel.models.network import split_network
from rlsel.models.target import TargetModel, TrainedInput


@dataclass(frozen=True, kw_only=True)
class TimmModel:
    """A network of timm (`pip install rlsel[timm]`) for images of any number of channels.

    Attributes:
        name: One of `timm.list_models()`.
        pretrained: Whether to begin with timm's weights for that name, which are downloaded once; the last layer is
            fresh all the same.
    """

    name: str
    pretrained: bool = False

    def __post_init__(self) -> None:
        timm = _timm()
        if not timm.is_model(self.name):
            remedy = nearest(str(self.name), timm.list_models()) or "timm.list_models() lists them"
            raise ConfigurationError(f"model.name must be a network of timm, got {self.name!r}: {remedy}")

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        setting = f"model.name={self.name}"
        try:
            network: nn.Module = _timm().create_model(
                self.name, pretrained=self.pretrained, num_classes=num_classes, in_chans=image_shape[0]
            )
        except Exception as error:  # it downloads, and asks each architecture
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise ConfigurationError(f"{setting} could not be built ({reason}): use another network") from error
        return split_network(network, image_shape, num_classes, setting=setting)

    def trained_on(self) -> TrainedInput | None:
        """Returns what timm's weights of that name were trained on; None without `pretrained`."""
        if not self.pretrained:
            return None
        given = _timm().models.get_pretrained_cfg(self.name)
        return TrainedInput(mean=tuple(given.mean), std=tuple(given.std), side=int(given.input_size[-1]))


def _timm() -> ModuleType:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise ConfigurationError("model=timm needs a package: pip install timm") from error
    return timm
