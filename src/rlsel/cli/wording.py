"""What was measured and how long it takes, in words for a person; no word of the inside unless asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

_NOT_SHOWN = frozenset({"epoch", "step", "seconds", "learning_rate"})
"""What every display shows anyway."""

_INSIDE = frozenset(
    {"price", "jaccard_previous", "actor_loss", "critic_loss", "entropy", "coverage_correlation", "redundancy_reward"}
)
"""What says how a policy learns, and nothing of what it comes to: `verbose=true` shows it."""

_WORDS = {
    "accuracy": "training accuracy",
    "reward": "mean reward",
    "price": "price on keeping",
    "jaccard_previous": "overlap with the choice before",
    "entropy": "entropy of the policy",
    "coverage_correlation": "correlation of E_c and keeping",
}

_LEVELS = "▁▂▃▄▅▆▇█"


def describe(measurements: Mapping[str, float], *, verbose: bool = False) -> str:
    """Returns "loss 0.1234, training accuracy 0.95" without what the display shows anyway.

    Args:
        measurements: What was measured in an epoch, by the names of `metrics.jsonl`.
        verbose: Whether to tell too how a policy learns.
    """
    hidden = _NOT_SHOWN if verbose else _NOT_SHOWN | _INSIDE
    shown = {name: value for name, value in measurements.items() if name not in hidden}
    return ", ".join(f"{_WORDS.get(name, name.replace('_', ' '))} {value:.4g}" for name, value in shown.items())


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """Returns the last `width` values as bars, the lowest of them as the lowest bar and the highest as the highest."""
    last = values[-width:]
    if not last:
        return ""
    low, high = min(last), max(last)
    if high == low:
        return _LEVELS[len(_LEVELS) // 2] * len(last)
    return "".join(_LEVELS[round((value - low) / (high - low) * (len(_LEVELS) - 1))] for value in last)


def duration(seconds: float) -> str:
    """Returns "1:05", or "2:13:19" from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Pace:
    """How fast a training goes, counted from the first step that was reported: a resumed one starts in the middle."""

    def __init__(self, steps: int) -> None:
        self._steps, self._first, self._done = steps, 0, 0
        self._began: float | None = None

    def step(self, done: int) -> None:
        """Takes note of the steps done."""
        if self._began is None:
            self._began, self._first = time.monotonic(), done
        self._done = done

    def describe(self) -> str:
        """Returns "12.3 steps/s, 1:05 left", or nothing while that is not known."""
        elapsed = 0.0 if self._began is None else time.monotonic() - self._began
        if elapsed <= 0 or self._done <= self._first:
            return ""
        rate = (self._done - self._first) / elapsed
        return f"{rate:.1f} steps/s, {duration((self._steps - self._done) / rate)} left"
