"""The target model of a run on disk, with what must be known to use it on other data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from rlsel.data.dataset import Dataset
from rlsel.data.scale import describe_range, on_one_scale
from rlsel.errors import CoresetError, DataError
from rlsel.files import write_json
from rlsel.models.target import ModelSpec, TargetModel
from rlsel.randomness import borrowed_global_torch_state
from rlsel.training.checkpoints import load_tensors, save_tensors

TARGET_FILE, INPUT_FILE = "target.safetensors", "target.json"

_FORMAT_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class TargetInput:
    """What a trained target model takes.

    Attributes:
        image_shape: (C_in, H, W).
        num_classes: C of its head.
        mean: C_in channel means that its images were normalised with.
        std: C_in channel standard deviations.
        pixel_range: Lowest and highest of its pixels, as in `Dataset`.
    """

    image_shape: tuple[int, int, int]
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pixel_range: tuple[float, float]

    @classmethod
    def of(cls, dataset: Dataset) -> TargetInput:
        """Returns that of a model trained on `dataset`."""
        return cls(
            image_shape=dataset.image_shape,
            num_classes=dataset.num_classes,
            mean=dataset.mean,
            std=dataset.std,
            pixel_range=dataset.pixel_range,
        )

    def check(self, dataset: Dataset) -> None:
        """Refuses a data set that the model cannot judge; fewer classes than its own are no obstacle.

        Raises:
            DataError: for images of another shape or on another scale, or more classes.
        """
        if dataset.image_shape != self.image_shape:
            raise DataError(
                f"dataset must have images of {_shape(self.image_shape)} (channels x height x width), as the run's "
                f"target model takes, got {_shape(dataset.image_shape)} in {dataset.name}: bring them "
                "to that size (of imagefolder: dataset.image_size=), or select from it anew"
            )
        if not on_one_scale(self.pixel_range, dataset.pixel_range):
            raise DataError(
                f"dataset must have pixels on the scale of the run's, {describe_range(self.pixel_range)} (bytes "
                f"count as 0 to 1), got {describe_range(dataset.pixel_range)} in {dataset.name}: rescale them"
            )
        if dataset.num_classes > self.num_classes:
            remedy = "select from it anew"
            if not dataset.labelled:
                remedy = f"give dataset.clusters={self.num_classes}, or {remedy}"
            raise DataError(
                f"dataset must have at most the {self.num_classes} classes of the run's target model, got "
                f"{dataset.num_classes} in {dataset.name}: {remedy}"
            )


def _shape(image_shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, image_shape))


def save_target(folder: Path, model: TargetModel, takes: TargetInput) -> None:
    """Writes `target.safetensors` and `target.json` of a trained model.

    Raises:
        StorageError: if they cannot be written.
    """
    save_tensors(folder / TARGET_FILE, model.state_dict())
    write_json(folder / INPUT_FILE, {"format_version": _FORMAT_VERSION, **asdict(takes)})


def load_target_input(folder: Path) -> TargetInput:
    """Reads `target.json`.

    Raises:
        CoresetError: if it is missing or damaged.
    """
    path = folder / INPUT_FILE
    try:
        content = json.loads(path.read_text())
        if content["format_version"] != _FORMAT_VERSION:
            raise ValueError("another version of rlsel wrote it")
        channels, height, width = map(int, content["image_shape"])
        return TargetInput(
            image_shape=(channels, height, width),
            num_classes=int(content["num_classes"]),
            mean=tuple(map(float, content["mean"])),
            std=tuple(map(float, content["std"])),
            pixel_range=(float(content["pixel_range"][0]), float(content["pixel_range"][1])),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise CoresetError(f"cannot read {path}: {error}: make the run again with resume=never") from error


def load_target(folder: Path, spec: ModelSpec, takes: TargetInput) -> TargetModel:
    """Reads `target.safetensors`.

    Args:
        folder: The run folder.
        spec: The model's architecture.
        takes: What `load_target_input` gave.

    Returns:
        The trained model, in the channels-last memory format.

    Raises:
        CoresetError: if the file is missing, damaged or of another architecture.
    """
    tensors = load_tensors(folder / TARGET_FILE)
    with borrowed_global_torch_state(0, "target", "replaced parameters"):
        model = spec.build(takes.image_shape, takes.num_classes)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise CoresetError(
            f"cannot read {folder / TARGET_FILE}: it is no {spec.name} as the run recorded it: make the run again with "
            "resume=never"
        ) from error
    return model.to(memory_format=torch.channels_last)
