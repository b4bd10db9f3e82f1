"""Where things are computed: the device, the precision and the threads of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from rlsel.checks import one_of, positive_int
from rlsel.errors import ConfigurationError
from rlsel.processes import process_count
from rlsel.training.fabric import Fabric, OneProcess, Precision, by_lightning


@dataclass(frozen=True, kw_only=True)
class DeviceSettings:
    """The hardware a run may use.

    Attributes:
        accelerator: `cpu`, `cuda`, `mps`, or `auto` for the best there is.
        processes: How many processes train one model together; one GPU each where there are GPUs.
        precision: `32-true`, `16-mixed` or `bf16-mixed`.
        threads: CPU threads of each process. Another number rounds sums in another order, so that results are
            byte-identical only among runs with the same one.
    """

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    processes: int = 1
    precision: Precision = "32-true"
    threads: int = 1

    def __post_init__(self) -> None:
        one_of("device.accelerator", self.accelerator, ("auto", "cpu", "cuda", "mps"))
        positive_int("device.processes", self.processes)
        positive_int("device.threads", self.threads)
        one_of("device.precision", self.precision, ("32-true", "16-mixed", "bf16-mixed"))

    @contextmanager
    def computing(self) -> Iterator[Fabric]:
        """Gives the Fabric of these settings, and limits this process to their threads inside the block.

        On a GPU, torch takes the operations that give the same bytes in every run, and warns of those that cannot.

        Raises:
            ConfigurationError: if the machine has no such accelerator, or not as many of them.
            ProcessError: if another process of the same run is gone.
        """
        from threadpoolctl import threadpool_limits

        together = self._fabric()
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with (
                threadpool_limits(self.threads),
                together as fabric,
                _repeatable() if fabric.device.type == "cuda" else nullcontext(),
            ):
                yield fabric
        finally:
            torch.set_num_threads(before)

    def _fabric(self) -> AbstractContextManager[Fabric]:
        device = self._device()
        if process_count() == 1:
            if self.processes > 1:
                raise ConfigurationError(
                    f"device.processes must be 1 where one process was started, got {self.processes}: start them with "
                    "torchrun, or select with rlsel select"
                )
            if self.precision == "32-true":
                return nullcontext(OneProcess(device=device))
        return by_lightning(device.type, self.precision, self._started(device))

    def _started(self, device: torch.device) -> int:
        """Returns how many processes were started together on this machine."""
        started = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        if self.processes not in (1, started):
            raise ConfigurationError(
                f"device.processes must be what torchrun --nproc-per-node says, {started}, got {self.processes}: "
                "leave it out"
            )
        if device.type == "cuda" and torch.cuda.device_count() < started:
            raise ConfigurationError(
                f"device.processes must be at most the number of GPUs, {torch.cuda.device_count()}, got {started}: "
                "use fewer, or device.accelerator=cpu"
            )
        return started

    def _device(self) -> torch.device:
        """Returns the first device of the accelerator."""
        available = {"mps": torch.backends.mps.is_available(), "cuda": torch.cuda.is_available(), "cpu": True}
        chosen = self.accelerator
        name = next(one for one, there in available.items() if there) if chosen == "auto" else str(chosen)
        if not available[name]:
            raise ConfigurationError(
                f"device.accelerator must be one that this machine has, got {name!r}: "
                "use device.accelerator=auto or cpu"
            )
        return torch.device(name) if name == "cpu" else torch.device(name, 0)


@contextmanager
def _repeatable() -> Iterator[None]:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the first matrices are multiplied
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        with sdpa_kernel(SDPBackend.MATH):  # the faster ones add gradients up in any order
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
