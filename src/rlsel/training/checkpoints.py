"""State on disk, loadable without pickle.

`save_tensors` and `load_tensors` hold what a run leaves for others (safetensors); `save_state` and `load_state` hold
what an interrupted run leaves for itself, read with torch's loader that takes nothing but tensors and plain values.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rlsel.errors import CoresetError
from rlsel.files import write_atomically

_FORMAT_VERSION = 1

_STATE_VERSION = 2
"""Version 1 did not hold the order of the pass that it was in."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes named tensors as a safetensors file, atomically."""
    from safetensors.torch import save

    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(content, metadata={"format_version": str(_FORMAT_VERSION)})
    write_atomically(path, lambda file: file.write(data) and None)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Reads the tensors of a safetensors file.

    Raises:
        CoresetError: if the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CoresetError(f"cannot read {path}: {error}: make the run again with resume=never") from error


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Writes nested dicts and lists of tensors, numbers and strings, atomically."""
    write_atomically(path, lambda file: torch.save({"format_version": _STATE_VERSION, **state}, file))


def load_state(path: Path) -> dict[str, Any]:
    """Reads what `save_state` wrote.

    Raises:
        CoresetError: if the file is damaged or of another version.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CoresetError(f"cannot read {path}: {type(error).__name__}: remove it, or use resume=never") from error
    if state.get("format_version") != _STATE_VERSION:
        raise CoresetError(f"{path} was written by another version of rlsel: remove it, or use resume=never")
    return state
