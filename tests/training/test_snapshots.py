"""Copies of a model in training."""

from __future__ import annotations

import torch
from torch import nn

from rlsel.models.target import TargetModel
from rlsel.training.observation import CleanPass, EpochEnd
from rlsel.training.snapshots import SnapshotRecorder


def model_of(value: float) -> TargetModel:
    model = TargetModel(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4)), nn.Linear(4, 2))
    set_parameters(model, value)
    return model


def set_parameters(model: TargetModel, value: float) -> None:
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            tensor.fill_(value)


def end_of(epoch: int, model: TargetModel) -> EpochEnd:
    def never() -> CleanPass:
        raise AssertionError("a snapshot needs no pass")

    return EpochEnd(epoch=epoch, epochs=4, complete=True, model=model, clean_pass=never)


def recorded() -> SnapshotRecorder:
    recorder, model = SnapshotRecorder({1, 3}), model_of(0.0)
    for epoch in range(4):
        set_parameters(model, float(epoch + 1))
        assert recorder.on_epoch_end(end_of(epoch, model)) == {}
    return recorder


def test_restores_the_chosen_epochs_into_a_copy() -> None:
    recorder, model = recorded(), model_of(9.0)
    assert set(recorder.snapshots) == {1, 3}
    restored = recorder.restore(model, 3)
    assert all((tensor == 3).all() for tensor in [*restored.parameters(), *restored.buffers()])
    assert not restored.training
    assert all((tensor == 9).all() for tensor in [*model.parameters(), *model.buffers()])


def test_goes_on_after_an_interruption() -> None:
    resumed = SnapshotRecorder({1, 3})
    resumed.load_state_dict(recorded().state_dict())
    restored = resumed.restore(model_of(0.0), 1)
    assert all((tensor == 1).all() for tensor in restored.parameters())
