"""Methods and models by the names that the command line has for them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from pkgutil import iter_modules
from typing import Any, cast

from torch import nn

from rlsel import selectors
from rlsel.checks import nearest, refuse
from rlsel.errors import ConfigurationError
from rlsel.models.head import Head
from rlsel.models.own_network import GivenNetwork
from rlsel.models.resnet import ResNet18, ResNet50
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.swin import Swin
from rlsel.models.target import ModelSpec
from rlsel.models.timm_model import TimmModel
from rlsel.models.torchvision_model import TorchvisionModel
from rlsel.models.vit import ViT
from rlsel.selectors.base import Selector

_MODELS: dict[str, type[Any]] = {spec.name: spec for spec in (SmallCNN, Head, ResNet18, ResNet50, ViT, Swin)}


def selector_by_name(given: str | Selector) -> Selector:
    """Returns a selector with its default settings; a selector is returned as it is.

    Raises:
        ConfigurationError: if there is no such name.
    """
    if not isinstance(given, str):
        return given
    names = [module.name for module in iter_modules(selectors.__path__)]
    if given in names:
        module = importlib.import_module(f"{selectors.__name__}.{given}")
        for found in vars(module).values():
            if isinstance(found, type) and getattr(found, "name", None) == given:
                return cast("Selector", found())
    raise refuse("selector", "a name that `rlsel select --help` lists", given, nearest(given, names))


def model_by_name(given: str | ModelSpec | Callable[..., Any] | None, *, of_features: bool = False) -> ModelSpec:
    """Returns what builds a model.

    Args:
        given: A name of ours (`small_cnn`, `head`, `resnet18`, `resnet50`, `vit`, `swin`), of torchvision or of timm;
            a class or function that makes an `nn.Module`; an object that builds a model; None for the usual one.
        of_features: Whether it is for rows of features, whose usual model is `head`; `small_cnn` is that of images.

    Raises:
        ConfigurationError: if it is nothing of the kind.
    """
    if given is None:
        return Head() if of_features else SmallCNN()
    if isinstance(given, str):
        return _named_model(given)
    if isinstance(given, ModelSpec) and not isinstance(given, type):
        return given
    if isinstance(given, nn.Module):
        raise refuse(
            "model", "the class or a function that makes the nn.Module", f"a {type(given).__name__} that is made"
        )
    if callable(given):
        return GivenNetwork(name=getattr(given, "__name__", type(given).__name__), make=given)
    raise refuse("model", "a name, or a class or function that makes an nn.Module", type(given).__name__)


def _named_model(name: str) -> ModelSpec:
    if name in _MODELS:
        spec: ModelSpec = _MODELS[name]()
        return spec
    for known in (TorchvisionModel, TimmModel):
        with suppress(ConfigurationError):  # for want of the name, or of the package
            return known(name=name)
    own = ", ".join(_MODELS)
    raise refuse("model", f"one of {own}, or a network of torchvision or timm", name, nearest(name, list(_MODELS)))
