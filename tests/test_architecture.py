"""What the package promises about itself as a whole."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import rlsel
from rlsel.coreset import Coreset

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "rlsel").rglob("*.py"))

HEAVY = ("torch", "torchvision", "sklearn", "scipy", "matplotlib", "lightning_fabric", "hydra", "omegaconf", "rich")
LOOK_UPS = ("globals", "locals", "eval", "exec")


def loaded_by(statements: str) -> set[str]:
    """Returns which of the heavy packages a fresh interpreter has loaded after the statements."""
    command = f"import sys\n{statements}\nprint(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    loaded = set(output.split())
    assert "rlsel" in loaded
    return loaded.intersection(HEAVY)


@pytest.mark.parametrize(
    "statements", ["import rlsel", "import rlsel.coreset", "import rlsel; rlsel.Coreset", "import rlsel.randomness"]
)
def test_the_artefact_loads_nothing_heavy(statements: str) -> None:
    assert loaded_by(statements) == set()


def test_what_is_heavy_would_be_found() -> None:
    assert loaded_by("import rlsel, omegaconf") == {"omegaconf"}


def test_public_names_are_imported_when_asked_for() -> None:
    assert rlsel.Coreset is Coreset
    with pytest.raises(AttributeError, match="module 'rlsel' has no attribute 'nope'"):
        _ = rlsel.nope
    assert all(getattr(rlsel, name) for name in rlsel.__all__)


def test_the_version_is_the_one_of_the_package() -> None:
    assert rlsel.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def offences(source: str) -> Iterator[str]:
    """Yields what hides a misspelt keyword, or looks a name up, in Python source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and node.args.kwarg is not None:
            yield f"line {node.lineno}: a **keywords parameter swallows a misspelt name"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LOOK_UPS:
            yield f"line {node.lineno}: {node.func.id}()"
        elif isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield f"line {node.lineno}: import *"


def test_no_source_hides_misspelt_keywords_or_looks_names_up() -> None:
    assert len(SOURCES) > 100
    found = [f"{path}, {offence}" for path in SOURCES for offence in offences(path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("source", "offence"),
    [
        ("def f(**kwargs): ...", "a **keywords parameter"),
        ("async def f(**kwargs): ...", "a **keywords parameter"),
        ("f = lambda **kwargs: 0", "a **keywords parameter"),
        *((f"{name}()", f"{name}()") for name in ("globals", "locals", "eval", "exec")),
        ("from os import *", "import *"),
    ],
)
def test_what_the_check_above_looks_for_would_be_found(source: str, offence: str) -> None:
    (found,) = offences(f"x = 1\n{source}")
    assert found.startswith(f"line 2: {offence}")
