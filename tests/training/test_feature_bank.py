"""The newest features of every sample."""

import torch
from torch import Tensor, nn

from rlsel.models.target import TargetModel
from rlsel.training.feature_bank import FeatureBank
from rlsel.training.observation import BatchObservation, CleanPass, EpochEnd


def batch(indices: list[int], features: Tensor) -> BatchObservation:
    size = len(indices)
    return BatchObservation(
        epoch=0,
        step=0,
        indices=torch.tensor(indices),
        labels=torch.zeros(size, dtype=torch.int64),
        logits=torch.zeros(size, 2),
        features=features,
        losses=torch.zeros(size),
    )


def test_the_newest_features_of_each_sample_are_kept() -> None:
    bank = FeatureBank(4)
    bank.on_batch(batch([2, 0], torch.tensor([[1.0, 2.0], [3.0, 4.0]])))
    assert bank.features.tolist() == [[3.0, 4.0], [0.0, 0.0], [1.0, 2.0], [0.0, 0.0]]
    bank.on_batch(batch([3, 2], torch.tensor([[5.0, 6.0], [7.0, 8.0]])))
    assert bank.features.tolist() == [[3.0, 4.0], [0.0, 0.0], [7.0, 8.0], [5.0, 6.0]]


def test_what_is_kept_is_a_copy() -> None:
    bank, features = FeatureBank(2), torch.ones(2, 3)
    bank.on_batch(batch([0, 1], features))
    features.zero_()
    assert (bank.features == 1).all()


def test_goes_on_after_an_interruption() -> None:
    bank, resumed = FeatureBank(2), FeatureBank(2)
    resumed.load_state_dict(bank.state_dict())  # before the first batch, when the size of the features is not known
    bank.on_batch(batch([1], torch.tensor([[1.0, 2.0]])))
    resumed.load_state_dict(bank.state_dict())
    resumed.on_batch(batch([0], torch.tensor([[3.0, 4.0]])))
    assert resumed.features.tolist() == [[3.0, 4.0], [1.0, 2.0]]


def test_a_saved_state_moves_to_the_device_of_the_training() -> None:
    bank, resumed = FeatureBank(2), FeatureBank(2)
    bank.on_batch(batch([1], torch.tensor([[1.0, 2.0]])))
    resumed.load_state_dict(bank.state_dict())
    resumed.on_batch(batch([0], torch.ones(1, 2, device="meta")))  # a device that every machine has
    assert resumed.features.device.type == "meta"


def test_it_is_there_at_the_end_of_an_epoch_that_has_no_batch_left() -> None:
    bank, resumed = FeatureBank(2), FeatureBank(2)
    bank.on_batch(batch([1], torch.tensor([[1.0, 2.0]])))
    resumed.load_state_dict(bank.state_dict())
    model = TargetModel(nn.Identity(), nn.Linear(2, 2, device="meta"))
    resumed.on_epoch_end(EpochEnd(epoch=0, epochs=1, complete=True, model=model, clean_pass=not_asked_for))
    assert resumed.features.device.type == "meta"


def not_asked_for() -> CleanPass:
    raise AssertionError("a clean pass costs time")
