"""Networks of the user's own, in a module of the working folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rlsel.errors import ConfigurationError
from rlsel.models.own_network import OwnNetwork
from rlsel.models.target import ModelSpec, TargetModel

MODULE = """
import torch
from torch import nn

from rlsel.models.target import TargetModel, TargetOutput


class Net(nn.Module):
    def __init__(self, num_classes, in_channels=1, width=4):
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(width, num_classes)

    def features(self, images):
        return torch.relu(self.norm(self.convolution(images))).mean(dim=(2, 3))

    def forward(self, images):
        return self.last(self.drop(self.features(images)))


class HeadFirst(Net):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        del self.last
        self.first = nn.Linear(4, num_classes)
        self.hidden = nn.Linear(4, 4)

    def forward(self, images):
        return self.first(self.hidden(self.features(images)))


class Both(Net):
    def forward(self, images):
        features = self.features(images)
        return TargetOutput(self.last(features), features)


class Probabilities(Net):
    def forward(self, images):
        return super().forward(images).softmax(dim=1)


class Pair(Net):
    def forward(self, images):
        return super().forward(images), 0


class Reshaped(Net):
    def forward(self, images):
        return self.last(self.features(images)[:, None]).reshape(len(images), self.last.out_features)


class Convolution(nn.Sequential):
    def __init__(self, num_classes):
        super().__init__(nn.Conv2d(1, num_classes, 8), nn.Flatten())


class Large(nn.Module):
    def __init__(self, num_classes, size):
        super().__init__()

    def forward(self, images):
        raise ValueError("images are too small\\nby far")


def make(num_classes, image_size, in_chans, image_shape, *, layers=1, bias=True):
    pixels = image_shape[0] * image_shape[1] * image_shape[2]
    sizes = [pixels] + [5] * layers
    network = nn.Sequential(nn.Flatten(), *(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])), nn.ReLU())
    network.append(nn.Linear(5, num_classes, bias=bias))
    network.told = (image_size, in_chans, image_shape)
    return network


def anything(**settings):
    return Net(settings["num_classes"], width=settings.get("width", 4))


def stored(num_classes):
    return TargetModel(nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), nn.Linear(3, num_classes))


def fixed(num_classes):
    return Net(1000)


def no_module(num_classes):
    return "a network"


def broken(num_classes):
    return Net(num_classes, widht=3)


def without(width):
    return Net(3, width=width)


number = 3
"""

Write = Callable[..., OwnNetwork]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Makes the specification of a network of the module above, which only the working folder has."""
    (tmp_path / "own_networks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    return lambda name, **settings: OwnNetwork(network=f"own_networks.{name}", settings=settings)


def images(channels: int = 1, count: int = 5, side: int = 8) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def plain(spec: OwnNetwork, trained: TargetModel, head: str, **arguments: Any) -> torch.nn.Module:
    """Builds the network without rlsel, with the parameters of a target model."""
    name = spec.network.rpartition(".")[2]
    network: torch.nn.Module = getattr(sys.modules["own_networks"], name)(num_classes=3, **arguments)
    own = {key.removeprefix("backbone."): value for key, value in trained.state_dict().items()}
    network.load_state_dict({key.replace("head.", f"{head}."): value for key, value in own.items()})
    return network.eval()


@pytest.mark.parametrize(
    ("name", "head", "settings", "channels"),
    [
        ("Net", "last", {}, 1),
        ("Net", "last", {"width": 6}, 3),
        ("HeadFirst", "first", {}, 1),
        ("anything", "last", {"width": 2}, 1),
    ],
)
def test_a_network_of_logits_gives_them_and_what_enters_its_last_layer(
    own: Write, name: str, head: str, settings: dict[str, Any], channels: int
) -> None:
    spec = own(name, **settings)
    model = spec.build((channels, 8, 8), 3)
    assert all(module.training for module in model.modules())
    of_images = {"in_channels": channels} if name == "Net" else {}
    network = plain(spec, model, head, **settings, **of_images)
    entered: list[Tensor] = []
    network.get_submodule(head).register_forward_hook(lambda _module, inputs, _output: entered.append(inputs[0]))
    with torch.no_grad():
        logits, features = model.eval()(images(channels))
        assert torch.equal(logits, network(images(channels)))
    assert torch.equal(features, entered[0])


def test_trying_it_leaves_no_trace(own: Write) -> None:
    model = own("Net").build((1, 8, 8), 3)
    assert model.backbone.norm.num_batches_tracked == 0
    assert not [hook for module in model.modules() for hook in module._forward_hooks]
    torch.default_generator.manual_seed(0)
    first = own("Net").build((1, 8, 8), 3).state_dict()
    torch.default_generator.manual_seed(0)
    plain_first = sys.modules["own_networks"].Net(num_classes=3).state_dict()
    assert torch.equal(first["head.weight"], plain_first["last.weight"])


def test_a_network_is_told_what_it_asks_for(own: Write) -> None:
    assert own("make").build((2, 8, 8), 3).backbone.told == (8, 2, (2, 8, 8))
    assert own("make").build((1, 8, 6), 3).backbone.told == ((8, 6), 1, (1, 8, 6))
    assert own("make", image_size=9, layers=2).build((1, 8, 8), 3).backbone.told[0] == 9
    assert own("make", bias=False).build((1, 8, 8), 3).head.bias is None


def test_a_function_of_another_package_is_taken() -> None:
    spec = OwnNetwork(network="torchvision.models.shufflenet_v2_x0_5")
    assert spec.name == "shufflenet_v2_x0_5"
    assert spec.build((3, 32, 32), 4).head.out_features == 4


@pytest.mark.parametrize("name", ["Both", "stored"])
def test_a_module_that_gives_both_is_taken_as_it_is(own: Write, name: str) -> None:
    model = own(name).build((1, 8, 8), 3)
    assert (type(model).__name__, model.training) == ({"stored": "TargetModel"}.get(name, name), True)
    logits, features = model.eval()(images())
    last = model.head if name == "stored" else model.last
    assert torch.equal(logits, last(features))


def test_it_is_a_specification_that_can_be_compared(own: Write) -> None:
    spec = own("Net", width=5)
    assert isinstance(spec, ModelSpec)
    assert spec.name == "Net"
    assert spec == own("Net", width=5)
    assert hash(spec) == hash(own("Net", width=5))
    assert spec != replace(spec, settings={})


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "Net",
            {"widht": 3},
            r"unknown key 'model\.widht': did you mean 'width'\? own_networks\.Net takes num_cl",
        ),
        ("Large", {}, r"model\.size must be given: add model\.size=VALUE"),
        ("without", {"width": 3}, "must be a class or function that takes num_classes, got 'own_networks.without'"),
        ("number", {}, "must be an nn.Module class, a function that returns one, or a dataclass with name and build"),
        ("Path", {}, r"must be importable, got 'own_networks\.Path': AttributeError: "),
    ],
)
def test_what_cannot_be_called_so_is_refused_at_once(
    own: Write, name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        own(name, **settings)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("fixed", {}, "must give one tensor of 3 logits for each image, got 1000: let its last layer be num_classes"),
        ("Net", {"num_classes": 4}, "must give one tensor of 3 logits for each image, got 4"),
        ("Pair", {}, "must give one tensor of 3 logits for each image, got tuple: let it return the logits alone"),
        ("Probabilities", {}, "does something with the output of its last linear layer"),
        ("Reshaped", {}, "does something with the output of its last linear layer"),
        ("Convolution", {}, "does not end in a linear layer"),
        ("Large", {"size": 3}, r"does not take images of 8 x 8 pixels and 1 channels \(images are too small\)"),
        ("Net", {"in_channels": 3}, r"does not take images of 8 x 8 pixels and 1 channels \(.+\)"),
        ("no_module", {}, "no_module must be a function that returns an nn.Module, got 'str'"),
        ("broken", {}, r"could not be built \(TypeError: .*widht.*\): look at its settings"),
    ],
)
def test_a_network_that_does_not_serve_is_refused_in_one_line(
    own: Write, name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        own(name, **settings).build((1, 8, 8), 3)
    assert str(caught.value).startswith("model._target_")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["import nothing_of_this_name", "1 +", "raise KeyError('x')"])
def test_a_module_that_cannot_be_imported_is_refused(own: Write, tmp_path: Path, text: str) -> None:
    (tmp_path / "broken_networks.py").write_text(text)
    with pytest.raises(ConfigurationError, match=r"must be importable, got 'broken_networks\.Net': .*Error: "):
        OwnNetwork(network="broken_networks.Net")
