import pytest
import torch
from torchvision import models

from rlsel.errors import ConfigurationError
from rlsel.models.target import TrainedInput
from rlsel.models.torchvision_model import TorchvisionModel

FAMILIES = ["resnet18", "mobilenet_v3_small", "densenet121", "googlenet", "regnet_x_400mf", "efficientnet_b0", "swin_t"]


@pytest.mark.parametrize("name", FAMILIES)
def test_gives_the_logits_of_the_network_it_names(name: str) -> None:
    model = TorchvisionModel(name=name).build((3, 64, 64), 4).eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    extra = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    expected = models.get_model(name, weights=None, num_classes=4, **extra).eval()
    # the head left its place inside the network: all but its two values are in the network's order
    own = [value for key, value in model.state_dict().items() if not key.startswith("head.")]
    values = [*own, model.head.weight, model.head.bias]
    expected.load_state_dict(dict(zip(expected.state_dict(), values, strict=True)))
    with torch.no_grad():
        assert torch.equal(model(images).logits, expected(images))


def test_grey_images_are_repeated() -> None:
    model = TorchvisionModel(name="resnet18").build((1, 32, 32), 4).eval()
    grey = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(grey).features, model.backbone[1](grey.repeat(1, 3, 1, 1)))


def test_is_in_training_mode_when_built() -> None:
    model = TorchvisionModel(name="resnet18").build((3, 32, 32), 4)
    assert all(module.training for module in model.modules())
    assert model.backbone.bn1.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet8", "model.name must be a classifier of torchvision, got 'resnet8': did you mean 'resnet18'?"),
        (
            "zzz",
            "model.name must be a classifier of torchvision, got 'zzz': torchvision.models.list_models() lists them",
        ),
        ("fasterrcnn_resnet50_fpn", None),
        (None, None),
    ],
)
def test_refuses_a_name_that_is_no_classifier(name: str, message: str | None) -> None:
    with pytest.raises(ConfigurationError, match=r"model\.name must be a classifier of torchvision") as caught:
        TorchvisionModel(name=name)
    assert message in (None, str(caught.value))


@pytest.mark.parametrize(
    ("name", "image_shape", "message"),
    [
        ("resnet18", (2, 32, 32), r"needs images of 1 or 3 channels, got 2: use resnet18 or small_cnn$"),
        ("squeezenet1_1", (3, 64, 64), r"does not end in a linear layer: use a network that does$"),
        ("alexnet", (3, 28, 28), r"does not take images of 28 x 28 pixels and 3 channels \(.+\): use another"),
        (
            "vit_b_32",
            (3, 64, 64),
            r"does not take images of 64 x 64 pixels and 3 channels \(.+\): use another",
        ),
    ],
)
def test_refuses_images_that_the_network_cannot_take(
    name: str, image_shape: tuple[int, int, int], message: str | None
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        TorchvisionModel(name=name).build(image_shape, 4)
    assert "\n" not in str(caught.value)


def test_weights_are_taken_but_for_the_last_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = models.get_model("resnet18", weights=None)
    asked = []

    def give(name: str, weights: str) -> torch.nn.Module:
        asked.append((name, weights))
        return trained

    before = {name: value.clone() for name, value in trained.state_dict().items() if not name.startswith("fc.")}
    monkeypatch.setattr(models, "get_model", give)
    model = TorchvisionModel(name="resnet18", weights="IMAGENET1K_V1").build((3, 32, 32), 4)
    assert asked == [("resnet18", "IMAGENET1K_V1")]
    assert model.head.out_features == 4
    own = model.backbone.state_dict()
    assert all(torch.equal(own[name], value) for name, value in before.items())


def test_weights_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"model\.weights=IMAGENET9 cannot be had .*: leave it out"):
        TorchvisionModel(name="resnet18", weights="IMAGENET9").build((3, 32, 32), 4)


@pytest.mark.parametrize(
    ("name", "weights", "side"),
    [
        # docs.pytorch.org/vision: the inference transforms of each
        ("resnet18", "DEFAULT", 224),
        ("resnet18", "ResNet18_Weights.IMAGENET1K_V1", 224),
        ("efficientnet_v2_s", "IMAGENET1K_V1", 384),
    ],
)
def test_knows_what_its_weights_were_trained_on(name: str, weights: str, side: int) -> None:
    expected = TrainedInput(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), side=side)
    assert TorchvisionModel(name=name, weights=weights).trained_on() == expected
    assert TorchvisionModel(name=name).trained_on() is None
