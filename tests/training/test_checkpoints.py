"""State on disk."""

import hashlib
import io
from pathlib import Path

import pytest
import torch

from rlsel.errors import CoresetError, StorageError
from rlsel.training.checkpoints import load_state, load_tensors, save_state, save_tensors


def test_tensors_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensors = {"a": torch.rand(3, 4).t(), "b": torch.tensor(0.1, dtype=torch.float64), "c": torch.arange(3)}
    save_tensors(path, tensors | {"d": torch.rand(2, requires_grad=True)})
    loaded = load_tensors(path)
    assert set(loaded) == {"a", "b", "c", "d"}
    for name, tensor in tensors.items():
        assert torch.equal(loaded[name], tensor)
        assert loaded[name].dtype == tensor.dtype
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [None, b"", b"junk", b"\xff" * 100])
def test_a_damaged_file_of_tensors_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CoresetError, match=rf"cannot read {path}: .*resume=never"):
        load_tensors(path)


def test_state_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = {
        "step": 3,
        "nested": {"rows": [{"a": 0.1}, {"b": float("nan")}], 2: torch.arange(3), "none": None},
        "tuple": (1.0, 2.0),
        "generator": torch.Generator().manual_seed(0).get_state(),
    }
    save_state(path, state)
    loaded = load_state(path)
    assert loaded["step"] == 3
    assert loaded["nested"]["rows"][0] == {"a": 0.1}
    assert torch.equal(loaded["nested"][2], torch.arange(3))
    assert loaded["nested"]["none"] is None
    assert torch.equal(loaded["generator"], state["generator"])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
def test_a_damaged_state_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(CoresetError, match=rf"cannot read {path}: .*resume=never"):
        load_state(path)


def write_state(path: Path, state: object) -> None:
    """Writes a file with the right checksum, whatever is in it."""
    content = io.BytesIO()
    torch.save(state, content)
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    path.write_bytes(f"rlsel state 3 {digest}\n".encode() + content.getvalue())


def test_a_state_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, ("1 / 0",)

    path = tmp_path / "state"
    write_state(path, {"code": Code()})
    with pytest.raises(CoresetError, match=r"cannot read .*UnpicklingError"):
        load_state(path)


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    torch.save({"format_version": 1}, path)
    with pytest.raises(CoresetError, match="another version"):
        load_state(path)


def test_one_flipped_bit_in_a_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    save_state(path, {"weights": torch.zeros(100)})
    good = path.read_bytes()
    for place in range(0, len(good), 7):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(CoresetError, match=rf"cannot read {path}: it is damaged"):
            load_state(path)


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        save_state(tmp_path / "none" / "state", {})
    with pytest.raises(StorageError):
        save_tensors(tmp_path / "none" / "a.safetensors", {"a": torch.zeros(1)})
    assert not list(tmp_path.iterdir())
