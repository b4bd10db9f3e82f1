"""What holds for every architecture."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor
from torch.nn.functional import cross_entropy

from rlsel.errors import ConfigurationError
from rlsel.models.resnet import ResNet18, ResNet50
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.swin import Swin
from rlsel.models.target import ModelSpec, TargetModel
from rlsel.models.torchvision_model import TorchvisionModel
from rlsel.models.vit import ViT
from rlsel.randomness import borrowed_global_torch_state

CONF = Path(__file__).parents[2] / "conf" / "model"

Shape = tuple[int, int, int]

SPECS: list[Any] = [
    SmallCNN(width=2),
    ResNet18(width=4),
    ResNet50(width=2),
    ViT(width=8, depth=2, heads=2),
    Swin(width=8, heads=2),
    TorchvisionModel(name="shufflenet_v2_x0_5"),
]
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 30, 21)]

every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def build(spec: ModelSpec, image_shape: Shape = (1, 28, 28)) -> TargetModel:
    with borrowed_global_torch_state(0, "parameters"):
        return spec.build(image_shape, 5)


def images(image_shape: Shape) -> Tensor:
    return torch.rand(3, *image_shape, generator=torch.Generator().manual_seed(0))


@every_spec
@pytest.mark.parametrize("image_shape", SHAPES, ids=str)
def test_gives_logits_that_are_the_head_of_two_dimensional_features(spec: ModelSpec, image_shape: Shape) -> None:
    model = build(spec, image_shape).eval()
    with torch.no_grad():
        logits, features = model(images(image_shape))
    assert logits.shape == (3, 5)
    assert features.shape == (3, model.head.in_features)
    assert torch.equal(logits, model.head(features))
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("spec", SPECS[:4], ids=lambda spec: spec.name)
@pytest.mark.parametrize("image_shape", [(1, 4, 4), (1, 3, 3), (6, 1, 1)], ids=str)
def test_takes_the_smallest_images_and_plain_vectors(spec: ModelSpec, image_shape: Shape) -> None:
    assert build(spec, image_shape)(images(image_shape)).logits.shape == (3, 5)


@every_spec
@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 64, 64)], ids=str)
def test_gradients_reach_every_parameter(spec: ModelSpec, image_shape: Shape) -> None:
    model = build(spec, image_shape)
    cross_entropy(model(images(image_shape)).logits, torch.tensor([0, 1, 2])).backward()
    unreached = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert not unreached


@every_spec
def test_different_images_have_different_features_before_any_training(spec: ModelSpec) -> None:
    features = build(spec).eval()(images((1, 28, 28))).features
    assert not torch.allclose(features[0], features[1])


@every_spec
def test_the_same_stream_gives_the_same_parameters_and_another_one_others(spec: ModelSpec) -> None:
    first, second = build(spec).state_dict(), build(spec).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    with borrowed_global_torch_state(1, "parameters"):
        other = spec.build((1, 28, 28), 5).state_dict()
    assert not torch.equal(first["head.weight"], other["head.weight"])


@every_spec
def test_the_memory_format_does_not_change_the_result(spec: ModelSpec) -> None:
    model = build(spec).eval()
    batch = images((1, 28, 28))
    with torch.no_grad():
        expected = model(batch).logits
        model = model.to(memory_format=torch.channels_last)
        found = model(batch.to(memory_format=torch.channels_last)).logits
    # the order of float32 sums differs between kernels: some 50 layers of relative error 1e-7
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS[:5], ids=lambda spec: spec.name)
def test_width_scales_the_features(spec: Any) -> None:
    wide = replace(spec, width=2 * spec.width)
    assert build(wide).head.in_features == 2 * build(spec).head.in_features


@every_spec
def test_satisfies_the_protocol(spec: ModelSpec) -> None:
    assert isinstance(spec, ModelSpec)


def test_an_object_without_a_way_to_build_is_no_specification() -> None:
    class NoBuild:
        name = "mine"

    assert not isinstance(NoBuild(), ModelSpec)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SmallCNN(width=0), "model.width must be an integer of at least 1, got 0"),
        (lambda: ResNet18(width=True), "model.width must be an integer of at least 1, got True"),
        (lambda: ResNet50(width=2.5), "model.width must be an integer of at least 1, got 2.5"),
        (lambda: ViT(width=10, heads=4), "model.width must be a multiple of model.heads=4, got 10"),
        (lambda: ViT(patch=0), "model.patch must be an integer of at least 1, got 0"),
        (lambda: ViT(depth=0), "model.depth must be an integer of at least 1, got 0"),
        (lambda: Swin(width=9, heads=2), "model.width must be a multiple of model.heads=2, got 9"),
        (lambda: Swin(heads=0), "model.heads must be an integer of at least 1, got 0"),
    ],
)
def test_refuses_values_out_of_range(make: Callable[[], ModelSpec], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("spec_class", [SmallCNN, ResNet18, ResNet50, ViT, Swin])
def test_the_yaml_says_what_the_class_says(spec_class: Any) -> None:
    content = OmegaConf.to_object(OmegaConf.load(CONF / f"{spec_class.name}.yaml"))
    assert content.pop("_target_") == f"{spec_class.__module__}.{spec_class.__qualname__}"
    assert content == vars(spec_class())


def test_every_yaml_of_a_model_is_known_to_these_tests() -> None:
    names = {path.stem for path in CONF.glob("*.yaml")}
    assert names == {"small_cnn", "resnet18", "resnet50", "vit", "swin", "torchvision", "timm", "custom", "head"}
