"""Choose the part of a data set worth training on."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlsel.api.choosing import apply, features, select, select_many
    from rlsel.api.evaluating import compare, train_on_subset
    from rlsel.api.setup import Setup
    from rlsel.coreset import Coreset
    from rlsel.dynamic.sampler import DynamicSampler
    from rlsel.formats.writing import export_coreset

__all__ = [
    "Coreset",
    "DynamicSampler",
    "Setup",
    "__version__",
    "apply",
    "compare",
    "export_coreset",
    "features",
    "select",
    "select_many",
    "train_on_subset",
]
__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(("apply", "features", "select", "select_many"), "rlsel.api.choosing"),
    **dict.fromkeys(("compare", "train_on_subset"), "rlsel.api.evaluating"),
    "Setup": "rlsel.api.setup",
    "Coreset": "rlsel.coreset",
    "DynamicSampler": "rlsel.dynamic.sampler",
    "export_coreset": "rlsel.formats.writing",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute
    """Imports a public name when it is first asked for, so that `import rlsel` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rlsel' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
