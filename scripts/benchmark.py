"""Times the parts that a run spends its time in; the median of five, on one CPU thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from rlsel.cover.coverage import coverage
from rlsel.data.augmentation import Augmentation, augment
from rlsel.export import ResolvedExport, choose
from rlsel.models.small_cnn import SmallCNN
from rlsel.policy.a2c import A2C
from rlsel.policy.learning import LearningSettings, PolicySession
from rlsel.policy.rewards import Cover

REPEATS = 5


def main() -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    for name, work in (
        ("target step, small_cnn, 128 images of 28 x 28", _target_step(generator)),
        ("augmentation, 128 images of 3 x 32 x 32", _augmentation(generator)),
        ("policy decision and update, 1024 samples, 64 features", _policy_update(generator)),
        ("E_c, 10 000 x 64, 10 classes", _coverage(10_000, 64, generator)),
        ("E_c, 60 000 x 512, 10 classes", _coverage(60_000, 512, generator)),
        ("export by sampling, 1 000 000 scores", _export()),
    ):
        print(f"{name:56s} {_median_milliseconds(work):10.1f} ms", flush=True)


def _median_milliseconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _target_step(generator: torch.Generator) -> Callable[[], object]:
    model = SmallCNN().build((1, 28, 28), 10).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    images = torch.randn(128, 1, 28, 28, generator=generator).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (128,), generator=generator)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images).logits, labels).backward()
        optimizer.step()

    return step


def _augmentation(generator: torch.Generator) -> Callable[[], object]:
    images = torch.randn(128, 3, 32, 32, generator=generator).contiguous(memory_format=torch.channels_last)
    settings = Augmentation(crop_padding=4, flip=True, cutout=16)
    return lambda: augment(images, settings, generator)


def _policy_update(generator: torch.Generator) -> Callable[[], object]:
    states = torch.randn(1024, 64, generator=generator)
    session = PolicySession(
        A2C().build(64, 0),
        Cover(),
        size=len(states),
        ratio=0.5,
        settings=LearningSettings(rollout=1024, price_rate=0.05),
        generator=generator,
        device=torch.device("cpu"),
    )
    indices = torch.arange(len(states))
    return lambda: session.decide(states, indices)


def _coverage(size: int, width: int, generator: torch.Generator) -> Callable[[], object]:
    features = torch.randn(size, width, generator=generator)
    labels = torch.arange(size) % 10
    return lambda: coverage(features, labels, num_classes=10)


def _export() -> Callable[[], object]:
    values = np.random.default_rng(0).normal(size=1_000_000).astype(np.float32)
    labels = np.zeros(len(values), dtype=np.int64)
    return lambda: choose(
        values,
        kind="logit",
        ratio=0.5,
        settings=ResolvedExport(mode="sample"),
        labels=labels,
        hardness=None,
        seed=0,
        policy=True,
    )


if __name__ == "__main__":
    main()
