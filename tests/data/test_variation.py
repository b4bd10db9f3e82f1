from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlsel.budget import class_budgets
from rlsel.data.dataset import Dataset, MemoryImages
from rlsel.data.variation import Variation, apply_variation, long_tail_sizes
from rlsel.errors import ConfigurationError, DataError

MakeDataset = Callable[..., Dataset]


def balanced(dataset_of: MakeDataset, *, classes: int = 4, each: int = 50, test: int = 40) -> Dataset:
    return dataset_of(torch.arange(classes * each) % classes, test=test)


def pixels(dataset: Dataset) -> torch.Tensor:
    assert isinstance(dataset.train.images, MemoryImages)
    return dataset.train.images.pixels


@pytest.mark.parametrize("variation", [Variation(), Variation(train_size=200, test_size=40, variation_seed=9)])
def test_no_change_returns_the_data_set_itself(dataset_of: MakeDataset, variation: Variation) -> None:
    dataset = balanced(dataset_of)
    assert apply_variation(dataset, variation) is dataset


def test_sizes_are_exact_and_stratified(dataset_of: MakeDataset) -> None:
    sizes = torch.tensor([10, 20, 70, 23])
    dataset = dataset_of(torch.repeat_interleave(torch.arange(4), sizes), test=17)
    changed = apply_variation(dataset, Variation(train_size=37, test_size=10))
    assert (len(changed.train), len(changed.test)) == (37, 10)
    assert changed.class_counts() == class_budgets(37, sizes.numpy()).tolist()
    # 17 test labels 0, 1, 2, 3, 0, ...: 5, 4, 4, 4 of them; 10/17 of these: 2.9, 2.4, 2.4, 2.4, by largest remainders.
    assert torch.bincount(changed.test.labels).tolist() == [3, 3, 2, 2]
    assert changed.train.paths is not None
    positions = [int(path) for path in changed.train.paths]
    assert positions == sorted(positions)
    assert torch.equal(pixels(changed), pixels(dataset)[positions])
    assert torch.equal(changed.train.labels, dataset.train.labels[positions])


def test_a_small_size_leaves_two_of_each_class(dataset_of: MakeDataset) -> None:
    sizes = torch.tensor([3, 3, 3, 91])
    dataset = dataset_of(torch.repeat_interleave(torch.arange(4), sizes), test=8)
    # 10 % of 100: 0.3, 0.3, 0.3, 9.1 -> 0, 0, 0, 10 (largest remainders), raised to two each at the cost of the last.
    assert apply_variation(dataset, Variation(train_size=10)).class_counts() == [2, 2, 2, 4]
    assert torch.bincount(apply_variation(dataset, Variation(test_size=4)).test.labels).tolist() == [1, 1, 1, 1]


def test_a_smaller_size_is_part_of_a_larger_one(dataset_of: MakeDataset) -> None:
    dataset = balanced(dataset_of)
    paths = [apply_variation(dataset, Variation(train_size=size)).train.paths for size in (20, 60, 120)]
    assert all(part is not None for part in paths)
    small, middle, large = (set(part or ()) for part in paths)
    assert small < middle < large


@pytest.mark.parametrize(
    ("variation", "message"),
    [
        (Variation(train_size=201), r"dataset.train_size must be an integer in \[8, 200\] for planted, got 201"),
        (Variation(train_size=7), r"dataset.train_size must be an integer in \[8, 200\] for planted, got 7"),
        (Variation(test_size=41), r"dataset.test_size must be an integer in \[4, 40\] for planted, got 41"),
        (Variation(test_size=3), r"dataset.test_size must be an integer in \[4, 40\] for planted, got 3"),
    ],
)
def test_sizes_that_the_data_set_cannot_give_are_refused(
    dataset_of: MakeDataset, variation: Variation, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        apply_variation(balanced(dataset_of), variation)


def test_long_tail_by_hand(dataset_of: MakeDataset) -> None:
    # 50 * 10^(-c / 3) for c = 0 .. 3: 50, 23.2, 10.8, 5.
    changed = apply_variation(balanced(dataset_of), Variation(long_tail=10))
    assert changed.class_counts() == [50, 23, 11, 5]
    assert changed.test is not None
    assert len(changed.test) == 40


def test_the_largest_class_leads_the_long_tail() -> None:
    # Ranked 90, 50, 40, 12: wanted 90, 90 / 9^(1/3) = 43.3, 20.8, 10.
    assert long_tail_sizes(np.array([50, 12, 90, 40]), 9).tolist() == [43, 10, 90, 21]


@given(st.lists(st.integers(2, 500), min_size=1, max_size=12), st.floats(1, 200))
def test_a_long_tail_keeps_its_bounds(sizes: list[int], ratio: float) -> None:
    given_sizes = np.array(sizes)
    wanted = long_tail_sizes(given_sizes, ratio)
    assert (wanted <= given_sizes).all()
    assert (wanted >= 2).all()
    assert wanted.max() == given_sizes.max()
    order = np.argsort(-given_sizes, kind="stable")
    assert (np.diff(wanted[order]) <= 0).all()


def test_long_tail_comes_after_the_size(dataset_of: MakeDataset) -> None:
    changed = apply_variation(balanced(dataset_of), Variation(train_size=80, long_tail=4))
    # 20 * 4^(-c / 3): 20, 12.6, 7.9, 5.
    assert changed.class_counts() == [20, 13, 8, 5]


def test_label_noise_changes_exactly_the_share_and_never_keeps_a_label(dataset_of: MakeDataset) -> None:
    dataset = balanced(dataset_of, each=500)
    changed = apply_variation(dataset, Variation(label_noise=0.3))
    noisy = changed.train.mislabelled
    assert noisy is not None
    assert int(noisy.sum()) == 600
    assert torch.equal(changed.train.labels != dataset.train.labels, noisy)
    assert torch.equal(pixels(changed), pixels(dataset))
    assert torch.equal(changed.test.labels, dataset.test.labels)
    steps = torch.bincount((changed.train.labels - dataset.train.labels)[noisy] % 4, minlength=4)
    assert steps[0] == 0
    # Each other class has a third of 600; five standard errors are 5 * sqrt(600 * 2 / 9) = 58.
    assert (steps[1:] - 200).abs().max() < 58
    assert changed.fingerprint != dataset.fingerprint


def test_label_noise_needs_two_classes(dataset_of: MakeDataset) -> None:
    with pytest.raises(
        ConfigurationError, match=r"dataset.label_noise must be 0 for a data set with one class, got 0.5"
    ):
        apply_variation(dataset_of(torch.zeros(10, dtype=torch.int64)), Variation(label_noise=0.5))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 12)])
def test_corruption_damages_exactly_the_share(dataset_of: MakeDataset, shape: tuple[int, int, int]) -> None:
    dataset = dataset_of(torch.arange(200) % 4, shape=shape, test=8)
    changed = apply_variation(dataset, Variation(corruption=0.45))
    corrupted = changed.train.corrupted
    assert corrupted is not None
    assert int(corrupted.sum()) == 90
    differs = (pixels(changed) != pixels(dataset)).flatten(1).any(dim=1)
    assert torch.equal(differs, corrupted)
    assert pixels(changed).dtype == torch.uint8
    assert torch.equal(changed.train.labels, dataset.train.labels)
    assert changed.test is dataset.test
    assert changed.fingerprint != dataset.fingerprint


def test_features_are_corrupted_by_noise(dataset_of: MakeDataset) -> None:
    dataset = dataset_of(torch.arange(20) % 2, shape=(5, 1, 1))
    changed = apply_variation(dataset, Variation(corruption=0.5))
    assert int((pixels(changed) != pixels(dataset)).flatten(1).any(dim=1).sum()) == 10


def test_a_validation_split_is_a_fifth_of_the_original_training_split(dataset_of: MakeDataset) -> None:
    dataset = balanced(dataset_of)
    changed = apply_variation(dataset, Variation(measure_on="validation"))
    assert (len(changed.train), len(changed.test)) == (160, 40)
    assert torch.bincount(changed.test.labels).tolist() == [10] * 4
    assert sorted(map(int, (changed.train.paths or ()) + (changed.test.paths or ()))) == list(range(200))
    smaller = apply_variation(dataset, Variation(measure_on="validation", train_size=40))
    assert smaller.test.paths == changed.test.paths
    assert set(smaller.train.paths or ()) < set(changed.train.paths or ())


def test_a_validation_split_needs_samples(dataset_of: MakeDataset) -> None:
    with pytest.raises(DataError, match="planted: 4 samples are too few to set a validation split aside"):
        apply_variation(dataset_of(torch.tensor([0, 0, 1, 1])), Variation(measure_on="validation"))


def halves(dataset: Dataset, **given: object) -> list[Dataset]:
    return [apply_variation(dataset, Variation(part=part, **given)) for part in ("first", "second")]  # type: ignore[arg-type]


def test_two_halves_are_the_whole_class_by_class(dataset_of: MakeDataset) -> None:
    sizes = torch.tensor([10, 21, 33, 13])
    dataset = dataset_of(torch.repeat_interleave(torch.arange(4), sizes), test=8)
    first, second = halves(dataset)
    # of 77, the first half has 39: 5, 10.5, 16.5, 6.5 of each class, by largest remainders and the first of equal ones
    assert (first.class_counts(), second.class_counts()) == ([5, 11, 17, 6], [5, 10, 16, 7])
    positions = [[int(path) for path in half.train.paths or ()] for half in (first, second)]
    assert positions == [sorted(part) for part in positions]
    assert sorted(positions[0] + positions[1]) == list(range(77))
    assert torch.equal(pixels(first), pixels(dataset)[positions[0]])
    assert torch.equal(second.train.labels, dataset.train.labels[positions[1]])
    assert first.test is second.test is dataset.test
    assert (first.train.in_source().tolist(), second.train.in_source().tolist()) == tuple(positions)
    # one data set, whichever part of it is selected from
    assert first.fingerprint == second.fingerprint == dataset.fingerprint


def test_halves_come_before_the_size_and_after_the_validation_split(dataset_of: MakeDataset) -> None:
    dataset = balanced(dataset_of)
    whole, small = halves(dataset), halves(dataset, train_size=20)
    for half, part in zip(whole, small, strict=True):
        assert len(part.train) == 20
        assert set(part.train.paths or ()) < set(half.train.paths or ())
    measured = halves(dataset, measure_on="validation")
    assert measured[0].test.paths == measured[1].test.paths
    everything = [path for part in (*measured, measured[0]) for path in part.train.paths or ()]
    assert len(set(everything) | set(measured[0].test.paths or ())) == 200
    assert [len(half.train) for half in measured] == [80, 80]


def test_the_data_set_s_seed_decides_what_a_half_is(dataset_of: MakeDataset) -> None:
    dataset = balanced(dataset_of)
    [first, again, other] = [halves(dataset, variation_seed=seed)[0].train.paths for seed in (0, 0, 1)]
    assert first == again != other


def test_a_share_is_held_out_class_by_class(dataset_of: MakeDataset) -> None:
    sizes = torch.tensor([10, 20, 21])
    dataset = dataset_of(torch.repeat_interleave(torch.arange(3), sizes))
    changed = apply_variation(dataset, Variation(holdout=0.2))
    # ceil(51 / 5) = 11; shares 2.16, 4.31, 4.53: floors 2 + 4 + 4, the rest to the last
    assert torch.bincount(changed.test.labels).tolist() == [2, 4, 5]
    assert changed.test_from_train
    train, test = (part.in_source().tolist() for part in (changed.train, changed.test))
    assert changed.held_out.tolist() == test
    assert train == sorted(train)
    assert sorted(train + test) == list(range(51))
    assert torch.equal(pixels(changed), pixels(dataset)[train])
    assert changed.test.paths == tuple(map(str, test))
    assert len(changed.source) == 51
    assert changed.fingerprint == dataset.fingerprint


def test_nothing_is_held_out_of_a_data_set_with_a_test_split(dataset_of: MakeDataset) -> None:
    dataset = balanced(dataset_of)
    assert apply_variation(dataset, Variation(holdout=0.2)) is dataset
    assert len(dataset.held_out) == 0


def test_positions_go_through_every_change(dataset_of: MakeDataset) -> None:
    labels = torch.arange(200) % 4
    dataset = dataset_of(labels)
    changed = apply_variation(
        dataset, Variation(holdout=0.2, part="second", train_size=60, test_size=20, long_tail=2, label_noise=0.1)
    )
    for part in (changed.train, changed.test):
        assert list(part.paths or ()) == [str(position) for position in part.in_source().tolist()]
    places = changed.places_in_train(torch.arange(200))
    kept = torch.nonzero(places >= 0).flatten()
    assert torch.equal(kept, changed.train.in_source())
    assert torch.equal(places[kept], torch.arange(len(changed.train)))
    assert not set(kept.tolist()) & set(changed.held_out.tolist())
    assert torch.equal(changed.source.labels, labels)


def test_the_fingerprint_knows_changed_labels_and_images(dataset_of: MakeDataset) -> None:
    dataset = balanced(dataset_of)
    changes = [Variation(), Variation(label_noise=0.1), Variation(corruption=0.1), Variation(corruption=0.2)]
    assert len({apply_variation(dataset, change).fingerprint for change in changes}) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Variation(holdout=0.2), "planted: 4 samples are too few to set the test split aside, as two of each class"),
        (Variation(test_size=2), "dataset.test_size must not be given for planted, which has no test split: give"),
    ],
)
def test_a_test_split_needs_samples(dataset_of: MakeDataset, change: Variation, message: str) -> None:
    with pytest.raises((DataError, ConfigurationError), match=message):
        apply_variation(dataset_of(torch.tensor([0, 0, 1, 1])), change)


def test_the_seed_decides_and_one_change_does_not_shift_another(dataset_of: MakeDataset) -> None:
    dataset = balanced(dataset_of)
    both = Variation(label_noise=0.2, corruption=0.2)
    first, again = apply_variation(dataset, both), apply_variation(dataset, both)
    assert first.fingerprint == again.fingerprint
    other = apply_variation(dataset, Variation(label_noise=0.2, corruption=0.2, variation_seed=1))
    assert first.train.mislabelled is not None
    assert other.train.mislabelled is not None
    assert not torch.equal(first.train.mislabelled, other.train.mislabelled)
    assert torch.equal(apply_variation(dataset, Variation(label_noise=0.2)).train.labels, first.train.labels)
    assert torch.equal(pixels(apply_variation(dataset, Variation(corruption=0.2))), pixels(first))
    assert not torch.equal(first.train.mislabelled, first.train.corrupted)


@pytest.mark.parametrize(
    "wrong",
    [
        {"holdout": 1.0},
        {"train_size": 0},
        {"test_size": -1},
        {"label_noise": 1.0},
        {"long_tail": 0.5},
        {"corruption": 1.1},
        {"measure_on": "train"},
        {"variation_seed": -1},
        {"part": "third"},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=f"dataset.{next(iter(wrong))} must be"):
        Variation(**wrong)  # type: ignore[arg-type]
