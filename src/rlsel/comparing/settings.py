"""The settings of a comparison as plain data, as in its `config.yaml`."""

from __future__ import annotations

from typing import Any

from rlsel.comparing.request import CompareRequest
from rlsel.runs.layout import evaluation_settings, plain, run_settings


def comparison_settings(request: CompareRequest) -> dict[str, Any]:
    """Returns all that was asked for, as in `config.yaml`."""
    extended: dict[str, Any] = {
        "selectors": [selector.name for selector in request.selectors],
        "ratios": list(request.ratios),
        "seeds": list(request.seeds),
        "train_models": [plain(model) for model in request.train_models],
        **evaluation_settings(request.evaluation),
    }
    if request.dynamic:
        extended["dynamic"] = list(request.dynamic)
    if request.variants:
        extended["variants"] = {
            row.name: {"selector": plain(row.selector), "export": plain(row.export)} for row in request.variants
        }
    return {**shared_settings(request), **extended}


def shared_settings(request: CompareRequest) -> dict[str, Any]:
    """Returns what all runs of a comparison have in common, however far it is extended."""
    shared = run_settings(request.settings)
    del shared["seed"]
    cover, export = plain(request.cover), plain(request.export)
    for node in (cover, export):
        del node["_target_"]
    return {
        **shared,
        "policy": plain(request.policy),
        "reward": plain(request.reward),
        "cover": cover,
        "export": export,
        "budget": request.budget,
    }
