from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from rlsel.cover.settings import CoverSettings
from rlsel.policy.a2c import A2C
from rlsel.policy.dqn import DQN
from rlsel.policy.learning import LearningSettings
from rlsel.policy.mdp import Decision, Experience, PolicySpec, Update
from rlsel.policy.ppo import PPO
from rlsel.policy.rewards import Behaviour, Cover, Dynamics, Evidence, Paper
from rlsel.selectors.base import Recording
from rlsel.selectors.policy_learner import PolicyLearner
from rlsel.selectors.policy_state import StateScaler, StoredPolicy, history_columns
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.checkpoints import load_state, save_state
from rlsel.training.observation import Observer

Film = Callable[..., None]
SIZE = 100
LABELS = torch.arange(SIZE) % 2
FEATURES = torch.randn(SIZE, 4, generator=torch.Generator().manual_seed(3))
METHOD = RLSelector(
    policy=A2C(),
    reward=Cover(),
    cover=CoverSettings(),
    ratio=0.7,
    settle_passes=5,
)
LEARNING = LearningSettings(rollout=50, price_rate=0.05)
WHOLE = LearningSettings(rollout=SIZE, price_rate=0.05)
"""One update for each pass over the samples."""


def learner(
    method: RLSelector = METHOD, seed: int = 0, learning: LearningSettings = LEARNING
) -> tuple[PolicyLearner, list[Observer]]:
    recording = Recording(LABELS, 2)
    made = PolicyLearner(method, learning, size=SIZE, seed=seed, recording=recording)
    return made, [*recording.observers, made]


def finish(made: PolicyLearner, ratio: float = 0.7) -> Tensor:
    """Settles on the features that the training drifted around, with a behaviour that tells nothing, and judges."""
    generator = torch.Generator().manual_seed(4)
    forgetting, error_norm, margin, variability, p_value = torch.rand(5, SIZE, generator=generator)
    behaviour = Behaviour(
        forgetting=forgetting,
        error_norm=error_norm,
        margin=margin,
        variability=variability,
        label_p_value=p_value,
    )
    made.settle(FEATURES, behaviour)
    return made.judge(ratio)


def trained(
    film: Film, method: RLSelector = METHOD, *, epochs: int = 3, learning: LearningSettings = LEARNING
) -> PolicyLearner:
    made, observers = learner(method, learning=learning)
    film(observers, FEATURES, LABELS, epochs=range(epochs))
    return made


@dataclass
class ScriptedPolicy:
    """Keeps a share of each batch, from the highest or the lowest cover on, by a plan with an entry for each update."""

    plan: list[tuple[int, int]]
    gamma: float = 0.0
    version: Tensor = field(default_factory=lambda: torch.zeros(1))

    def act(self, states: Tensor, generator: torch.Generator) -> Decision:
        count, direction = self.plan[int(self.version)]
        actions = torch.zeros(len(states))
        actions[(direction * states[:, 4]).topk(count).indices] = 1  # column 4: the mean cover, after four features
        return Decision(actions=actions, log_probabilities=torch.zeros(len(states)), keep_probabilities=actions)

    def update(self, experience: Experience, generator: torch.Generator) -> Update:
        self.version += 1  # in place, as an optimiser does
        return Update(actor_loss=0.0, critic_loss=0.0, entropy=0.0)

    def keep_logit(self, states: Tensor) -> Tensor:
        return torch.arange(len(states)) - 69.5  # thirty of a hundred are above zero

    def state_dict(self) -> dict[str, Any]:
        return {"version": self.version}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.version.copy_(state["version"])

    def scale_learning_rate(self, factor: float) -> None:
        return

    def value(self, states: Tensor) -> Tensor:
        raise NotImplementedError

    def shift_keep_logit(self, amount: float) -> None:
        raise NotImplementedError

    def parameters_by_name(self) -> dict[str, Tensor]:
        return self.state_dict()

    def load_parameters(self, parameters: Mapping[str, Tensor]) -> None:
        self.version = parameters["version"].clone()


@dataclass(frozen=True, kw_only=True)
class Script:
    name: ClassVar[str] = "script"
    entropy_weight: ClassVar[float] = 1.0
    policy: ScriptedPolicy

    def build(self, state_size: int, seed: int) -> ScriptedPolicy:
        return self.policy


def test_the_warm_up_only_fills_the_bank(film: Film) -> None:
    made, observers = learner(replace(METHOD, warmup_epochs=2, cover=CoverSettings(refresh_every=1)))
    measured: list[Mapping[str, float]] = []
    film(observers, FEATURES, LABELS, epochs=range(2), measured=measured)
    assert measured == [{}, {}]
    assert made.actions(torch.tensor([3, 1])).tolist() == [1, 1]
    film(observers, FEATURES, LABELS, epochs=range(2, 4), measured=measured)
    assert set(measured[2]) == {
        "share_kept",
        "price",
        "reward",
        "redundancy_reward",
        "actor_loss",
        "critic_loss",
        "entropy",
        "coverage_correlation",
    }
    assert set(measured[3]) - set(measured[2]) == {"jaccard_previous"}
    assert 0 < measured[3]["jaccard_previous"] <= 1
    # a Bernoulli policy draws zeros and ones
    assert set(made.actions(torch.arange(SIZE)).tolist()) == {0.0, 1.0}


def test_before_anything_was_seen_there_is_nothing_to_ask() -> None:
    made, _ = learner()
    assert made.state_dict() == {}
    made.load_state_dict({})
    with pytest.raises(ValueError, match="must have settled"):
        made.stored()
    with pytest.raises(ValueError, match="must have settled"):
        made.judge(0.7)
    assert not made.settled


@pytest.mark.parametrize("ratio", [0.25, 0.7, 0.9])
@pytest.mark.parametrize("policy", [A2C(), A2C(distribution="beta"), PPO(), DQN()], ids=lambda spec: spec.name)
def test_a_reward_with_a_price_ends_at_the_count_exactly(film: Film, policy: PolicySpec, ratio: float) -> None:
    logits = finish(trained(film, replace(METHOD, policy=policy, ratio=ratio)), ratio)
    assert logits.shape == (SIZE,)
    assert logits.dtype == torch.float32
    assert int((logits > 0).sum()) == round(ratio * SIZE)


def test_the_logits_are_as_far_apart_as_those_at_the_optimum(film: Film) -> None:
    merit, spreads = Tensor(), []
    for policy in (A2C(entropy=0.5), A2C(entropy=2.0), DQN(temperature=2.0), A2C(entropy=0.0)):
        made = trained(film, replace(METHOD, policy=policy))
        spreads.append(float(finish(made).std()))
        merit = Cover().merit(made.stored().evidence)
    # a hundredth of the learned logits is added; without entropy there is no optimum
    assert spreads[:3] == pytest.approx([float(merit.std()) / temperature for temperature in (0.5, 2, 2)], rel=0.1)
    assert spreads[3] > 0


def test_what_the_target_never_learned_is_left_out_of_small_choices(film: Film) -> None:
    made = trained(film, replace(METHOD, reward=Dynamics(), ratio=0.5))
    generator = torch.Generator().manual_seed(4)
    forgetting, error_norm, variability, p_value = torch.rand(4, SIZE, generator=generator)
    margin = torch.linspace(-0.085, 0.905, SIZE)  # nine are below 0
    made.settle(
        FEATURES,
        Behaviour(
            forgetting=forgetting, error_norm=error_norm, margin=margin, variability=variability, label_p_value=p_value
        ),
    )
    never = torch.arange(SIZE) < 9
    half, tenth = made.judge(0.5), made.judge(0.1)
    assert set(tenth.topk(91).indices.tolist()) == set(range(9, SIZE))
    assert half[never].max() > half[~never].min()
    assert [int((logits > 0).sum()) for logits in (half, tenth)] == [50, 10]
    # the others keep their order
    assert half[~never].argsort().equal(tenth[~never].argsort())


def test_the_papers_reward_is_left_where_it_ends(film: Film) -> None:
    method = replace(METHOD, reward=Paper(), ratio=0.3, settle_passes=60)
    assert int((finish(trained(film, method)) > 0).sum()) > 60


@pytest.mark.parametrize(
    ("given", "columns"),
    [
        ({}, 4 + 7 + 1),  # the features, the history, and that there is one
        ({"state": "features"}, 4),
        ({"conditioned": True}, 4 + 7 + 1 + 1),  # and the ratio
        ({"state": "features", "conditioned": True}, 4 + 1),
    ],
)
def test_the_state_has_what_it_should(film: Film, given: dict[str, Any], columns: int) -> None:
    made = trained(film, replace(METHOD, **given))
    finish(made)
    assert made.stored().scaler.size == columns


def test_features_of_the_user_have_no_behaviour() -> None:
    made, _ = learner()
    made.settle(FEATURES, None)
    made.judge(0.7)
    assert made.stored().scaler.size == 4 + 1 + 1


@pytest.mark.parametrize(
    "method",
    [
        METHOD,
        replace(METHOD, policy=DQN(), state="features"),
        replace(METHOD, policy=A2C(distribution="beta", gamma=0.5), reward=Dynamics(cover_weight=0.5)),
        replace(METHOD, policy=PPO(), checkpoint="best_r2", cover=CoverSettings(refresh_every=2)),
    ],
    ids=["a2c", "dqn", "beta", "ppo"],
)
def test_interrupted_within_an_epoch_it_goes_on_identically(film: Film, tmp_path: Path, method: RLSelector) -> None:
    whole, observers = learner(method)
    film(observers, FEATURES, LABELS, epochs=range(3))
    film(observers, FEATURES, LABELS, epochs=range(3, 4), batches=slice(0, 3))
    save_state(tmp_path / "state", {"observers": [observer.state_dict() for observer in observers]})
    resumed, fresh = learner(method, seed=0)
    for observer, state in zip(fresh, load_state(tmp_path / "state")["observers"], strict=True):
        observer.load_state_dict(state)
    rows: list[list[Mapping[str, float]]] = [[], []]
    for watching, measured in zip((observers, fresh), rows, strict=True):
        film(watching, FEATURES, LABELS, epochs=range(3, 4), batches=slice(3, None), measured=measured)
        film(watching, FEATURES, LABELS, epochs=range(4, 5), measured=measured)
    assert rows[0] == rows[1]
    assert torch.equal(finish(whole), finish(resumed))


def test_it_follows_its_own_streams(film: Film) -> None:
    def finished(seed: int) -> Tensor:
        made, observers = learner(seed=seed)
        film(observers, FEATURES, LABELS, epochs=range(2))
        return finish(made)

    assert torch.equal(finished(0), finished(0))
    assert not torch.equal(finished(0), finished(1))


def test_the_best_epoch_is_that_of_the_highest_redundancy_reward_at_the_ratio(film: Film) -> None:
    # of twenty: six are 0.3; the third keeps more than the ratio, and earns most
    policy = ScriptedPolicy(plan=[(6, -1), (6, 1), (10, 1), (6, -1), (6, -1)])
    method = replace(
        METHOD,
        policy=Script(policy=policy),
        ratio=0.3,
        checkpoint="best_r2",
        cover=CoverSettings(refresh_every=1),
    )
    made, observers = learner(method, learning=WHOLE)
    measured: list[Mapping[str, float]] = []
    film(observers, FEATURES, LABELS, epochs=range(5), measured=measured)
    assert [row.get("share_kept") for row in measured] == [None, *map(pytest.approx, [0.3, 0.3, 0.5, 0.3])]
    earned = [row["redundancy_reward"] for row in measured[1:]]
    assert sorted(range(4), key=earned.__getitem__)[2:] == [1, 2]
    finish(made, 0.3)
    assert policy.version.item() == 1


def test_without_an_epoch_at_the_ratio_it_is_the_last(film: Film) -> None:
    policy = ScriptedPolicy(plan=[(10, 1)] * 99)
    method = replace(
        METHOD,
        policy=Script(policy=policy),
        ratio=0.3,
        checkpoint="best_r2",
        cover=CoverSettings(refresh_every=1),
    )
    made = trained(film, method, epochs=5, learning=WHOLE)
    assert policy.version.item() == 3  # the batches of the last epoch wait
    finish(made, 0.3)
    assert policy.version.item() == 4 + method.settle_passes


def stored_at_seventy_percent(film: Film) -> tuple[StoredPolicy, Tensor]:
    made = trained(film, replace(METHOD, settle_passes=20))
    logits = finish(made)
    return made.stored(), logits


def test_a_stored_policy_judges_as_before(film: Film, tmp_path: Path) -> None:
    stored, before = stored_at_seventy_percent(film)
    stored.save(tmp_path)
    fresh, _ = learner(seed=5)
    # without further passes, at the same ratio, there is nothing to learn and nothing to solve
    fresh.adapt(StoredPolicy.load(tmp_path), 0)
    assert torch.equal(fresh.judge(0.7), before)


def test_a_stored_policy_adapts_to_another_ratio(film: Film) -> None:
    stored, before = stored_at_seventy_percent(film)
    fresh, _ = learner(replace(METHOD, ratio=0.4), seed=5)
    fresh.adapt(stored, 15)
    after = fresh.judge(0.4)
    assert int((after > 0).sum()) == 40
    # what was among the best stays so: 40 of the 70 kept before
    assert float((before[after > 0] > 0).float().mean()) > 0.85
    assert fresh.stored().price > stored.price  # fewer are kept: keeping costs more
    # from nothing, as many passes know less of the signal
    scratch, _ = learner(replace(METHOD, ratio=0.4, settle_passes=2), seed=5)
    signal = stored.evidence.mean_cover
    blank = finish(scratch, 0.4)
    warm, _ = learner(replace(METHOD, ratio=0.4), seed=5)
    warm.adapt(stored, 2)
    assert correlation(warm.judge(0.4), signal) > correlation(blank, signal)


def correlation(first: Tensor, second: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([first, second]))[0, 1])


def test_it_learns_the_cover(film: Film) -> None:
    made = trained(film, replace(METHOD, settle_passes=20))
    logits = finish(made)
    assert correlation(logits, made.stored().evidence.mean_cover) > 0.9


def test_it_acts_in_the_epochs_that_follow_a_measurement(film: Film) -> None:
    made, observers = learner(replace(METHOD, cover=CoverSettings(refresh_every=3), reward=Cover()))
    acted, before = [], made.actions(torch.arange(SIZE))
    for epoch in range(7):
        film(observers, FEATURES, LABELS, epochs=range(epoch, epoch + 1), total=7)
        after = made.actions(torch.arange(SIZE)).clone()
        if not torch.equal(before, after):
            acted.append(epoch)
        before = after
    assert acted == [3, 6]  # measured after the epochs 2 and 5


def hidden_signal(count: int) -> tuple[Tensor, Tensor]:
    """Returns features, and a signal that can be told from them."""
    features = torch.randn(count, 6, generator=torch.Generator().manual_seed(8))
    return features, features[:, 0] + 0.5 * features[:, 1] * features[:, 2]


def settled_on(features: Tensor, signal: Tensor, method: RLSelector) -> PolicyLearner:
    """Returns a learner that learned a signal, which is in its history too, in five passes from nothing."""
    recording = Recording(torch.zeros(1000, dtype=torch.int64), 1)
    made = PolicyLearner(method, LearningSettings(rollout=100, price_rate=0.05), size=1000, seed=0, recording=recording)
    columns = 1 + 1
    scaler = StateScaler.fit(features, history=columns, conditioned=method.conditioned)
    made.adapt(
        StoredPolicy(
            parameters=method.policy.build(scaler.size, 0).parameters_by_name(),
            scaler=scaler,
            price=0.0,
            features=features,
            evidence=Evidence(coverage=signal, mean_cover=signal / signal.std()),
        ),
        10,
    )
    return made


@pytest.mark.parametrize("conditioned", [False, True])
def test_it_judges_samples_with_a_history_and_samples_that_it_never_saw(conditioned: bool) -> None:
    features, signal = hidden_signal(2000)
    method = replace(METHOD, ratio=0.25, conditioned=conditioned)
    made = settled_on(features[:1000], signal[:1000], method)
    assert correlation(made.judge(0.25), signal[:1000]) > 0.9
    stored = made.stored()
    unseen = stored.networks.judge(features[1000:], A2C(), ratio=0.25)
    # chance is 0 ± 0.03
    assert correlation(unseen, signal[1000:]) > 0.6


def test_a_conditioned_policy_knows_the_price_of_each_ratio() -> None:
    features, signal = hidden_signal(1000)
    made = settled_on(features, signal, replace(METHOD, conditioned=True))
    for ratio in (0.2, 0.5, 0.8):
        logits = made.judge(ratio)
        assert int((logits > 0).sum()) == round(1000 * ratio)
        stored = made.stored()
        session_like = A2C().build(stored.scaler.size, 0)
        session_like.load_parameters(made._as_settled().parameters)
        states = stored.scaler.states(features, history_columns(stored.evidence), ratio=ratio)
        # before its threshold was moved, it was close already
        assert float((session_like.keep_logit(states) > 0).float().mean()) == pytest.approx(ratio, abs=0.1)
    assert torch.equal(made.judge(0.5), made.judge(0.5))


def test_what_a_conditioned_policy_was_asked_before_makes_no_difference(film: Film) -> None:
    once, twice = (trained(film, replace(METHOD, conditioned=True)) for _ in range(2))
    finish(once, 0.3)
    finish(twice, 0.8)
    assert torch.equal(once.judge(0.3), twice.judge(0.3))


def test_a_policy_turns_to_another_reward_and_back(film: Film) -> None:
    made = trained(film)
    before = finish(made)
    stored = made.stored()
    variants = METHOD.reward.variants()

    made.turn_to(variants["redundant"])
    turned = made.judge(0.7)
    other = made.stored()
    made.turn_to(METHOD.reward)

    assert torch.equal(made.judge(0.7), before)
    # a policy that learned the opposite merit has the opposite order
    ranks = torch.stack([before, turned]).argsort(dim=1).argsort(dim=1).float()
    assert torch.corrcoef(ranks)[0, 1] < -0.5
    assert (stored.variant, other.variant) == (0, 2)
    assert METHOD.as_learned(other).reward == variants["redundant"]


def test_a_policy_that_is_indifferent_draws_at_random(film: Film) -> None:
    made = trained(film)
    finish(made)
    made.turn_to(METHOD.reward.variants()["random"])

    logits = made.judge(0.7)

    # the weights of a draw, exp(logit), are within a few percent of one another
    assert (logits.max() - logits.min()).exp() < 1.1
    assert int((logits > 0).sum()) == 70
