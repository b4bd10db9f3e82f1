"""From any network to a target model: its last linear layer becomes the head, what enters that layer the features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rlsel.errors import ConfigurationError
from rlsel.models.target import TargetModel

Shape = tuple[int, int, int]


def split_network(network: nn.Module, image_shape: Shape, num_classes: int, *, setting: str) -> TargetModel:
    """Parts a network into backbone and head, and makes sure that the two together still compute the same.

    Args:
        network: Gives (B, C) logits of (B, C_in, H, W) images; its last linear layer is taken out of it.
        image_shape: (C_in, H, W).
        num_classes: C.
        setting: How the user named the network, for messages.

    Returns:
        The target model, in training mode.

    Raises:
        ConfigurationError: if the network does not take such images, gives something else, or does not end in a
            linear layer whose input has one dimension.
    """
    called: list[str] = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, _output, name=name: called.append(name))
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and name
    ]
    given = try_network(network, image_shape, setting=setting)
    for hook in hooks:
        hook.remove()
    logits = require_logits(given, num_classes, setting=setting)
    head = network.get_submodule(called[-1]) if called else None
    if not isinstance(head, nn.Linear) or head.out_features != num_classes:
        raise ConfigurationError(f"{setting} does not end in a linear layer: use a network that does")
    parent, _, attribute = called[-1].rpartition(".")
    setattr(network.get_submodule(parent), attribute, nn.Identity())
    model = TargetModel(network, head)
    if not _computes(model, logits, image_shape, setting=setting):
        raise ConfigurationError(
            f"{setting} does something with the output of its last linear layer: let it return that output itself"
        )
    return model.train()


def _computes(model: TargetModel, logits: Tensor, image_shape: Shape, *, setting: str) -> bool:
    """Returns whether a network in two parts gives the logits that it gave as a whole, of features of one dimension."""
    try:
        output = try_network(model, image_shape, setting=setting)
    except ConfigurationError:
        return False  # what stands behind the last layer does not take the features in place of logits
    features_fit = output.features.shape == (len(logits), model.head.in_features)
    return features_fit and torch.allclose(output.logits, logits, equal_nan=True)


def try_network(network: nn.Module, image_shape: Shape, *, setting: str) -> Any:  # noqa: ANN401 - whatever it gives
    """Runs a network once in evaluation mode on two images of its own making; which it takes is written nowhere.

    Raises:
        ConfigurationError: if it failed.
    """
    images = torch.linspace(-1, 1, 2 * image_shape[0] * image_shape[1] * image_shape[2]).reshape(2, *image_shape)
    network.eval()
    try:
        # a network that draws numbers even so draws the same ones each time
        with torch.no_grad(), torch.random.fork_rng(devices=()):
            return network(images)
    except Exception as error:  # a network of the user can raise anything
        channels, height, width = image_shape
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ConfigurationError(
            f"{setting} does not take images of {height} x {width} pixels and {channels} channels ({reason}): use "
            "another network"
        ) from error


def require_logits(given: object, num_classes: int, *, setting: str) -> Tensor:
    """Returns the (2, C) logits of the two images that a network was tried on.

    Raises:
        ConfigurationError: if it gave anything else.
    """
    wanted = f"{setting} must give one tensor of {num_classes} logits for each image"
    if not isinstance(given, Tensor):
        raise ConfigurationError(f"{wanted}, got {type(given).__name__}: let it return the logits alone")
    if given.ndim != 2 or given.shape[0] != 2:
        raise ConfigurationError(f"{wanted}, got the shape {tuple(given.shape)} for 2 images: use another network")
    if given.shape[1] != num_classes:
        raise ConfigurationError(f"{wanted}, got {given.shape[1]}: let its last layer be num_classes wide")
    return given
