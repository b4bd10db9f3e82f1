"""What a policy sees of a sample, and the learned policy as a thing that can be stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from rlsel.policy.learning import ratio_column
from rlsel.policy.mdp import PolicySpec
from rlsel.policy.rewards import Behaviour, Evidence
from rlsel.training.checkpoints import load_tensors, save_tensors

STATE_FEATURES = 64
"""Most columns that features make of a state."""

POLICY_FILE, FEATURES_FILE = "policy.safetensors", "features.safetensors"

_BEHAVIOUR = tuple(item.name for item in fields(Behaviour))


def random_projection(size: int, generator: torch.Generator) -> Tensor | None:
    """Draws a projection of features to `STATE_FEATURES` columns, which keeps the distances between samples.

    The same for the whole training, while the features move; their distances are what the cover is made of, and a
    random projection keeps them up to a few percent (Johnson & Lindenstrauss 1984).

    Args:
        size: D.
        generator: A CPU generator.

    Returns:
        (D, `STATE_FEATURES`) with orthonormal columns; None where D is not larger.
    """
    if size <= STATE_FEATURES:
        return None
    columns: Tensor = torch.linalg.qr(torch.randn(size, STATE_FEATURES, generator=generator)).Q
    return columns.contiguous()


def history_columns(evidence: Evidence) -> Tensor:
    """Returns the (N, H) history of samples in a state: what was seen of them, and a 1 that says that it was."""
    columns = evidence.columns()
    return torch.cat([columns, torch.ones_like(columns[:, :1])], dim=1)


@dataclass(frozen=True, kw_only=True)
class StateScaler:
    """Makes states of features: few columns, of one scale, since a light policy learns best from those.

    Attributes:
        mean: (P,).
        deviation: (P,), positive.
        projection: (D, P) what the features are multiplied with first; None for P = D and nothing.
        history: H, the columns of a state that follow those of the features.
        conditioned: Whether the ratio is one more column, the last.
    """

    mean: Tensor
    deviation: Tensor
    projection: Tensor | None = None
    history: int = 0
    conditioned: bool = False

    @classmethod
    def fit(
        cls, features: Tensor, projection: Tensor | None = None, *, history: int = 0, conditioned: bool = False
    ) -> StateScaler:
        """Measures the (N, D) features, projected."""
        features = features if projection is None else features @ projection
        deviation = features.std(dim=0) if len(features) > 1 else torch.ones(features.shape[1])
        # a feature that never fires must not be blown up, nor divided by zero
        floor = 1e-3 * deviation.mean().clamp_min(1e-6)
        return cls(
            mean=features.mean(dim=0),
            deviation=deviation.clamp_min(float(floor)),
            projection=projection,
            history=history,
            conditioned=conditioned,
        )

    @property
    def size(self) -> int:
        """S, the columns of a state."""
        return len(self.mean) + self.history + self.conditioned

    def states(self, features: Tensor, history: Tensor | None, *, ratio: float) -> Tensor:
        """Returns the states of samples.

        Args:
            features: (B, D).
            history: (B, H) `history_columns`; None for unseen samples.
            ratio: The share that is to be kept of them.

        Returns:
            (B, S).
        """
        features = features if self.projection is None else features @ self.projection
        scaled = ((features - self.mean) / self.deviation).clamp(-10, 10)
        if history is None:
            history = scaled.new_zeros(len(scaled), self.history)
        columns = [scaled, history]
        if self.conditioned:
            columns.append(ratio_column(scaled.new_full((len(scaled), 1), ratio)))
        return torch.cat(columns, dim=1)


@dataclass(frozen=True, kw_only=True)
class PolicyNetworks:
    """The part of a learned policy that a file `*.safetensors` holds.

    Attributes:
        parameters: Parameters of its networks.
        scaler: How its states are made of features.
        price: The price on keeping.
    """

    parameters: Mapping[str, Tensor]
    scaler: StateScaler
    price: float

    def save(self, path: Path) -> None:
        """Writes the file."""
        tensors = {f"network.{name}": value for name, value in self.parameters.items()}
        tensors |= {"scaler.mean": self.scaler.mean, "scaler.deviation": self.scaler.deviation}
        tensors["scaler.history"] = torch.tensor(self.scaler.history)
        tensors["scaler.conditioned"] = torch.tensor(self.scaler.conditioned)
        if self.scaler.projection is not None:
            tensors["scaler.projection"] = self.scaler.projection
        save_tensors(path, {**tensors, "price": torch.tensor(self.price)})

    @classmethod
    def load(cls, path: Path) -> PolicyNetworks:
        """Reads what `save` wrote.

        Raises:
            CoresetError: if the file is missing or damaged.
        """
        tensors = load_tensors(path)
        return cls(
            parameters={
                name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")
            },
            scaler=StateScaler(
                mean=tensors["scaler.mean"],
                deviation=tensors["scaler.deviation"],
                projection=tensors.get("scaler.projection"),
                history=int(tensors["scaler.history"]),
                conditioned=bool(tensors["scaler.conditioned"]),
            ),
            price=float(tensors["price"]),
        )

    def judge(self, features: Tensor, spec: PolicySpec, *, ratio: float) -> Tensor:
        """Judges samples by their features alone.

        Args:
            features: (N, D), of any samples.
            spec: What the networks were built with.
            ratio: The share that is to be kept, which a conditioned policy sees.

        Returns:
            (N,) float32 keep logits, with the threshold where the policy ended.
        """
        policy = spec.build(self.scaler.size, 0)
        policy.load_parameters(self.parameters)
        return policy.keep_logit(self.scaler.states(features, None, ratio=ratio)).float()


@dataclass(frozen=True, kw_only=True)
class StoredPolicy:
    """A learned policy with all that it needs to judge or to learn on.

    Attributes:
        parameters: Parameters of its networks.
        scaler: How its states are made of features.
        price: The price on keeping.
        features: (N, D) clean features of the training split that it was last trained on.
        evidence: What was known of the N samples then.
        variant: The place of the reward that it was learned for among the variants of the method's; 0 is its own.
    """

    parameters: Mapping[str, Tensor]
    scaler: StateScaler
    price: float
    features: Tensor
    evidence: Evidence
    variant: int = 0

    @property
    def networks(self) -> PolicyNetworks:
        """What judges other samples."""
        return PolicyNetworks(parameters=self.parameters, scaler=self.scaler, price=self.price)

    def save(self, folder: Path) -> None:
        """Writes `policy.safetensors` and `features.safetensors`."""
        self.networks.save(folder / POLICY_FILE)
        known = {
            "features": self.features,
            "coverage": self.evidence.coverage,
            "mean_cover": self.evidence.mean_cover,
            "variant": torch.tensor(self.variant),
        }
        if self.evidence.behaviour is not None:
            known |= {f"behaviour.{name}": getattr(self.evidence.behaviour, name) for name in _BEHAVIOUR}
        save_tensors(folder / FEATURES_FILE, known)

    @classmethod
    def load(cls, folder: Path) -> StoredPolicy:
        """Reads what `save` wrote.

        Raises:
            CoresetError: if a file is missing or damaged.
        """
        networks = PolicyNetworks.load(folder / POLICY_FILE)
        known = load_tensors(folder / FEATURES_FILE)
        behaviour = None
        if f"behaviour.{_BEHAVIOUR[0]}" in known:
            behaviour = Behaviour(**{name: known[f"behaviour.{name}"] for name in _BEHAVIOUR})
        return cls(
            parameters=networks.parameters,
            scaler=networks.scaler,
            price=networks.price,
            features=known["features"],
            evidence=Evidence(coverage=known["coverage"], mean_cover=known["mean_cover"], behaviour=behaviour),
            variant=int(known["variant"]),
        )
