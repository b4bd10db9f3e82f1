"""Frozen features against networks and statistics that are written down here."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision import models

from rlsel.data.dataset import Dataset, MemoryImages, Source, Split
from rlsel.data.embeddings import Embeddings
from rlsel.embedding import Embedding, embed
from rlsel.errors import ConfigurationError, DataError
from rlsel.models.own_network import GivenNetwork
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.target import ModelSpec, TargetModel, TrainedInput
from rlsel.models.timm_model import TimmModel
from rlsel.models.torchvision_model import TorchvisionModel
from rlsel.training.fabric import OneProcess

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


ELSEWHERE = TrainedInput(mean=(0.1, 0.2, 0.6), std=(0.5, 0.2, 0.1), side=6)


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Its features are the normalised pixels."""

    name: str = "pixels"
    trained: TrainedInput | None = ELSEWHERE

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        return TargetModel(nn.Flatten(), nn.Linear(int(np.prod(image_shape)), num_classes))

    def trained_on(self) -> TrainedInput | None:
        return self.trained


def images_of(shape: tuple[int, ...], *, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def dataset_of(pixels: Tensor, *, pixel_range: tuple[float, float] = (0.0, 1.0)) -> Dataset:
    whole = Split(images=MemoryImages(pixels), labels=torch.arange(len(pixels)) % 2)
    channels = pixels.shape[1]
    return Dataset(
        name="planted",
        train=whole,
        test=whole.subset(torch.arange(0)),
        class_names=("a", "b"),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        pixel_range=pixel_range,
    )


def computed(dataset: Dataset, spec: ModelSpec, *, seed: int = 0) -> Embedding:
    return embed(dataset, spec, fabric=OneProcess(device=torch.device("cpu")), seed=seed)


def normalised(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """The textbook formula, channel by channel, in double precision."""
    channels = [(pixels[:, c].double() - mean[c]) / std[c] for c in range(pixels.shape[1])]
    return torch.stack(channels, dim=1).flatten(1)


@pytest.mark.parametrize(
    ("channels", "mean", "std"),
    [
        (3, (0.1, 0.2, 0.6), (0.5, 0.2, 0.1)),
        (1, (0.3,), (0.8 / 3,)),  # the averages of three
        (4, (0.1, 0.2, 0.6, 0.1), (0.5, 0.2, 0.1, 0.5)),
    ],
)
def test_images_are_normalised_as_the_weights_are_used_to(channels: int, mean: Any, std: Any) -> None:
    pixels = images_of((5, channels, 6, 6))
    made = computed(dataset_of(pixels), Pixels())
    assert (made.features.dtype, made.features.shape) == (np.float32, (5, channels * 36))
    assert made.features.flags.c_contiguous
    # float32 rounds values of up to 10 by 1e-6
    np.testing.assert_allclose(made.features, normalised(pixels / 255, mean, std).numpy(), atol=1e-5)
    assert made.notes == ()


def test_other_networks_take_the_statistics_of_the_data_set() -> None:
    pixels = images_of((5, 3, 6, 6))
    made = computed(dataset_of(pixels), Pixels(trained=None))
    expected = normalised(pixels / 255, (0.5,) * 3, (0.25,) * 3)
    np.testing.assert_allclose(made.features, expected.numpy(), atol=1e-5)
    assert made.notes == (), "without random weights and with images of its own size there is nothing to say"


def test_pixels_on_another_scale_are_brought_to_that_of_the_weights() -> None:
    pixels = images_of((5, 1, 6, 6)).float() / 255 * 32 - 16
    made = computed(dataset_of(pixels, pixel_range=(-16.0, 16.0)), Pixels())
    expected = normalised((pixels + 16) / 32, (0.3,), (0.8 / 3,))
    np.testing.assert_allclose(made.features, expected.numpy(), atol=1e-5)
    assert made.notes == ("note: the pixels, -16 to 16, are brought to 0 to 1, which pixels was trained on",)


def test_every_sample_that_was_read_has_its_row_and_others_have_zeros() -> None:
    """Of eight samples, four are candidates, two are held out, and two are not read."""
    pixels = images_of((8, 1, 6, 6))
    whole = dataset_of(pixels)
    dataset = replace(
        whole,
        train=whole.train.subset(torch.tensor([0, 3, 4, 7])),
        test=whole.train.subset(torch.tensor([2, 5])),
        test_from_train=True,
        given=Source(labels=torch.tensor([0, -1, 0, 1, 0, 1, -1, 1]), images_digest=b""),
    )
    made = computed(dataset, Pixels())
    expected = normalised(pixels / 255, (0.3,), (0.8 / 3,)).numpy()
    expected[[1, 6]] = 0
    np.testing.assert_allclose(made.features, expected, atol=1e-5)
    [note] = made.notes
    assert note.startswith("note: 2 of 8 rows are zeros, those of samples that are not read or that the settings")


def test_a_test_split_of_its_own_has_no_rows() -> None:
    pixels = images_of((6, 1, 6, 6))
    whole = dataset_of(pixels)
    dataset = replace(whole, test=dataset_of(images_of((3, 1, 6, 6), seed=1)).train)
    assert (computed(dataset, Pixels()).features == computed(whole, Pixels()).features).all()


@pytest.mark.parametrize(("side", "told"), [(11, False), (12, True), (4, False), (3, True)])
def test_a_far_size_is_told(side: int, told: bool) -> None:
    spec = Pixels(trained=TrainedInput(mean=(0.5,), std=(0.5,), side=side))
    notes = computed(dataset_of(images_of((4, 1, 6, 6))), spec).notes
    assert len(notes) == told
    assert all(f"trained on images of {side} x {side} pixels, these have 6 x 6" in note for note in notes)
    assert all(f"dataset.image_size={side}" in note for note in notes)


def test_random_weights_are_told_and_come_from_the_seed() -> None:
    dataset = dataset_of(images_of((4, 1, 8, 8)))
    first, again, other = (computed(dataset, SmallCNN(width=2), seed=seed) for seed in (0, 0, 1))
    assert (first.features == again.features).all()
    assert (first.features != other.features).any()
    assert [note.partition(":")[2].partition(":")[0] for note in first.notes] == [
        " the weights of small_cnn are random"
    ]


def own_weights(num_classes: int, in_channels: int) -> nn.Module:
    """A network that loads weights, but for the last layer: each filter averages all pixels."""
    backbone = nn.Conv2d(in_channels, 2, 6)
    backbone.load_state_dict({"weight": torch.full((2, in_channels, 6, 6), 1 / 36), "bias": torch.tensor([0.0, 1.0])})
    return nn.Sequential(backbone, nn.Flatten(), nn.Linear(2, num_classes))


def test_a_network_that_loads_weights_of_its_own_is_not_called_random() -> None:
    pixels = images_of((4, 1, 6, 6))
    made = computed(dataset_of(pixels), GivenNetwork(name="own", make=own_weights))
    means = normalised(pixels / 255, (0.5,), (0.25,)).mean(dim=1)
    # sums of 36 values in float32
    np.testing.assert_allclose(made.features, torch.stack([means, means + 1], dim=1).numpy(), atol=1e-5)
    assert made.notes == ()


def test_rows_of_features_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", np.random.default_rng(0).normal(size=(6, 5)))
    with pytest.raises(DataError, match=r"embeddings: the samples must be images, got features: give the file itself"):
        computed(Embeddings(path=tmp_path / "features.npy").load(), SmallCNN())


def test_features_that_are_no_numbers_are_refused() -> None:
    pixels = torch.full((4, 1, 6, 6), 3e38)
    pixels[0] = 0
    with pytest.raises(DataError, match="features must be finite numbers, got NaN or infinity of pixels for planted"):
        computed(dataset_of(pixels), Pixels(trained=None))


def test_a_size_that_the_network_does_not_take_is_refused() -> None:
    dataset = dataset_of(images_of((4, 3, 32, 32)))
    with pytest.raises(ConfigurationError, match=r"model\.name=vit_tiny_patch16_224 does not take images of 32 x 32"):
        computed(dataset, TimmModel(name="vit_tiny_patch16_224"))


def test_pretrained_weights_of_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for the download: the state of a network that the test made."""
    create = timm.create_model
    with torch.random.fork_rng(devices=()):
        known = create("resnet10t", pretrained=False, num_classes=0).eval()

    def with_weights(name: str, *, pretrained: bool, num_classes: int, in_chans: int) -> nn.Module:
        assert (name, pretrained, in_chans) == ("resnet10t", True, 3)
        network = create(name, pretrained=False, num_classes=num_classes, in_chans=in_chans)
        network.load_state_dict(known.state_dict(), strict=False)
        return network

    monkeypatch.setattr(timm, "create_model", with_weights)
    pixels = images_of((3, 3, 96, 96))
    made = computed(dataset_of(pixels), TimmModel(name="resnet10t", pretrained=True))
    with torch.no_grad():
        expected = known(normalised(pixels / 255, IMAGENET_MEAN, IMAGENET_STD).reshape(pixels.shape).float())
    # ten layers of float32, whose sums are in another order
    np.testing.assert_allclose(made.features, expected.numpy(), rtol=1e-4, atol=1e-4)
    assert made.notes == ()


def test_pretrained_weights_of_torchvision_on_grey_images(monkeypatch: pytest.MonkeyPatch) -> None:
    get_model = models.get_model
    with torch.random.fork_rng(devices=()):
        known = get_model("resnet18", weights=None).eval()

    def with_weights(name: str, *, weights: str | None) -> nn.Module:
        assert (name, weights) == ("resnet18", "DEFAULT")
        network = get_model(name, weights=None)
        network.load_state_dict(known.state_dict())
        return network

    monkeypatch.setattr(models, "get_model", with_weights)
    pixels = images_of((3, 1, 40, 40))
    made = computed(dataset_of(pixels), TorchvisionModel(name="resnet18", weights="DEFAULT"))
    grey = (pixels / 255 - sum(IMAGENET_MEAN) / 3) / (sum(IMAGENET_STD) / 3)
    known.fc = nn.Identity()
    with torch.no_grad():
        expected = known(grey.repeat(1, 3, 1, 1))
    np.testing.assert_allclose(made.features, expected.numpy(), rtol=1e-4, atol=1e-4)
    [note] = made.notes
    assert note.startswith("note: resnet18 was trained on images of 224 x 224 pixels, these have 40 x 40")
