"""What each figure of a verification shows, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from rlsel.theory.envelopes import Envelope, Power
from rlsel.theory.measured import InfluenceResult, PairResult, Verification
from rlsel.theory.measured_trainings import EpochResult, GroupRemovals, SetValue


def sentences(found: Verification) -> dict[str, str]:
    """Returns the figures of a verification, in their order, each with the sentence that says what it shows."""
    same = found.propositions[0]
    return {
        "output": _envelope("The outputs", same.output),
        "loss": _envelope("The losses", same.loss),
        "gradient": _envelope("The gradients of the last layer", same.gradient),
        "cosine": _cosine(same),
        "full gradient": _envelope("The gradients of all parameters", same.full_gradient),
        "cover": (
            f"The greedy ε-nets of the classes bend where they hold {100 * found.net.bend_ratio:.1f} % of the samples, "
            "the ratio that they suggest."
        ),
        "influence": _influence(found),
        "group effect": _groups(found),
        **({"epochs": _epochs(found.epochs)} if found.epochs else {}),
        **({} if found.left_out is None else {"left out": _left_out(found.left_out)}),
        **({} if found.subsets is None else {"subsets": _subsets(found.subsets)}),
    }


def _envelope(what: str, envelope: Envelope | None) -> str:
    if envelope is None:
        return f"{what} of a class cannot be judged: there are too few pairs."
    law = (
        f"and the linear law holds up to ε = {envelope.holds_up_to:.3g} of {envelope.edges[-1]:.3g}"
        if envelope.holds_up_to
        else "but the nearest pairs are above that line: the linear law does not hold"
    )
    band = f"{envelope.slope_low:.3g} to {envelope.slope_high:.3g}"
    bend = f"; they grow as {_power(envelope.power)}" if envelope.power is not None else ""
    return (
        f"{what} of 95 % of the pairs of a class differ by at most {envelope.slope:.3g} ε (band {band}), {law}{bend}."
    )


def _power(power: Power) -> str:
    verdict = "more slowly than ε" if power.high < 1 else "faster than ε" if power.low > 1 else "like ε"
    return f"ε^{power.exponent:.2f} ({power.low:.2f} to {power.high:.2f}), {verdict}"


def _cosine(same: PairResult) -> str:
    if same.cosine_near is None or same.cosine_far is None:
        return "The directions of the gradients of a class cannot be judged: there are no pairs."
    return (
        f"The gradients of the nearest tenth of the pairs of a class have a mean cosine of {same.cosine_near:.2f}, of "
        f"the farthest {same.cosine_far:.2f}."
    )


def _influence(found: Verification) -> str:
    influence = found.influence
    ranks = influence.grouped.rank_correlation
    truth = "" if ranks is None else f"; estimates and refits of groups have a rank correlation of {ranks:.2f}"
    moved = (
        ""
        if influence.shifts is None
        else f"; it moves the weights by {influence.shifts.dropped:.2g} and {influence.shifts.kept:.2g}"
    )
    return _claim(influence, found.measured_on) + moved + truth + "."


def _claim(influence: InfluenceResult, split: str) -> str:
    if influence.difference is None or influence.difference_low is None or influence.difference_high is None:
        return "Dropped and kept covered samples cannot be compared, as there are none of one of them"
    inside = influence.difference_low <= 0 <= influence.difference_high
    return (
        f"Removing a dropped covered sample changes the {split} loss of the head by {influence.difference:+.2g} more "
        f"than a kept one (95 % interval {influence.difference_low:.2g} to {influence.difference_high:.2g}), which is "
        f"{'no' if inside else 'a'} measurable difference"
    )


def _groups(found: Verification) -> str:
    shares = [(group.effect.share, group.name) for group in found.groups if group.effect and group.effect.share]
    if not shares:
        return "The removals of two samples cannot be compared with those of one."
    (least, low), (most, high) = min(shares), max(shares)
    return (
        f"Removing two near samples differs from the sum of both removals by {100 * least:.1f} % ({low}) to "
        f"{100 * most:.1f} % ({high})."
    )


def _epochs(epochs: Sequence[EpochResult]) -> str:
    first, last = epochs[0], epochs[-1]
    if first.output is None or last.output is None or first.gradient is None or last.gradient is None:
        return "The propositions cannot be followed over the epochs: there are too few pairs."
    return (
        f"From epoch {first.epoch} to {last.epoch} the constant of the outputs of a class goes from "
        f"{first.output.slope:.3g} to {last.output.slope:.3g}, that of the gradients of the last layer from "
        f"{first.gradient.slope:.3g} to {last.gradient.slope:.3g}."
    )


def _left_out(found: GroupRemovals) -> str:
    ranks = [
        f"{name} {number:.2f}"
        for name, number in (
            ("the network's estimates", found.rank_correlation),
            ("the convex head's", found.head_rank_correlation),
            ("two rounds of the trainings themselves", found.between_rounds),
        )
        if number is not None
    ]
    known = f"Rank correlations with the trainings that leave groups out: {', '.join(ranks)}" if ranks else "No ranks"
    if found.difference is None:
        return known + "; dropped and kept covered samples cannot be compared."
    return (
        f"{known}; without dropped covered samples the loss changes by {found.difference:+.2g} more than without as "
        f"many kept ones (95 % interval {found.difference_low:.2g} to {found.difference_high:.2g})."
    )


def _subsets(found: SetValue) -> str:
    best = found.proxies[0]
    if best.loss is None or best.low is None or best.high is None:
        return "The proxies of a subset's value cannot be judged: there are too few subsets."
    return (
        f"Of {found.subsets} drawn subsets, {best.name} orders the losses of real trainings best, with a rank "
        f"correlation of {best.loss:.2f} (95 % interval {best.low:.2f} to {best.high:.2f})."
    )
