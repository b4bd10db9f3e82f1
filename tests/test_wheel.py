"""The wheel holds all that the program needs, its configuration included."""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def can_build() -> bool:
    """Returns whether pip and the setuptools that `pyproject.toml` asks for are installed: nothing is downloaded."""
    return None not in (find_spec("pip"), find_spec("setuptools")) and int(version("setuptools").split(".")[0]) >= 77


pytestmark = pytest.mark.skipif(not can_build(), reason="needs pip and setuptools>=77 to build a wheel")


def run(*arguments: str | Path, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the wheel from a copy of the sources, as setuptools leaves a `build` folder beside them."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "src", "conf"):
        (source / name).symlink_to(ROOT / name)
    built = run(
        *("-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder), cwd=source
    )
    assert built.returncode == 0, built.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


def test_the_wheel_has_every_source_and_every_configuration(wheel: Path) -> None:
    sources = {f"rlsel/{path.relative_to(ROOT / 'src/rlsel')}" for path in (ROOT / "src/rlsel").rglob("*.py")}
    configurations = {f"rlsel/conf/{path.relative_to(ROOT / 'conf')}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert len(sources) > 50
    assert len(configurations) > 30
    templates = {f"rlsel/{path.relative_to(ROOT / 'src/rlsel')}" for path in ROOT.glob("src/rlsel/report/templates/*")}
    assert len(templates) > 10
    expected = sources | configurations | templates | {"rlsel/py.typed", "rlsel/conf/__init__.py"}
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == expected


def test_an_installed_program_finds_its_configuration_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    installed = run("-m", "pip", "install", "--no-deps", "--no-index", "--target", target, wheel, cwd=elsewhere)
    assert installed.returncode == 0, installed.stderr
    where = run("-c", "import rlsel; print(rlsel.__file__)", cwd=elsewhere, path=target)
    assert where.stdout.strip() == str(target / "rlsel" / "__init__.py"), "not the sources beside these tests"
    shown = run("-m", "rlsel", "select", "--cfg", "job", "model=resnet18", cwd=elsewhere, path=target)
    assert shown.returncode == 0, shown.stderr
    assert "ratio: 0.7\n" in shown.stdout
    assert "_target_: rlsel.models.resnet.ResNet18\n" in shown.stdout
    assert not list(elsewhere.iterdir())
    scripts = (target / "bin" / "rlsel").read_text()
    assert "rlsel.cli.main" in scripts
