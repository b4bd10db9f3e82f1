"""Features without labels: SimCLR (Chen et al., "A simple framework for contrastive learning", ICML 2020), in small.

Two random views of an image should look alike to the target model's backbone, and unlike the views of other images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rlsel.checks import int_at_least, number_between, positive_int, refuse
from rlsel.data.loading import ImageBatch, load_batches
from rlsel.randomness import Streams
from rlsel.selectors.base import SelectionTask
from rlsel.training.evaluation import clean_pass
from rlsel.training.loop import build_model, pass_batches
from rlsel.training.optimisation import build_optimizer, learning_rate_factor, set_learning_rate
from rlsel.training.resuming import carry_on
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
    carry_on(_ContrastiveTraining(network, task, settings, streams), task.part("contrastive", settings))
    model.to(task.fabric.device)
    return clean_pass(model, task.dataset, task.dataset.train, fabric=task.fabric).features


class _ContrastiveTraining:
    """The training of a backbone with a projection, in steps."""

    def __init__(
        self, network: nn.Module, task: SelectionTask, settings: ContrastiveSettings, streams: Streams
    ) -> None:
        self._network, self._task, self._settings, self._streams = network, task, settings, streams
        self._recipe = settings.training
        self._optimizer = build_optimizer(network, self._recipe)
        self._wrapped, self._fabric_optimizer = task.fabric.setup(network, self._optimizer)
        self._wrapped.train()
        self._steps_each = self._recipe.steps_per_epoch(len(task))
        self._total = self._recipe.total_steps(len(task))
        self._step, self._summed = 0, 0.0
        self._views = torch.Generator()
        self._batches: Iterator[ImageBatch] | None = None
        task.reporter.start("features without labels", settings.epochs, self._total)

    @property
    def done(self) -> bool:
        return self._step == self._total

    def step(self) -> None:
        epoch, place = divmod(self._step, self._steps_each)
        if place == 0:
            self._views, self._summed = self._streams.generator("views", epoch), 0.0
        if place == 0 or self._batches is None:
            self._batches = self._load(epoch, place)
        self._summed += self._learn(next(self._batches))
        self._step += 1
        self._task.reporter.step(self._step)
        if place + 1 == self._steps_each:
            measured = {"epoch": epoch + 1, "step": self._step, "loss": self._summed / self._steps_each}
            self._task.reporter.epoch(measured)
        if self.done:
            self._task.reporter.finish()

    def _load(self, epoch: int, place: int) -> Iterator[ImageBatch]:
        task = self._task
        order = torch.randperm(len(task), generator=self._streams.generator("order", epoch))
        batches = pass_batches(order, self._recipe)[place:]
        device = task.fabric.device
        return load_batches(task.dataset, task.dataset.train, batches, device=device, augmentation=None, generator=None)

    def _learn(self, batch: ImageBatch) -> float:
        recipe, flip = self._recipe, self._task.dataset.augmentation.flip
        set_learning_rate(self._optimizer, recipe.learning_rate * learning_rate_factor(self._step, self._total, recipe))
        views = torch.cat([random_views(batch.images, self._views, flip=flip) for _ in range(2)])
        with self._streams.borrowed("layers", self._step):
            first, second = self._wrapped(views).float().chunk(2)
        loss = nt_xent(first, second, temperature=self._settings.temperature)
        self._fabric_optimizer.zero_grad()
        self._task.fabric.backward(loss)
        self._fabric_optimizer.step()
        return float(loss.detach())

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self._step,
            "summed": self._summed,
            "views": self._views.get_state(),
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step, self._summed = state["step"], state["summed"]
        self._views.set_state(state["views"])
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
