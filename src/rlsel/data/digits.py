"""Handwritten digits of 8 x 8 pixels, built into scikit-learn: needs no download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from rlsel.data.augmentation import Augmentation
from rlsel.data.classes import stratified_share
from rlsel.data.dataset import Dataset, MemoryImages, Source, Split
from rlsel.data.statistics import channel_statistics


@dataclass(frozen=True, kw_only=True)
class Digits:
    """1797 digits, of which a stratified fifth is the test split: 1437 for training, 360 for testing.

    Positions are those of `sklearn.datasets.load_digits`, which knows no test split.
    """

    name: ClassVar[str] = "digits"

    def load(self) -> Dataset:
        """Reads the data set; the pixels, 0 to 16 in the original, are scaled to 0 to 255."""
        from sklearn.datasets import load_digits

        sixteenths, given = load_digits(return_X_y=True)
        pixels = np.rint(sixteenths * (255 / 16)).astype(np.uint8)
        labels = torch.from_numpy(given.astype(np.int64))
        class_names = tuple("0123456789")
        whole = Split(images=MemoryImages(torch.from_numpy(pixels).view(-1, 1, 8, 8)), labels=labels)
        train, test = (whole.subset(positions) for positions in stratified_share(labels, 0.2, 0))
        mean, std = channel_statistics(train.images)
        return Dataset(
            name=self.name,
            train=train,
            test=test,
            class_names=class_names,
            mean=mean,
            std=std,
            augmentation=Augmentation(crop_padding=1),
            given=Source(labels=labels, images_digest=whole.images.digest()),
            test_from_train=True,
        )
