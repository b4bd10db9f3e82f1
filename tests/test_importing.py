import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlsel.cover.settings import CoverSettings
from rlsel.errors import ConfigurationError
from rlsel.importing import import_target, targets_from
from rlsel.models.own_network import OwnNetwork
from rlsel.structure import build


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module in the working folder that leaves a file when it is imported."""
    name = "leaves_a_trace"
    (tmp_path / f"{name}.py").write_text(
        "from pathlib import Path\nPath('trace').touch()\ndef net(num_classes): ...\nNUMBER = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield name
    sys.modules.pop(name, None)


def test_a_known_package_needs_no_word_of_the_user() -> None:
    assert import_target("rlsel.cover.settings.CoverSettings", "cover._target_") is CoverSettings
    assert callable(import_target("torchvision.models.resnet18", "model._target_"))


def test_another_package_is_refused_before_it_is_imported(module: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        import_target(f"{module}.net", "model._target_")
    assert str(refused.value) == (
        "model._target_ must be in rlsel, timm, torchvision or a package that you vouch for, since it runs as code, "
        "got 'leaves_a_trace.net': add targets_from=leaves_a_trace if you trust it"
    )
    assert not Path("trace").exists()


@pytest.mark.parametrize("opened", ["leaves_a_trac", "leaves_a_trace.net.inner", "leaves_a_trace2", "os"])
def test_a_name_that_begins_alike_opens_nothing(module: str, opened: str) -> None:
    with targets_from([opened]), pytest.raises(ConfigurationError, match=r"targets_from=leaves_a_trace"):
        import_target(f"{module}.net", "model._target_")
    assert not Path("trace").exists()


def test_a_package_is_open_inside_the_block_only(module: str) -> None:
    with targets_from([module]):
        assert import_target(f"{module}.NUMBER", "x") == 3
    with pytest.raises(ConfigurationError, match="vouch for"):
        import_target(f"{module}.NUMBER", "x")


@pytest.mark.parametrize("path", ["torchvision.models.resnet.partial", "rlsel.checks.get_close_matches"])
def test_what_a_known_module_imported_itself_is_not_its_own(path: str) -> None:
    home = {"partial": "functools.partial", "get_close_matches": "difflib.get_close_matches"}[path.rpartition(".")[2]]
    with pytest.raises(ConfigurationError, match=f"got '{home}': add targets_from={home.partition('.')[0]}"):
        import_target(path, "model._target_")


def test_a_path_in_another_setting_of_a_class_is_no_way_around(module: str) -> None:
    node = {"network": f"{module}.net"}
    with pytest.raises(ConfigurationError, match=r"^policy\.network must be in rlsel, .+, got 'leaves_a_trace.net'"):
        build(OwnNetwork, node, "policy")
    assert not Path("trace").exists()
    with targets_from([module]):
        assert build(OwnNetwork, node, "model") == OwnNetwork(network=f"{module}.net")


def test_a_program_names_whatever_it_wants(module: str) -> None:
    assert OwnNetwork(network=f"{module}.net").name == "net"


def test_a_folder_here_is_no_known_package_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "timm.py").write_text("open('trace', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    known = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "timm"}
    for name in known:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if "site-packages" not in place and place])
    with pytest.raises(ConfigurationError, match=r"importable, got 'timm\.create_model': ModuleNotFoundError"):
        import_target("timm.create_model", "model._target_")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("package", ["", "a b", "../x", "3d", "a..b", 3])
def test_a_package_must_be_a_name(package: object) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"targets_from must be names of packages, as in \[my_package\], got"),
        targets_from([package]),  # type: ignore[list-item]
    ):
        pass
