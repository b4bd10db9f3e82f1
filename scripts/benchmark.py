"""Measures what `rlsel` promises about speed, side by side in one process where it is a ratio; `make bench`.

Writes a table (`benchmark.md`) and the numbers (`benchmark.json`) beside this file, the machine named. Some of the
measurements by their names, on the screen only: `python scripts/benchmark.py coverage training`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from rlsel import select
from rlsel.cover.coverage import coverage
from rlsel.cutting import peak_memory
from rlsel.data.dataset import Dataset
from rlsel.data.embeddings import Embeddings
from rlsel.data.fashion_mnist import FashionMNIST
from rlsel.export import resolve
from rlsel.models.small_cnn import SmallCNN
from rlsel.selection import Wanted, select_from
from rlsel.selectors.base import SelectionTask
from rlsel.selectors.rl_selector import RLSelector
from rlsel.selectors.target_training import train_target
from rlsel.training.devices import DeviceSettings
from rlsel.training.reporting import SilentReporter
from rlsel.training.settings import TrainingSettings

HERE = Path(__file__).parent
IMAGES, EPOCHS, PHOTOS = 6_000, 5, 10_000


@dataclass(frozen=True, kw_only=True)
class Row:
    """A figure beside its target: `value` is to be at most, or at least, `target`."""

    what: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> str:
        if self.target is None:
            return ""
        return "yes" if (self.value >= self.target if self.at_least else self.value <= self.target) else "no"


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def processor_seconds(work: Callable[[], object]) -> float:
    """Returns what the work took of the processors, which a busy machine lengthens less than the clock."""
    start = _processor_time()
    work()
    return _processor_time() - start


def _processor_time() -> float:
    times = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in times)


def side_by_side(*works: Callable[[], object], rounds: int = 3) -> list[float]:
    """Returns the median processor seconds of each, done in turn so that a busy machine is busy for all."""
    times = [[processor_seconds(work) for work in works] for _ in range(rounds)]
    return [median(column) for column in zip(*times, strict=True)]


def measure_coverage() -> Iterator[Row]:
    generator = torch.Generator().manual_seed(0)
    for size in (6_000, 20_000):
        features = torch.randn(size, 512, generator=generator)
        labels = torch.zeros(size, dtype=torch.int64)

        def ours(features: Tensor = features, labels: Tensor = labels) -> Tensor:
            return coverage(features, labels, num_classes=1, reduction="sum")

        def product(features: Tensor = features) -> None:
            for block in features.split(1000):
                block @ features.T

        def distances(features: Tensor = features) -> Tensor:
            return torch.cat([torch.cdist(block, features).sum(dim=1) for block in features.split(1000)])

        before = peak_megabytes()
        ours()
        yield Row(what=f"E_c, n = {size:,}: extra memory", value=peak_megabytes() - before, unit="MB", target=64)
        own, plain, by_cdist = side_by_side(ours, product, distances)
        yield Row(what=f"E_c, n = {size:,}, d = 512", value=own, unit="s")
        yield Row(what=f"E_c, n = {size:,}: against blocked x @ x.T", value=own / plain, unit="x", target=0.75)
        faster = by_cdist / own
        yield Row(what=f"E_c, n = {size:,}: faster than cdist", value=faster, unit="x", target=2, at_least=True)
    few = torch.randn(2_000, 512, generator=generator)
    for name, moved in (("", few), (", 1000 from the origin", few + 1000)):
        exact = torch.cdist(moved.double(), moved.double(), compute_mode="donot_use_mm_for_euclid_dist").sum(dim=1)
        found = coverage(moved, torch.zeros(len(moved), dtype=torch.int64), num_classes=1, reduction="sum")
        error = float(((found - exact) / exact).abs().max())
        yield Row(what=f"E_c: error against float64{name}", value=error, unit="relative", target=1e-4)


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fashion_mnist(size: int) -> Dataset:
    data = FashionMNIST().load()
    return replace(data, train=data.train.subset(torch.arange(size)))


def measure_selection() -> Iterator[Row]:
    with DeviceSettings(accelerator="cpu", threads=torch.get_num_threads()).computing() as fabric:
        task = SelectionTask(
            dataset=fashion_mnist(IMAGES),
            model=SmallCNN(),
            training=TrainingSettings(epochs=EPOCHS),
            fabric=fabric,
            seed=0,
            reporter=SilentReporter(),
        )

        def select_at(*ratios: float) -> None:
            wanted = [
                Wanted(selector=chosen, ratio=ratio, export=resolve(chosen.export, chosen.export))
                for ratio in ratios
                for chosen in [RLSelector(ratio=ratio)]
            ]
            for _ in select_from(task, wanted):
                pass

        alone, one, four = side_by_side(
            lambda: train_target(task, "alone"), lambda: select_at(0.5), lambda: select_at(0.3, 0.5, 0.7, 0.9)
        )
    yield Row(what=f"training alone, {IMAGES:,} images, {EPOCHS} epochs", value=alone, unit="s")
    yield Row(what="policy and cover against the training alone", value=one / alone, unit="x", target=1.15)
    yield Row(what="four ratios from one run against one", value=four / one, unit="x", target=1.25)


def measure_finetuning() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        data = ("dataset=fashion_mnist", f"dataset.train_size={10 * IMAGES // 5}")
        rlsel("select", *data, "ratio=0.5", "training.epochs=20", f"run_dir={folder}/whole")
        rlsel("finetune-ratio", f"run={folder}/whole", "ratio=0.3", f"run_dir={folder}/tuned")
        whole, tuned = (
            json.loads(Path(folder, name, "coreset.json").read_text())["wall_seconds"] for name in ("whole", "tuned")
        )
    yield Row(what="finetune-ratio against select, start-up excluded", value=tuned / whole, unit="x", target=0.10)


def measure_training() -> Iterator[Row]:
    data = fashion_mnist(IMAGES)
    pixels = next(iter(data.train.images.batches([torch.arange(IMAGES)])))
    pictures = [
        (Image.fromarray(one[0].numpy()), int(label)) for one, label in zip(pixels, data.train.labels, strict=True)
    ]

    class Pictures(torch.utils.data.Dataset[tuple[Tensor, int]]):
        def __len__(self) -> int:
            return IMAGES

        def __getitem__(self, place: int) -> tuple[Tensor, int]:
            image, label = pictures[place]
            return (to_tensor(image) - data.mean[0]) / data.std[0], label

    def loop() -> None:
        model = SmallCNN().build((1, 28, 28), 10)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for images, labels in torch.utils.data.DataLoader(Pictures(), batch_size=128, shuffle=True):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images).logits, labels).backward()
            optimizer.step()

    with DeviceSettings(accelerator="cpu", threads=1).computing() as fabric:
        task = SelectionTask(
            dataset=data,
            model=SmallCNN(),
            training=TrainingSettings(epochs=1, batch_size=128),
            fabric=fabric,
            seed=0,
            reporter=SilentReporter(),
        )
        ours, theirs = side_by_side(lambda: train_target(task, "alone"), loop)
    yield Row(what="training on Fashion-MNIST, one core", value=IMAGES / ours, unit="images/s")
    yield Row(what="... against a PIL and DataLoader loop", value=theirs / ours, unit="x", target=4, at_least=True)


def measure_photos() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        generator = np.random.default_rng(0)
        for number in range(PHOTOS):
            coarse = generator.integers(0, 255, (8, 10, 3), dtype=np.uint8)
            place = Path(folder, "photos", f"class{number % 10}")
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(coarse).resize((375, 300), Image.Resampling.BICUBIC).save(place / f"{number}.jpg")
        command = ("select", "dataset=imagefolder", "dataset.image_size=64", "training.epochs=2", "device.threads=2")
        taken = seconds(lambda: rlsel(*command, f"dataset.root={folder}/photos", f"run_dir={folder}/run"))
    what = f"{PHOTOS:,} photos, first coreset: rlsel {' '.join(command)}"
    yield Row(what=what, value=taken, unit="s", target=60)


def measure_embeddings() -> Iterator[Row]:
    """RL-Selector beyond the part that it learns on: each row is judged only, and the file is mapped."""
    for size in (10_000, 100_000, 300_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.npy"
            write_rows(path, size)
            # in a process of its own, whose memory nothing else has touched
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                taken, memory = pool.submit(select_rows, path).result()
        yield Row(what=f"RL-Selector on {size:,} x 64 float16", value=taken, unit="s")
        yield Row(what="... for each row", value=1e6 * taken / size, unit="µs")
        yield Row(what="... memory above the file", value=memory / 1e6, unit="MB")


def write_rows(path: Path, size: int) -> None:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(100, 64))
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(size, 64))
    for start in range(0, size, 10_000):
        block = rows[start : start + 10_000]
        block[:] = centres[generator.integers(100, size=len(block))] + generator.normal(size=block.shape)


def select_rows(path: Path) -> tuple[float, int]:
    """Returns the seconds and the bytes that a selection of half of the rows takes, pages of the file left out."""
    before = peak_memory()
    taken = seconds(lambda: select(Embeddings(path=path).load(), ratio=0.5))
    return taken, peak_memory() - before - path.stat().st_size


def measure_answers() -> Iterator[Row]:
    for arguments, limit in ((("--help",), 0.5), (("select", "--cfg", "job"), 1.0)):
        times = [processor_seconds(lambda arguments=arguments: rlsel(*arguments)) for _ in range(5)]
        yield Row(what=f"rlsel {' '.join(arguments)}", value=median(times), unit="s", target=limit)


def rlsel(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "rlsel", *arguments], check=True, capture_output=True)  # noqa: S603


MEASUREMENTS = {
    "coverage": measure_coverage,
    "answers": measure_answers,
    "training": measure_training,
    "selection": measure_selection,
    "finetuning": measure_finetuning,
    "photos": measure_photos,
    "embeddings": measure_embeddings,
}


def machine() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = models[0].partition(": ")[2] if models else platform.processor()
    threads = torch.get_num_threads()
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    return f"{name}, {threads} threads, {versions}, load average {os.getloadavg()[0]:.1f}"


def main() -> None:
    torch.set_num_threads(DeviceSettings().threads)  # as a run has them
    rows: list[Row] = []
    print(machine())
    for name in sys.argv[1:] or MEASUREMENTS:
        for row in MEASUREMENTS[name]():
            rows.append(row)
            print(line_of(row), flush=True)
    if len(sys.argv) == 1:
        heading = ["| what | measured | target | met |", "|---|---|---|---|"]
        table = [f"Measured on {machine()}, by `make bench`.", "", *heading, *map(line_of, rows)]
        (HERE / "benchmark.md").write_text("\n".join(table) + "\n")
        content = {"machine": machine(), "rows": [asdict(row) for row in rows]}
        (HERE / "benchmark.json").write_text(json.dumps(content, indent=2) + "\n")


def line_of(row: Row) -> str:
    target = "" if row.target is None else f"{'≥' if row.at_least else '≤'} {row.target:g} {row.unit}"
    return f"| {row.what} | {row.value:.3g} {row.unit} | {target} | {row.met} |"


if __name__ == "__main__":
    main()
