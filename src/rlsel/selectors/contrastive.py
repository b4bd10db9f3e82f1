"""Features without labels: SimCLR (Chen et al., "A simple framework for contrastive learning", ICML 2020), in small.

Two random views of an image should look alike to the target model's backbone, and unlike the views of other images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlsel.checks import int_at_least, number_between, positive_int, refuse
from rlsel.data.loading import load_batches
from rlsel.randomness import Streams
from rlsel.selectors.base import SelectionTask
from rlsel.training.evaluation import clean_pass
from rlsel.training.loop import build_model, pass_batches
from rlsel.training.optimisation import build_optimizer, learning_rate_factor, set_learning_rate
from rlsel.training.settings import TrainingSettings

_STREAM = "contrastive"
_PROJECTION = 64  # width of the space in which views are compared
_SMALLEST_AREA = 0.3  # of a view, as a share of the image
_LARGEST_STRETCH = 4 / 3  # of its width against its height
_CONTRAST, _BRIGHTNESS, _COLOUR, _NOISE = 0.4, 0.4, 0.2, 0.05  # in standard deviations of the data set
_GREY_SHARE = 0.2  # of the colour images


@dataclass(frozen=True, kw_only=True)
class ContrastiveSettings:
    """How features are learned without labels.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images in a step; each is seen in two views.
        learning_rate: The peak of AdamW's.
        temperature: Temperature of the similarities in the loss.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    temperature: float

    def __post_init__(self) -> None:
        positive_int("selector.epochs", self.epochs)
        int_at_least("selector.batch_size", self.batch_size, 2)
        number_between("selector.learning_rate", self.learning_rate, 0, low_open=True)
        number_between("selector.temperature", self.temperature, 0, low_open=True)

    @property
    def training(self) -> TrainingSettings:
        """The same as the recipe that batches and optimiser are made from."""
        return TrainingSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer="adamw",
            learning_rate=self.learning_rate,
            weight_decay=1e-4,
            warmup=0.1,
        )


def nt_xent(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """Computes the normalised temperature-scaled cross-entropy (Chen et al. 2020, equation 1).

    Each of the 2B views is asked which of the other 2B - 1 is its partner.

    Args:
        first: (B, P) projections of one view of each image.
        second: (B, P) projections of the other.
        temperature: Divides the cosine similarities.

    Returns:
        The mean over all views, a scalar.
    """
    size = len(first)
    views = nn.functional.normalize(torch.cat([first, second]))
    similarities = (views @ views.T) / temperature
    similarities = similarities.masked_fill(torch.eye(2 * size, dtype=torch.bool, device=views.device), -torch.inf)
    partners = torch.arange(2 * size, device=views.device).roll(size)
    return nn.functional.cross_entropy(similarities, partners)


def random_views(images: Tensor, generator: torch.Generator, *, flip: bool) -> Tensor:
    """Draws a view of each image: a zoomed crop, then contrast, brightness and noise, and tint where there is colour.

    Args:
        images: (B, C, H, W) normalised.
        generator: A CPU generator; the images may be on any device.
        flip: Whether half of the views are mirrored: only where that leaves the class alone.

    Returns:
        (B, C, H, W) on the same device.
    """
    draws = torch.rand(8, len(images), generator=generator).to(images.device)
    views = _zoomed(images, draws, flip=flip)
    contrast = 1 + _CONTRAST * (2 * draws[5] - 1)
    brightness = _BRIGHTNESS * (2 * draws[6] - 1)
    views = views * contrast[:, None, None, None] + brightness[:, None, None, None]
    if images.shape[1] == 3:
        tint = torch.rand(len(images), 3, generator=generator).to(images.device)
        views = views * (1 + _COLOUR * (2 * tint - 1))[:, :, None, None]
        grey = (draws[7] < _GREY_SHARE)[:, None, None, None]
        views = torch.where(grey, views.mean(dim=1, keepdim=True), views)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return (views + _NOISE * noise).contiguous(memory_format=torch.channels_last)


def _zoomed(images: Tensor, draws: Tensor, *, flip: bool) -> Tensor:
    """Resamples a random window of each image at the image's own size; the first five draws place it."""
    area = _SMALLEST_AREA + (1 - _SMALLEST_AREA) * draws[0]
    stretch = torch.exp(math.log(_LARGEST_STRETCH) * (2 * draws[1] - 1))
    width, height = (area * stretch).sqrt().clamp_max(1), (area / stretch).sqrt().clamp_max(1)
    mirror = torch.where(draws[4] < 0.5, -1.0, 1.0) if flip else torch.ones_like(width)
    transform = torch.zeros(len(images), 2, 3, device=images.device)
    transform[:, 0, 0], transform[:, 1, 1] = width * mirror, height
    transform[:, 0, 2], transform[:, 1, 2] = (1 - width) * (2 * draws[2] - 1), (1 - height) * (2 * draws[3] - 1)
    grid = nn.functional.affine_grid(transform, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def contrastive_features(task: SelectionTask, settings: ContrastiveSettings) -> Tensor:
    """Trains a fresh backbone of the task's architecture without labels and returns its features.

    Args:
        task: What is trained on; its training settings are not used.
        settings: How.

    Returns:
        (N, D) float32 features of the clean training images, on the CPU.

    Raises:
        ConfigurationError: if the model does not tell its backbone from its head.
    """
    streams = Streams(seed=task.seed, names=(_STREAM,))
    model = build_model(task.model, task.dataset, streams)
    if not isinstance(getattr(model, "head", None), nn.Linear) or not hasattr(model, "backbone"):
        # a module of the user that gives TargetOutput is taken as it is
        raise refuse(
            "model",
            "a network whose last linear layer is known, to learn features without labels",
            task.model.name,
            "let it return logits in place of TargetOutput, or bring features=",
        )
    width = model.head.in_features
    with streams.borrowed("projection"):
        projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, _PROJECTION))
    network = nn.Sequential(model.backbone, projection)
    _train(network, task, settings, streams)
    model.to(task.fabric.device)
    return clean_pass(model, task.dataset, task.dataset.train, fabric=task.fabric).features


def _train(network: nn.Module, task: SelectionTask, settings: ContrastiveSettings, streams: Streams) -> None:
    recipe, size, fabric = settings.training, len(task), task.fabric
    total = recipe.total_steps(size)
    optimizer = build_optimizer(network, recipe)
    wrapped, fabric_optimizer = fabric.setup(network, optimizer)
    wrapped.train()
    task.reporter.start("features without labels", settings.epochs, total)
    step = 0
    for epoch in range(settings.epochs):
        order = streams.generator("order", epoch)
        generator = streams.generator("views", epoch)
        batches = pass_batches(torch.randperm(size, generator=order), recipe)
        summed = 0.0
        for batch in load_batches(
            task.dataset, task.dataset.train, batches, device=fabric.device, augmentation=None, generator=None
        ):
            set_learning_rate(optimizer, recipe.learning_rate * learning_rate_factor(step, total, recipe))
            flip = task.dataset.augmentation.flip
            views = torch.cat([random_views(batch.images, generator, flip=flip) for _ in range(2)])
            with streams.borrowed("layers", step):
                first, second = wrapped(views).float().chunk(2)
            loss = nt_xent(first, second, temperature=settings.temperature)
            fabric_optimizer.zero_grad()
            fabric.backward(loss)
            fabric_optimizer.step()
            step += 1
            summed += float(loss.detach())
            task.reporter.step(step)
        task.reporter.epoch({"epoch": epoch + 1, "step": step, "loss": summed / len(batches)})
    task.reporter.finish()
