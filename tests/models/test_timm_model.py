from typing import Any

import pytest
import timm
import torch

from rlsel.errors import ConfigurationError
from rlsel.models.target import TrainedInput
from rlsel.models.timm_model import TimmModel
from rlsel.randomness import borrowed_global_torch_state


@pytest.mark.parametrize(
    ("name", "channels"), [("resnet10t", 1), ("mobilenetv3_small_050", 3), ("vit_tiny_patch16_224", 3)]
)
def test_gives_the_logits_of_the_network_it_names(name: str, channels: int) -> None:
    side = 224 if name.startswith("vit") else 32
    with borrowed_global_torch_state(0, "test"):
        model = TimmModel(name=name).build((channels, side, side), 4).eval()
    with borrowed_global_torch_state(0, "test"):
        expected = timm.create_model(name, pretrained=False, num_classes=4, in_chans=channels).eval()
    images = torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = model(images)
        assert torch.allclose(output.logits, expected(images), atol=1e-6)
    assert output.features.shape == (2, model.head.in_features)


def test_weights_are_asked_for_and_the_head_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    create = timm.create_model

    def remember(name: str, **given: Any) -> Any:
        asked.append(given)
        return create(name, **{**given, "pretrained": False})

    monkeypatch.setattr(timm, "create_model", remember)
    assert TimmModel(name="resnet10t", pretrained=True).build((3, 32, 32), 7).head.out_features == 7
    assert asked == [{"pretrained": True, "num_classes": 7, "in_chans": 3}]


@pytest.mark.parametrize(
    ("name", "mean", "std", "side"),
    [
        # the cards of the models on huggingface.co/timm
        ("resnet10t", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 176),
        ("vit_tiny_patch16_224", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 224),
    ],
)
def test_knows_what_its_weights_were_trained_on(name: str, mean: Any, std: Any, side: int) -> None:
    assert TimmModel(name=name, pretrained=True).trained_on() == TrainedInput(mean=mean, std=std, side=side)
    assert TimmModel(name=name).trained_on() is None


def test_what_cannot_be_built_is_said_in_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"model\.name must be a network of timm, got 'resnet10x': did"):
        TimmModel(name="resnet10x")
    with pytest.raises(ConfigurationError, match=r"model\.name=vit_tiny_patch16_224 does not take images of 32 x 32"):
        TimmModel(name="vit_tiny_patch16_224").build((3, 32, 32), 4)
