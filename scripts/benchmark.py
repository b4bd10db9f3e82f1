"""Times the parts that a run spends its time in; the median of five, on one CPU thread."""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

import rlsel
from rlsel.cover.coverage import coverage
from rlsel.cutting import peak_memory
from rlsel.data.augmentation import Augmentation, augment
from rlsel.data.embeddings import Embeddings
from rlsel.export import ResolvedExport, choose
from rlsel.models.small_cnn import SmallCNN
from rlsel.policy.a2c import A2C
from rlsel.policy.learning import LearningSettings, PolicySession
from rlsel.policy.rewards import Cover

REPEATS = 5


def main() -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    _embeddings()
    for name, work in (
        ("target step, small_cnn, 128 images of 28 x 28", _target_step(generator)),
        ("augmentation, 128 images of 3 x 32 x 32", _augmentation(generator)),
        ("policy decision and update, 1024 samples, 64 features", _policy_update(generator)),
        ("E_c, 10 000 x 64, 10 classes", _coverage(10_000, 64, generator)),
        ("E_c, 60 000 x 512, 10 classes", _coverage(60_000, 512, generator)),
        ("export by sampling, 1 000 000 scores", _export()),
    ):
        print(f"{name:56s} {_median_milliseconds(work):10.1f} ms", flush=True)


def _embeddings() -> None:
    """Prints what RL-Selector takes on 64-d embeddings: beyond the part that is learned on, each row is judged only."""
    print(f"{'RL-Selector on N x 64 float16 embeddings':44s} {'seconds':>9s} {'µs/row':>8s} {'MB above the file':>18s}")
    for size in (10_000, 100_000, 300_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.npy"
            _write_rows(path, size)
            seconds, memory = _in_a_process(_select, path)
        print(f"{size:>44,} {seconds:9.1f} {1e6 * seconds / size:8.1f} {memory / 1e6:18.0f}", flush=True)


def _write_rows(path: Path, size: int) -> None:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(100, 64))
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(size, 64))
    for start in range(0, size, 10_000):
        block = rows[start : start + 10_000]
        block[:] = centres[generator.integers(100, size=len(block))] + generator.normal(size=block.shape)


def _in_a_process(work: Callable[[Path], tuple[float, int]], path: Path) -> tuple[float, int]:
    """Measures in a process of its own, whose memory nothing else has touched."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, path).result()


def _select(path: Path) -> tuple[float, int]:
    """Returns the seconds and the bytes that a selection of half of the rows takes, pages of the file left out."""
    torch.set_num_threads(1)
    before, start = peak_memory(), time.perf_counter()
    rlsel.select(Embeddings(path=path).load(), ratio=0.5)
    return time.perf_counter() - start, peak_memory() - before - path.stat().st_size


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
