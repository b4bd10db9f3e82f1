"""State on disk, loadable without pickle.

`save_tensors` and `load_tensors` hold what a run leaves for others (safetensors); `save_state` and `load_state` hold
what an interrupted run leaves for itself, read with torch's loader that takes nothing but tensors and plain values.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rlsel.errors import CoresetError
from rlsel.files import write_atomically

_FORMAT_VERSION = 1

_STATE = b"rlsel state 3 "
"""What a file of a state begins with; the SHA-256 of the rest, which torch does not check, follows in the same line."""


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
    content = io.BytesIO()
    torch.save(dict(state), content)
    data = content.getbuffer()
    first_line = _STATE + hashlib.sha256(data).hexdigest().encode() + b"\n"
    write_atomically(path, lambda file: file.writelines((first_line, data)))


def load_state(path: Path) -> dict[str, Any]:
    """Reads what `save_state` wrote.

    Raises:
        CoresetError: if the file is damaged or of another version.
    """
    try:
        with path.open("rb") as file:
            first_line, data = file.readline(), file.read()
        if first_line != _STATE + hashlib.sha256(data).hexdigest().encode() + b"\n":
            raise ValueError("another checksum")
        state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except ValueError as error:
        reason = "it is damaged, or of another version of rlsel"
        raise CoresetError(f"cannot read {path}: {reason}: remove it, or use resume=never") from error
    except Exception as error:
        raise CoresetError(f"cannot read {path}: {type(error).__name__}: remove it, or use resume=never") from error
    return state
