import dataclasses
import importlib
from pathlib import Path

import pytest
import rlsel.conf
from omegaconf import OmegaConf

FILES = sorted(Path(rlsel.conf.__path__[0], "dataset").glob("*.yaml"))
NAMES = {
    "arrays",
    "cifar10",
    "cifar100",
    "digits",
    "embeddings",
    "fashion_mnist",
    "imagefolder",
    "imagenet",
    "tiny_imagenet",
}


def test_there_is_a_file_for_each_data_set() -> None:
    assert {path.stem for path in FILES} == NAMES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_names_its_reader_and_the_defaults(path: Path) -> None:
    content = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(content, dict)
    module, _, name = content.pop("_target_").rpartition(".")
    reader = getattr(importlib.import_module(module), name)
    assert reader.name == path.stem
    assert content == {field.name: field.default for field in dataclasses.fields(reader)}
    assert dataclasses.is_dataclass(reader(**content))
