from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from rlsel.budget import kept_count
from rlsel.policy.a2c import A2C
from rlsel.policy.dqn import DQN
from rlsel.policy.learning import Meter, PolicySession, solve_price
from rlsel.policy.mdp import Decision, Experience, PolicySpec, Update
from rlsel.policy.ppo import PPO
from rlsel.policy.rewards import Account, Cover, Evidence, Paper, PaperScalar, Reward
from rlsel.policy.settling import Sweep, collapse_of
from rlsel.training.checkpoints import load_state, save_state

MakeSession = Callable[..., PolicySession]
Synthetic = Callable[[int], tuple[Tensor, Evidence]]


def sweep(session: PolicySession, states: Tensor, passes: int) -> None:
    """Learns to the end."""
    work = Sweep(session, states, passes)
    while not work.done:
        work.step()


@dataclass
class ScriptedPolicy:
    """Keeps with the probability in a state's first column, values its second, and notes what it learns from."""

    gamma: float = 0.0
    experiences: list[Experience] = field(default_factory=list)

    def act(self, states: Tensor, generator: torch.Generator) -> Decision:
        keep = states[:, 0].clone()
        return Decision(actions=keep, log_probabilities=keep.log(), keep_probabilities=keep)

    def value(self, states: Tensor) -> Tensor:
        return states[:, 1]

    def update(self, experience: Experience, generator: torch.Generator) -> Update:
        self.experiences.append(experience)
        return Update(actor_loss=1.0, critic_loss=2.0, entropy=0.5)

    def keep_logit(self, states: Tensor) -> Tensor:
        return torch.logit(states[:, 0])

    def shift_keep_logit(self, amount: float) -> None:
        raise NotImplementedError

    def scale_learning_rate(self, factor: float) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def parameters_by_name(self) -> dict[str, Tensor]:
        raise NotImplementedError

    def load_parameters(self, parameters: Mapping[str, Tensor]) -> None:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class PayTheAction:
    """Pays the action itself, whatever the sample; keeps what it was told of the whole."""

    name: ClassVar[str] = "pay"
    priced: ClassVar[bool] = True

    accounts: list[Account] = field(default_factory=list)

    def merit(self, evidence: Evidence) -> Tensor:
        return evidence.mean_cover

    def reward(self, merit: Tensor, actions: Tensor, account: Account) -> Tensor:
        self.accounts.append(account)
        return actions.clone()


def states(*rows: tuple[float, float]) -> Tensor:
    return torch.tensor(rows)


def evidence(merit: list[float]) -> Evidence:
    return Evidence(coverage=torch.tensor(merit), mean_cover=torch.tensor(merit))


def correlation(first: Tensor, second: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([first, second]))[0, 1])


def share(session: PolicySession, features: Tensor) -> float:
    return float((session.policy.keep_logit(features) > 0).float().mean())


def test_a_meter_reads_means_and_starts_anew() -> None:
    meter = Meter()
    meter.add({"a": 1.0, "b": 5.0})
    meter.add({"a": 2.0})
    assert meter.read() == {"a": 1.5, "b": 5.0}
    assert meter.read() == {}


def test_the_next_batchs_mean_value_is_discounted_into_the_return(make_session: MakeSession) -> None:
    policy = ScriptedPolicy(gamma=0.5)
    session = make_session(policy, PayTheAction(), evidence([0.0] * 6), rollout=4)
    session.decide(states((0.2, 9.0), (0.4, 9.0)), torch.tensor([0, 1]))
    session.decide(states((0.6, 1.0), (0.8, 3.0)), torch.tensor([2, 3]))
    assert policy.experiences == []  # the return of the second batch is not known yet
    session.decide(states((0.5, 10.0), (0.5, 20.0)), torch.tensor([4, 5]))
    [learned] = policy.experiences
    # 0.2 and 0.4 plus half of (1 + 3) / 2; 0.6 and 0.8 plus half of (10 + 20) / 2
    assert learned.returns.tolist() == pytest.approx([1.2, 1.4, 8.1, 8.3])
    assert learned.actions.tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8])
    session.finish_rollout()
    # nothing comes after the horizon
    assert policy.experiences[1].returns.tolist() == [0.5, 0.5]
    session.finish_rollout()
    assert len(policy.experiences) == 2


def test_without_a_discount_the_return_is_the_reward(make_session: MakeSession) -> None:
    policy = ScriptedPolicy()
    session = make_session(policy, PayTheAction(), evidence([0.0] * 4), rollout=2)
    session.decide(states((0.2, 9.0), (0.4, 9.0)), torch.tensor([0, 1]))
    session.decide(states((0.6, 7.0), (0.8, 7.0)), torch.tensor([2, 3]))
    assert policy.experiences[0].returns.tolist() == pytest.approx([0.2, 0.4])


@pytest.mark.parametrize("spec", [A2C(gamma=0.5), PPO(gamma=0.5, passes=1), DQN(gamma=0.5, minibatch=128, replay=256)])
def test_a_constant_reward_is_worth_its_geometric_sum(make_session: MakeSession, spec: PolicySpec) -> None:
    @dataclass(frozen=True, kw_only=True)
    class One(PayTheAction):
        def reward(self, merit: Tensor, actions: Tensor, account: Account) -> Tensor:
            return torch.ones_like(actions)

    session = make_session(spec, One(), evidence([0.0] * 64), rollout=64, state_size=2)
    features = torch.eye(2).repeat(32, 1)
    sweep(session, features, 200)
    # V = 1 + ½ V
    assert session.policy.value(torch.eye(2)).tolist() == pytest.approx([2, 2], abs=0.05)


def test_what_the_reward_is_told_and_what_is_remembered(make_session: MakeSession) -> None:
    policy, reward = ScriptedPolicy(), PayTheAction()
    session = make_session(policy, reward, evidence([1.0, 2.0, 3.0, 4.0]), ratio=0.25, rollout=2)
    assert session.share == 0  # one half is not above one half
    session.decide(states((0.9, 0.0), (0.1, 0.0)), torch.tensor([3, 1]))
    assert session.keep_probability.tolist() == pytest.approx([0.5, 0.1, 0.5, 0.9])
    assert session.actions.tolist() == pytest.approx([1, 0.1, 1, 0.9])
    # (1 · 0.5 + 2 · 0.1 + 3 · 0.5 + 4 · 0.9) / 4 over all samples, with the newest probabilities
    [account] = reward.accounts
    assert (account.share, account.ratio, account.price) == (0.25, 0.25, 0.0)
    assert account.kept_merit == pytest.approx(1.45)
    # r2 of the batch: (4 · 0.9 + 2 · 0.1) / 2
    session.finish_rollout()
    measured = session.meter.read()
    assert measured["redundancy_reward"] == pytest.approx(1.9)
    assert measured["reward"] == pytest.approx(0.5)
    assert (measured["actor_loss"], measured["critic_loss"], measured["entropy"]) == (1.0, 2.0, 0.5)


@pytest.mark.parametrize(("ratio", "price"), [(0.2, 0.01), (0.4, 0.0), (0.7, -0.015)])
def test_the_price_rises_when_too_many_are_kept_and_falls_when_too_few(
    make_session: MakeSession, ratio: float, price: float
) -> None:
    session = make_session(ScriptedPolicy(), Cover(), evidence([0.0] * 10), ratio=ratio, rollout=4, price_rate=0.05)
    session.decide(states(*[(0.9, 0.0)] * 4), torch.arange(4))
    session.finish_rollout()
    # 0.05 · (4 / 10 − ratio)
    assert session.price == pytest.approx(price, abs=1e-9)


def test_a_reward_without_a_price_leaves_it_at_zero(make_session: MakeSession) -> None:
    session = make_session(ScriptedPolicy(), Paper(), evidence([0.0] * 10), ratio=0.2, rollout=4)
    session.decide(states(*[(0.9, 0.0)] * 4), torch.arange(4))
    session.finish_rollout()
    assert session.price == 0


@pytest.mark.parametrize("spec", [A2C(gamma=0.3), A2C(distribution="beta"), PPO(), DQN()], ids=lambda spec: spec.name)
def test_a_stored_state_goes_on_identically(
    make_session: MakeSession, synthetic: Synthetic, tmp_path: Path, spec: PolicySpec
) -> None:
    features, known = synthetic(200)
    batches = torch.randperm(200, generator=torch.Generator().manual_seed(1)).split(30)
    whole = make_session(spec, Cover(), known, rollout=50)
    for batch in batches[:4]:
        whole.decide(features[batch], batch)  # 120 samples: two updates, and one batch that waits
    save_state(tmp_path / "state", whole.state_dict())
    resumed = make_session(spec, Cover(), known, rollout=50, seed=9)
    resumed.load_state_dict(load_state(tmp_path / "state"))
    for session in (whole, resumed):
        for batch in batches[4:]:
            session.decide(features[batch], batch)
        sweep(session, features, 1)
    assert torch.equal(whole.policy.keep_logit(features), resumed.policy.keep_logit(features))
    assert torch.equal(whole.keep_probability, resumed.keep_probability)
    assert torch.equal(whole.actions, resumed.actions)
    assert whole.price == resumed.price != 0
    assert whole.meter.read() == resumed.meter.read()


@pytest.mark.parametrize(
    "spec", [A2C(), A2C(distribution="beta"), PPO(), DQN()], ids=["bernoulli", "beta", "ppo", "dqn"]
)
@pytest.mark.parametrize(("size", "ratio"), [(301, 0.3), (301, 0.5), (5, 0.5), (301, 0.9), (301, 1.0)])
def test_the_solved_price_meets_the_count_exactly(
    make_session: MakeSession, synthetic: Synthetic, spec: PolicySpec, size: int, ratio: float
) -> None:
    features, known = synthetic(size)
    session = make_session(spec, Cover(), known, ratio=ratio)
    sweep(session, features, 3)
    before = session.policy.keep_logit(features)
    solve_price(session.policy, features, ratio)
    after = session.remember(features)
    assert int((after > 0).sum()) == kept_count(ratio, size)
    assert session.share == pytest.approx(kept_count(ratio, size) / size)
    # the order of a Beta's means is bent a little by the shift, that of the others not at all
    if not isinstance(spec, A2C) or spec.distribution == "bernoulli":
        torch.testing.assert_close(after - before, (after - before).mean().expand(size), rtol=0, atol=1e-5)
    else:
        assert correlation(after, before) > 0.95


@pytest.mark.parametrize("ratio", [0.3, 0.9])
def test_the_cover_reward_ends_at_the_ratio_by_itself(
    make_session: MakeSession, synthetic: Synthetic, ratio: float
) -> None:
    features, known = synthetic(2000)
    session = make_session(A2C(learning_rate=5e-4), Cover(), known, ratio=ratio, rollout=500, price_rate=0.1)
    sweep(session, features, 60)
    # by the price alone, without its last, exact step
    assert share(session, features) == pytest.approx(ratio, abs=0.01)
    logits = session.policy.keep_logit(features)
    assert correlation(logits, known.mean_cover) > 0.95
    # the optimum under an entropy bonus: logit = (merit − price) / entropy; the network is smooth, merits are capped
    best = (session.merit - session.price) / A2C().entropy
    assert float((logits * best).sum() / best.square().sum()) == pytest.approx(1, abs=0.15)
    assert float((logits - best).abs().mean()) < 0.5


def test_the_papers_reward_drifts_to_keeping_everything(make_session: MakeSession, synthetic: Synthetic) -> None:
    features, known = synthetic(500)
    for seed in (0, 1):
        session = make_session(A2C(), Paper(), known, ratio=0.3, seed=seed)
        sweep(session, features, 25)
        assert share(session, features) > 0.99


def test_seeds_agree_with_credit_for_each_sample_and_not_with_a_scalar(
    make_session: MakeSession, synthetic: Synthetic
) -> None:
    features, known = synthetic(500)

    def logits(reward: Reward, seed: int) -> Tensor:
        session = make_session(A2C(), reward, known, ratio=0.5, seed=seed)
        sweep(session, features, 25)
        return session.policy.keep_logit(features)

    cover = [logits(Cover(), seed) for seed in (0, 1, 2)]
    scalar = [logits(PaperScalar(), seed) for seed in (0, 1, 2)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    assert min(correlation(cover[i], cover[j]) for i, j in pairs) > 0.9
    # what two random networks agree in by chance, on eight features
    assert sum(correlation(scalar[i], scalar[j]) for i, j in pairs) / 3 < 0.5
    assert min(correlation(found, known.mean_cover) for found in cover) > 0.9
    assert max(abs(correlation(found, known.mean_cover)) for found in scalar) < 0.6


@pytest.mark.parametrize("spec", [A2C(distribution="beta"), PPO(), DQN()], ids=["beta", "ppo", "dqn"])
def test_every_learner_finds_the_signal(make_session: MakeSession, synthetic: Synthetic, spec: PolicySpec) -> None:
    features, known = synthetic(600)
    session = make_session(spec, Cover(), known, ratio=0.7)
    sweep(session, features, 20)
    assert correlation(session.policy.keep_logit(features), known.mean_cover) > 0.85
    assert session.price < -0.1  # too few were kept at first
    assert share(session, features) == pytest.approx(0.7, abs=0.15)


def test_the_learning_rate_falls_over_a_sweep(
    make_session: MakeSession, synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, evidence = synthetic(30)
    session, factors = make_session(A2C(), Cover(), evidence), []
    monkeypatch.setattr(session.policy, "scale_learning_rate", factors.append)
    sweep(session, features, 3)
    assert factors == pytest.approx([3, 1.55, 0.1])


UNSURE = torch.tensor([-1.0, -0.5, 0.5, 2.0])
SURE = "the mean entropy of its keep probabilities is 0.003: it is sure of every sample"


@pytest.mark.parametrize(
    ("logits", "ratio", "unsure", "said"),
    [
        (UNSURE, 0.5, True, None),
        (UNSURE - 3, 0.7, True, "it would keep 0% of the samples where 70% are wanted"),
        (UNSURE + 3, 0.7, True, "it would keep 100% of the samples where 70% are wanted"),
        (UNSURE + 3, 1.0, True, None),
        (torch.full((4,), 0.3), 1.0, True, "it judges all samples alike"),
        # the entropy of a keep probability p near 1 is about e^-x (1 + x) at the logit x, 9 e^-8 = 0.003
        (
            8 * UNSURE.sign(),
            0.5,
            True,
            SURE,
        ),
        (8 * UNSURE.sign(), 0.5, False, None),
    ],
)
def test_a_policy_that_says_nothing_is_noticed(logits: Tensor, ratio: float, unsure: bool, said: str | None) -> None:
    assert collapse_of(logits, ratio=ratio, unsure=unsure) == said
