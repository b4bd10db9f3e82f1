"""Choose the part of a data set worth training on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlsel.coreset import Coreset

__all__ = ["Coreset", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute
    """Imports a public name when it is first asked for, so that `import rlsel` costs nothing."""
    if name == "Coreset":
        from rlsel.coreset import Coreset

        return Coreset
    raise AttributeError(f"module 'rlsel' has no attribute {name!r}")
