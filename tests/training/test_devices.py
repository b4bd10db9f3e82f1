"""Where things are computed."""

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from torch import nn

from rlsel.errors import ConfigurationError
from rlsel.training.devices import DeviceSettings
from rlsel.training.loop import Training


@pytest.fixture(autouse=True)
def threads_put_back() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("accelerator", "gpu", r"device\.accelerator must be one of auto, cpu, cuda, mps, got 'gpu'"),
        ("processes", 0, r"device\.processes must be an integer of at least 1, got 0"),
        ("threads", 0, r"device\.threads must be an integer of at least 1, got 0"),
        ("precision", "16", r"device\.precision must be one of .*, got '16'"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DeviceSettings(**{name: value})


def test_a_machine_without_the_accelerator_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    settings = DeviceSettings(accelerator="cuda")
    with pytest.raises(ConfigurationError, match="this machine has, got 'cuda'"), settings.computing():
        pass


def test_a_gpu_computes_the_same_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    monkeypatch.setattr(
        DeviceSettings, "_fabric", lambda self: nullcontext(SimpleNamespace(device=torch.device("cuda", 0)))
    )
    before = torch.backends.cuda.mem_efficient_sdp_enabled()
    with DeviceSettings(accelerator="cuda").computing():
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cuda.mem_efficient_sdp_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"  # what the user has set stays
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cuda.mem_efficient_sdp_enabled() == before
    monkeypatch.setattr(
        DeviceSettings, "_fabric", lambda self: nullcontext(SimpleNamespace(device=torch.device("cpu")))
    )
    with DeviceSettings(accelerator="cpu").computing():
        assert not torch.are_deterministic_algorithms_enabled()


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info()}


def test_the_threads_are_limited_inside_and_restored_after() -> None:
    torch.set_num_threads(2)
    with threadpool_limits(2):
        before = blas_threads()
        with DeviceSettings(accelerator="cpu", threads=1).computing():
            assert torch.get_num_threads() == 1
            assert blas_threads() == {1}
        assert torch.get_num_threads() == 2
        assert blas_threads() == before
        with pytest.raises(ZeroDivisionError), DeviceSettings(accelerator="cpu", threads=1).computing():
            raise ZeroDivisionError
        assert torch.get_num_threads() == 2


def test_the_number_of_threads_outside_does_not_matter(
    training: Callable[..., Training], bytes_of: Callable[[nn.Module], dict[str, bytes]]
) -> None:
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        with DeviceSettings(accelerator="cpu").computing() as fabric:
            results.append(bytes_of(training(fabric=fabric).run()))
    assert results[0] == results[1] == results[2]
