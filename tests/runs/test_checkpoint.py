"""The checkpoint of a training in a run folder: when it stays, and when it goes."""

from pathlib import Path

import pytest

from rlsel.runs.checkpoint import training_checkpoint


def interrupt(folder: Path, digest: str) -> None:
    """Leaves the checkpoint of a training that was interrupted."""
    with training_checkpoint(folder, digest, resume=True) as checkpointing:
        checkpointing.path.write_bytes(b"state")
        raise KeyboardInterrupt


def test_a_checkpoint_outlives_an_interruption_and_goes_with_the_end(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path, "0123abcd")
    assert [path.name for path in tmp_path.iterdir()] == [".training-0123abcd.ckpt"]
    with training_checkpoint(tmp_path, "0123abcd", resume=True) as checkpointing:
        assert checkpointing.path.read_bytes() == b"state"
    assert list(tmp_path.iterdir()) == []


def test_another_training_does_not_take_it_up(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path, "0123abcd")
    with training_checkpoint(tmp_path, "ffffffff", resume=True) as checkpointing:
        assert not checkpointing.path.exists()


def test_a_new_start_forgets_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path, "0123abcd")
    with training_checkpoint(tmp_path, "0123abcd", resume=False) as checkpointing:
        assert not checkpointing.path.exists()
