import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlsel.randomness import Streams, borrowed_global_torch_state, numpy_generator, stream, torch_generator

names = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\x1f")) | st.integers(), min_size=1, max_size=3
)


@pytest.mark.parametrize(
    ("seed", "stream_names", "value"),
    # the first 63 bits of sha256("0") and so on; another value would change every published coreset
    [
        (0, (), 3456079177858693020),
        (0, ("policy",), 8868638976716398756),
        (1, ("policy",), 3380938582624245533),
        (0, ("training", "order", 3), 824100944266892771),
    ],
)
def test_streams_stay_what_they_are(seed: int, stream_names: tuple[str | int, ...], value: int) -> None:
    assert stream(seed, *stream_names) == value


@given(st.integers(0, 2**32), names, st.integers(0, 2**32), names)
def test_different_names_or_seeds_are_different_streams(
    seed: int, first: list[str | int], other_seed: int, second: list[str | int]
) -> None:
    same = (seed, *map(str, first)) == (other_seed, *map(str, second))
    # 63 bits: by chance equal once in 1e19
    assert (stream(seed, *first) == stream(other_seed, *second)) == same
    assert 0 <= stream(seed, *first) < 2**63


def test_names_do_not_run_together() -> None:
    assert len({stream(0, "ab", "c"), stream(0, "a", "bc"), stream(0, "abc"), stream(0, "abc", "")}) == 4
    assert stream(1, "1") != stream(11)


def test_generators_are_fresh_and_of_their_stream() -> None:
    assert numpy_generator(0, "x").integers(2**62) == numpy_generator(0, "x").integers(2**62)
    assert numpy_generator(0, "x").integers(2**62) != numpy_generator(0, "y").integers(2**62)
    assert torch_generator(0, "x").initial_seed() == stream(0, "x")
    first, second = (torch.rand(3, generator=torch_generator(0, "x")) for _ in range(2))
    assert torch.equal(first, second)


def test_streams_are_not_correlated() -> None:
    # the correlation of n independent pairs has a deviation of 1/sqrt(n) = 0.01; five of them are not met by chance
    first, second = (numpy_generator(0, "policy", step).normal(size=10_000) for step in (0, 1))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_the_global_state_is_borrowed_and_given_back() -> None:
    before = torch.get_rng_state()
    with borrowed_global_torch_state(0, "parameters"):
        first = torch.nn.Linear(3, 3).weight
    assert torch.equal(torch.get_rng_state(), before)
    with borrowed_global_torch_state(0, "parameters"):
        with borrowed_global_torch_state(0, "dropout"):
            torch.rand(5)
        second = torch.nn.Linear(3, 3).weight
    assert torch.equal(first, second)
    with borrowed_global_torch_state(1, "parameters"):
        assert not torch.equal(torch.nn.Linear(3, 3).weight, first)


def test_the_global_state_is_given_back_after_an_error() -> None:
    before = torch.get_rng_state()

    def fail() -> None:
        torch.rand(5)
        raise KeyError

    with pytest.raises(KeyError), borrowed_global_torch_state(0, "parameters"):
        fail()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_streams_of_a_piece_of_work_have_its_names_before_their_own() -> None:
    streams = Streams(seed=3, names=("target", 1))
    assert streams.generator("order", 2).initial_seed() == stream(3, "target", 1, "order", 2)
    with streams.borrowed("layers", 4):
        found = torch.rand(3)
    with borrowed_global_torch_state(3, "target", 1, "layers", 4):
        assert torch.equal(torch.rand(3), found)
