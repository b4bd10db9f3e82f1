"""Per-sample gradients against autograd, one sample at a time."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import rlsel.selectors.gradients as gradients_module
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.errors import DataError
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.target import TargetModel
from rlsel.models.vit import ViT
from rlsel.randomness import borrowed_global_torch_state
from rlsel.selectors.gradients import (
    LastLayerGradients,
    gradient_norms,
    gradient_norms_and_products,
    last_layer_gradients,
    mean_gradient,
    require_finite,
    softmax_errors,
)
from rlsel.training.observation import CleanPass

CPU = torch.device("cpu")
SIZE, CLASSES = 11, 3


def images(side: int = 8) -> Dataset:
    generator = torch.Generator().manual_seed(1)
    split = Split(
        images=MemoryImages(torch.randn(SIZE, 1, side, side, generator=generator)),
        labels=torch.arange(SIZE) % CLASSES,
    )
    return Dataset(name="made", train=split, test=split, class_names=("a", "b", "c"), mean=(0.1,), std=(0.8,))


def small_cnn() -> TargetModel:
    with borrowed_global_torch_state(0, "test"):
        model = SmallCNN(width=2).build((1, 8, 8), CLASSES)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):  # statistics that are not those of any batch
                nn.init.normal_(module.running_mean, std=0.1)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.to(memory_format=torch.channels_last).eval()


def autograd_gradients(model: TargetModel, dataset: Dataset) -> list[Tensor]:
    """One vector of all trained parameters for each sample, by one backward pass each."""
    pixels = (dataset.train.images.pixels - dataset.mean[0]) / dataset.std[0]
    rows = []
    for image, label in zip(pixels, dataset.train.labels, strict=True):
        loss = nn.functional.cross_entropy(model(image[None]).logits, label[None])
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        rows.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, trained)]))
    return rows


def test_last_layer_norm_by_hand() -> None:
    clean = CleanPass(logits=torch.zeros(1, 2), features=torch.tensor([[3.0, 4.0]]))
    # p - y = (1/2 - 1, 1/2), of length √(1/2); (h, 1) = (3, 4, 1), of length √26
    norm = last_layer_gradients(clean, torch.tensor([0])).norms()
    assert float(norm) == pytest.approx(math.sqrt(13))


@given(size=st.integers(1, 12), classes=st.integers(2, 5), width=st.integers(1, 6), seed=st.integers(0, 2**20))
@settings(max_examples=25, deadline=None)
def test_last_layer_agrees_with_autograd(size: int, classes: int, width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(size, width, generator=generator, dtype=torch.float64)
    weight = torch.randn(classes, width + 1, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, classes, (size,), generator=generator)
    direction = torch.randn(classes, width + 1, generator=generator, dtype=torch.float64)
    logits = features @ weight[:, :-1].T + weight[:, -1]
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    slow = torch.stack([torch.autograd.grad(loss, weight, retain_graph=True)[0] for loss in losses])

    fast = last_layer_gradients(CleanPass(logits=logits.detach(), features=features), labels)

    torch.testing.assert_close(fast.norms(), slow.flatten(1).norm(dim=1))
    torch.testing.assert_close(fast.mean(), slow.mean(dim=0))
    torch.testing.assert_close(fast.total(), slow.sum(dim=0))
    torch.testing.assert_close(fast.products(direction), (slow * direction).sum(dim=(1, 2)))
    torch.testing.assert_close(fast.at(torch.tensor([0])).norms(), fast.norms()[:1])


def test_certain_samples_keep_their_order() -> None:
    # 1 - p is zero in float32 for both
    errors = softmax_errors(torch.tensor([[40.0, 0.0], [50.0, 0.0]]), torch.tensor([0, 0]))
    torch.testing.assert_close(errors[:, 0], -torch.tensor([-40.0, -50.0]).exp())
    torch.testing.assert_close(errors.sum(dim=1), torch.zeros(2))


@pytest.mark.parametrize("chunk", [1, 4, 128])
def test_all_parameters_agree_with_autograd(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients_module, "_LARGEST_CHUNK", chunk)
    model, dataset = small_cnn(), images()
    slow = torch.stack(autograd_gradients(model, dataset))
    mean = mean_gradient(model, dataset, dataset.train, device=CPU)
    norms, products = gradient_norms_and_products(model, dataset, dataset.train, direction=mean, device=CPU)

    # float32 sums in another order: a few units in the last of seven digits
    flat = torch.cat([part.flatten() for part in mean])
    torch.testing.assert_close(flat, slow.mean(dim=0), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(norms, slow.norm(dim=1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(products, slow @ slow.mean(dim=0), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(gradient_norms(model, dataset, dataset.train, device=CPU), norms)


def test_attention_agrees_with_autograd_and_warns_of_nothing() -> None:
    with borrowed_global_torch_state(0, "test"):
        model = ViT(width=16, depth=1, heads=2, patch=4).build((1, 8, 8), CLASSES).eval()
    dataset = images()
    slow = torch.stack(autograd_gradients(model, dataset)).norm(dim=1)
    torch.testing.assert_close(gradient_norms(model, dataset, dataset.train, device=CPU), slow, rtol=1e-4, atol=1e-6)


def test_frozen_parameters_do_not_count() -> None:
    model, dataset = small_cnn(), images()
    model.backbone.requires_grad_(requires_grad=False)
    slow = torch.stack(autograd_gradients(model, dataset)).norm(dim=1)
    torch.testing.assert_close(gradient_norms(model, dataset, dataset.train, device=CPU), slow, rtol=1e-4, atol=1e-6)
    assert len(mean_gradient(model, dataset, dataset.train, device=CPU)) == 2  # weight and bias of the head


def test_the_last_layer_is_a_part_of_all() -> None:
    model, dataset = small_cnn(), images()
    pixels = (dataset.train.images.pixels - dataset.mean[0]) / dataset.std[0]
    output = model(pixels)
    last = last_layer_gradients(
        CleanPass(logits=output.logits.detach(), features=output.features.detach()), dataset.train.labels
    ).norms()
    assert (last < gradient_norms(model, dataset, dataset.train, device=CPU)).all()


def test_the_model_is_left_as_it_was() -> None:
    model, dataset = small_cnn().train(), images()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mean_gradient(model, dataset, dataset.train, device=CPU)
    gradient_norms(model, dataset, dataset.train, device=CPU)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_memory_bounds_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    model, dataset = small_cnn(), images()
    whole = gradient_norms(model, dataset, dataset.train, device=CPU)
    passes: list[int] = []
    handle = model.register_forward_hook(lambda *_: passes.append(1))
    monkeypatch.setattr(gradients_module, "_CHUNK_BYTES", {"cpu": 1})
    single = gradient_norms(model, dataset, dataset.train, device=CPU)
    handle.remove()
    assert len(passes) == SIZE + 1  # one to measure the activations
    torch.testing.assert_close(single, whole)


def test_a_long_wait_is_told_once(monkeypatch: pytest.MonkeyPatch, reporter: Any) -> None:
    monkeypatch.setattr(gradients_module, "_LARGEST_CHUNK", 2)
    monkeypatch.setattr(gradients_module, "_WORTH_SAYING", 0.0)
    dataset = images()
    gradient_norms(small_cnn(), dataset, dataset.train, device=CPU, reporter=reporter)
    assert len(reporter.notes) == 1
    assert reporter.notes[0].startswith(f"gradients of {SIZE} samples, one by one: about ")


def test_diverged_gradients_are_refused() -> None:
    values = torch.tensor([1.0, 2.0])
    assert require_finite(values) is values
    with pytest.raises(DataError, match=r"got NaN or infinity.*training\.learning_rate"):
        require_finite(torch.tensor([1.0, math.nan]))


def test_factors_are_all_that_is_kept() -> None:
    gradients = LastLayerGradients(errors=torch.zeros(5, 3), features=torch.zeros(5, 7))
    assert gradients.mean().shape == (3, 8)
    assert gradients.products(torch.zeros(3, 8)).shape == (5,)
