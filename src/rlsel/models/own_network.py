"""A network of the user's own: an `nn.Module` class, or a function that returns a module, by its import path."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any

from torch import nn

from rlsel.checks import nearest, refuse
from rlsel.errors import ConfigurationError
from rlsel.importing import import_named
from rlsel.models.network import Shape, require_logits, split_network, try_network
from rlsel.models.target import TargetModel, TargetOutput

_BY_KEYWORD = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, kw_only=True)
class OwnNetwork:
    """Calls a class or function of the user with its settings, and with what the data set decides.

    It is given `num_classes`, and of `in_channels`, `in_chans`, `image_size` (the side; height and width where they
    differ) and `image_shape` (channels, height, width) those that its signature has; a setting of the same name wins.
    A module that gives `TargetOutput` is taken as it is; of one that gives logits, the last linear layer is the head.

    Attributes:
        network: The import path, as in `package.module.Class`.
        settings: Further keyword arguments.
    """

    network: str = field(metadata={"names_code": True})
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        _check_settings(self._callable(), self.settings, self.network)

    @property
    def name(self) -> str:
        return self.network.rpartition(".")[2]

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        return build_network(self._callable(), self.settings, image_shape, num_classes, setting=self._setting)

    @property
    def _setting(self) -> str:
        return f"model._target_={self.network}"

    def _callable(self) -> Callable[..., Any]:
        found = import_named(self.network, "model._target_")
        if not callable(found) or (isinstance(found, type) and not issubclass(found, nn.Module)):
            raise refuse(
                "model._target_",
                "an nn.Module class, a function that returns one, or a dataclass with name and build",
                self.network,
            )
        return found


@dataclass(frozen=True, kw_only=True)
class GivenNetwork:
    """A network that a program holds as a class or a function, with or without an import path.

    Attributes:
        name: What results call it.
        make: The class or function, called as `OwnNetwork` calls it; None where it is only known from what a run
            recorded.
    """

    name: str
    make: Callable[..., Any] | None = field(default=None, repr=False, metadata={"recorded": False})

    def __post_init__(self) -> None:
        if self.make is not None:
            _check_settings(self.make, {}, self.name)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        if self.make is None:
            raise ConfigurationError(
                f"model must be one that can be built again, got {self.name!r}, which a program held in memory: go on "
                "in that program, or select anew with model=custom model._target_=package.module.Class"
            )
        return build_network(self.make, {}, image_shape, num_classes, setting=f"model={self.name}")


def build_network(
    make: Callable[..., Any],
    settings: Mapping[str, Any],
    image_shape: Shape,
    num_classes: int,
    *,
    setting: str,
) -> TargetModel:
    """Calls a class or function that makes a network, and turns what it makes into a target model.

    Args:
        make: The class or function.
        settings: Keyword arguments; they win over what the data set decides.
        image_shape: (C_in, H, W).
        num_classes: C.
        setting: How the user named it, for messages.

    Raises:
        ConfigurationError: if it fails, or gives no network that fits.
    """
    decided = {"num_classes": num_classes, **_of_images(image_shape, set(_parameters(make)))}
    try:
        network = make(**{**decided, **settings})
    except Exception as error:  # a network of the user can raise anything
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"{setting} could not be built ({type(error).__name__}: {reason}): look at its settings model.KEY="
        ) from error
    if not isinstance(network, nn.Module):
        raise refuse(setting, "a function that returns an nn.Module", type(network).__name__)
    output = try_network(network, image_shape, setting=setting)
    if not isinstance(output, TargetOutput):
        return split_network(network, image_shape, num_classes, setting=setting)
    require_logits(output.logits, num_classes, setting=setting)
    if output.features.shape[:1] != (2,) or output.features.ndim != 2:
        raise ConfigurationError(
            f"{setting} must give features of one dimension for each image, got the shape "
            f"{tuple(output.features.shape)} for 2 images"
        )
    model: TargetModel = network.train()  # type: ignore[assignment]  # it does what a target model must do
    return model


def _of_images(image_shape: Shape, wanted: set[str]) -> dict[str, Any]:
    """Returns those of the arguments that images decide which a signature has."""
    channels, height, width = image_shape
    known = {
        "in_channels": channels,
        "in_chans": channels,
        "image_size": height if height == width else (height, width),
        "image_shape": image_shape,
    }
    return {name: value for name, value in known.items() if name in wanted}


def _parameters(make: Callable[..., Any]) -> Mapping[str, Parameter]:
    return inspect.signature(make).parameters


def _check_settings(make: Callable[..., Any], settings: Mapping[str, Any], path: str) -> None:
    """Refuses settings that a signature lacks, and one that is missing.

    Raises:
        ConfigurationError: in both cases, and for a signature without `num_classes`.
    """
    parameters = _parameters(make)
    named = [name for name, parameter in parameters.items() if parameter.kind in _BY_KEYWORD]
    takes_any = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())
    if "num_classes" not in named and not takes_any:
        raise refuse("model._target_", "a class or function that takes num_classes", path)
    for name in settings:
        if name not in named and not takes_any:
            hint = nearest(name, named)
            raise ConfigurationError(
                f"unknown key 'model.{name}': {hint + ' ' if hint else ''}{path} takes {', '.join(named)}"
            )
    decided = {"num_classes", *_of_images((1, 1, 1), set(named))}
    for name in named:
        if parameters[name].default is Parameter.empty and name not in decided and name not in settings:
            raise ConfigurationError(f"model.{name} must be given: add model.{name}=VALUE")
