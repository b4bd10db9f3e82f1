"""Choose the part of a data set worth training on."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlsel.api import Setup, apply, compare, features, select, select_many, train_on_subset
    from rlsel.coreset import Coreset

__all__ = [
    "Coreset",
    "Setup",
    "__version__",
    "apply",
    "compare",
    "features",
    "select",
    "select_many",
    "train_on_subset",
]
__version__ = "0.1.0"

_HOMES = dict.fromkeys(
    ("Setup", "apply", "compare", "features", "select", "select_many", "train_on_subset"), "rlsel.api"
)
_HOMES["Coreset"] = "rlsel.coreset"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute
    """Imports a public name when it is first asked for, so that `import rlsel` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rlsel' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
