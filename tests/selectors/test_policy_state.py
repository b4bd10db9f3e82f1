from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlsel.errors import CoresetError
from rlsel.policy.a2c import A2C
from rlsel.policy.rewards import Behaviour, Evidence
from rlsel.selectors.policy_state import (
    STATE_FEATURES,
    PolicyNetworks,
    StateScaler,
    StoredPolicy,
    history_columns,
    random_projection,
)


def stored(behaviour: Behaviour | None) -> StoredPolicy:
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    return StoredPolicy(
        parameters=A2C().build(4, 0).parameters_by_name(),
        scaler=StateScaler.fit(features),
        price=-0.3125,
        features=features,
        evidence=Evidence(coverage=torch.arange(6.0), mean_cover=torch.arange(6.0) - 3, behaviour=behaviour),
    )


def test_states_by_hand() -> None:
    # means 2 and 10; deviations √((4 + 0 + 4) / 2) = 2 and √((25 + 0 + 25) / 2) = 5
    scaler = StateScaler.fit(torch.tensor([[0.0, 5.0], [2.0, 10.0], [4.0, 15.0]]))
    batch = torch.tensor([[3.0, 10.0], [2.0, 0.0], [1000.0, -1000.0]])
    assert scaler.states(batch, None, ratio=0.5).tolist() == [[0.5, 0], [0, -2], [10, -10]]  # never further than 10
    scaler = replace(scaler, history=1)
    history = torch.tensor([[7.0], [8.0], [9.0]])
    assert scaler.states(batch, history, ratio=0.5).tolist() == [[0.5, 0, 7], [0, -2, 8], [10, -10, 9]]
    assert scaler.states(batch, None, ratio=0.5).tolist() == [[0.5, 0, 0], [0, -2, 0], [10, -10, 0]]  # never seen
    scaler = replace(scaler, conditioned=True)
    # half the log-odds: of 0.8, log(4) / 2
    assert scaler.states(batch, history, ratio=0.8)[:, 3].tolist() == pytest.approx([math.log(2)] * 3)
    assert torch.isfinite(scaler.states(batch, history, ratio=1.0)).all()
    assert scaler.size == 4


def test_a_history_says_that_there_is_one() -> None:
    known = stored(None).evidence
    columns = history_columns(known)
    assert torch.equal(columns[:, :-1], known.columns())
    assert columns[:, -1].tolist() == [1.0] * 6


def test_a_feature_that_never_fires_is_not_blown_up() -> None:
    scaler = StateScaler.fit(torch.tensor([[0.0, 1.0], [0.0, 3.0]]))
    assert float(scaler.deviation[0]) == pytest.approx(1e-3 * 2**0.5 / 2)  # a thousandth of the mean deviation
    assert torch.isfinite(StateScaler.fit(torch.zeros(3, 2)).states(torch.ones(1, 2), None, ratio=0.5)).all()
    alone = StateScaler.fit(torch.tensor([[1.0, 2.0]]))
    assert alone.states(torch.tensor([[1.0, 3.0]]), None, ratio=0.5).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    "behaviour",
    [
        None,
        Behaviour(
            forgetting=torch.arange(6.0),
            error_norm=torch.rand(6),
            margin=-torch.rand(6),
            variability=torch.rand(6),
            label_p_value=torch.rand(6),
        ),
    ],
    ids=["without", "with"],
)
def test_what_is_saved_is_loaded(behaviour: Behaviour | None, tmp_path: Path) -> None:
    policy = stored(behaviour)
    policy.save(tmp_path)
    found = StoredPolicy.load(tmp_path)
    assert found.price == policy.price
    assert found.parameters.keys() == policy.parameters.keys()
    assert all(torch.equal(found.parameters[name], value) for name, value in policy.parameters.items())
    assert torch.equal(found.features, policy.features)
    assert torch.equal(found.scaler.mean, policy.scaler.mean)
    assert torch.equal(found.scaler.deviation, policy.scaler.deviation)
    assert torch.equal(found.evidence.columns(), policy.evidence.columns())
    assert torch.equal(found.evidence.coverage, policy.evidence.coverage)
    assert (found.evidence.behaviour is None) == (behaviour is None)
    # and a policy works with them
    fresh, states = A2C().build(4, 7), torch.randn(5, 4)
    fresh.load_parameters(found.parameters)
    assert torch.equal(fresh.keep_logit(states), A2C().build(4, 0).keep_logit(states))


def test_a_missing_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CoresetError, match=r"policy\.safetensors"):
        StoredPolicy.load(tmp_path)
    stored(None).save(tmp_path)
    whole = (tmp_path / "features.safetensors").read_bytes()
    (tmp_path / "features.safetensors").write_bytes(whole[:-10])
    with pytest.raises(CoresetError, match=r"features\.safetensors"):
        StoredPolicy.load(tmp_path)


def test_few_features_are_not_projected() -> None:
    assert random_projection(STATE_FEATURES, torch.Generator()) is None


def test_a_projection_keeps_distances() -> None:
    generator = torch.Generator().manual_seed(0)
    projection = random_projection(300, generator)
    assert projection is not None
    assert projection.shape == (300, STATE_FEATURES)
    torch.testing.assert_close(projection.T @ projection, torch.eye(STATE_FEATURES), rtol=0, atol=1e-5)
    features = torch.randn(200, 300, generator=generator)
    before, after = torch.pdist(features), torch.pdist(features @ projection) * (300 / STATE_FEATURES) ** 0.5
    # a distance in 64 random directions of 300 has a standard deviation of about √((1 − 64/300) / 128) = 8 %
    assert float((after / before - 1).abs().mean()) < 0.08
    assert float((after / before - 1).abs().max()) < 0.45


def test_states_of_many_features_are_their_standardised_projections() -> None:
    generator = torch.Generator().manual_seed(1)
    features = 3 + torch.randn(50, 100, generator=generator)
    projection = random_projection(100, generator)
    assert projection is not None
    states = StateScaler.fit(features, projection).states(features, None, ratio=0.5)
    assert states.shape == (50, STATE_FEATURES)
    expected = features @ projection
    expected = (expected - expected.mean(dim=0)) / expected.std(dim=0)
    torch.testing.assert_close(states, expected, rtol=0, atol=1e-4)  # float32 standardisation


def test_networks_of_features_judge_any_samples(tmp_path: Path) -> None:
    features = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    spec = A2C()
    networks = PolicyNetworks(
        parameters=spec.build(4, 3).parameters_by_name(), scaler=StateScaler.fit(features), price=0.25
    )
    networks.save(tmp_path / "some.safetensors")
    found = PolicyNetworks.load(tmp_path / "some.safetensors")
    assert found.price == 0.25
    others = 2 * torch.randn(30, 4, generator=torch.Generator().manual_seed(2)) + 1
    expected = spec.build(4, 3).keep_logit(networks.scaler.states(others, None, ratio=0.5))
    assert torch.equal(found.judge(others, spec, ratio=0.3), expected)
