import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rlsel.policy.label_errors import label_error_probability, label_p_values


def test_p_values_agree_with_a_double_loop() -> None:
    generator = torch.Generator().manual_seed(3)
    margin, other_margin = torch.rand(2, 40, generator=generator)
    labels, others = torch.randint(0, 4, (2, 40), generator=generator)
    others[others == 3] = 0  # label 3 is nobody's other label
    for i, found in enumerate(label_p_values(margin, labels, other_margin, others).tolist()):
        wrong = [float(other_margin[j]) for j in range(40) if others[j] == labels[i]]
        expected = sum(value <= float(margin[i]) for value in wrong) / len(wrong) if wrong else 1.0
        assert found == pytest.approx(expected)


def planted(share: float, size: int = 20_000) -> tuple[Tensor, Tensor]:
    """P-values with a share of wrong labels, uniform, among right ones, all near 1; and which are wrong."""
    generator = torch.Generator().manual_seed(0)
    wrong = torch.rand(size, generator=generator) < share
    values = torch.rand(size, generator=generator)
    return torch.where(wrong, values, 1 - 0.1 * values**2), wrong


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.4])
def test_the_share_of_wrong_labels_is_found_without_being_told(share: float) -> None:
    p_values, wrong = planted(share)
    found = label_error_probability(p_values)
    # right labels have no p-value below 0.9: what is left is the chance of 20,000 draws, and the one more in each bin
    assert float(found.mean()) == pytest.approx(share, abs=0.01)
    if share:
        assert float(found[wrong & (p_values < 0.8)].min()) > 0.5
        assert float(found[~wrong].mean()) < 0.1
    else:
        assert float(found.max()) < 0.01


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=80))
def test_it_is_a_probability_that_falls_with_the_p_value(values: list[float]) -> None:
    p_values = torch.tensor(values)
    found = label_error_probability(p_values)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found[p_values.argsort()].diff() <= 0).all()
