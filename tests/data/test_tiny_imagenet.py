from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rlsel.data.augmentation import Augmentation
from rlsel.data.dataset import MemoryImages
from rlsel.data.tiny_imagenet import TinyImageNet
from rlsel.errors import DataError

WNIDS = ("n02124075", "n01443537", "n04067472")


def write_jpeg(path: Path, seed: int, *, mode: str = "RGB") -> np.ndarray:
    """Writes a JPEG of 64 x 64 pixels and returns what it decodes to, which is not quite what was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((64, 64)).convert(mode).save(path)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """The unpacked archive with three classes, and the pixels of each file."""
    root = tmp_path / "tiny-imagenet-200"
    pixels = {}
    for place, wnid in enumerate(WNIDS):
        for number in range(3):
            name = f"train/{wnid}/images/{wnid}_{number}.JPEG"
            # Some images of the real set are grey.
            pixels[name] = write_jpeg(root / name, 10 * place + number, mode="L" if number == 2 else "RGB")
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t10\t63\t58\n")
    lines = []
    for number, wnid in enumerate([WNIDS[2], WNIDS[0], WNIDS[1], WNIDS[0]]):
        name = f"val/images/val_{number}.JPEG"
        pixels[name] = write_jpeg(root / name, 100 + number)
        lines.append(f"val_{number}.JPEG\t{wnid}\t0\t32\t44\t62")
    (root / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    (root / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    (root / "words.txt").write_text(
        "n00001740\tentity\nn01443537\tgoldfish, Carassius auratus\nn02124075\tEgyptian cat\n"
    )
    (root / "test" / "images").mkdir(parents=True)
    return root, pixels


@pytest.mark.parametrize("below", [True, False])
def test_the_archive_is_decoded_to_memory(tree: tuple[Path, dict[str, np.ndarray]], below: bool) -> None:
    root, pixels = tree
    dataset = TinyImageNet(root=root if below else root.parent).load()
    # Sorted by wnid: goldfish, cat, and the one that words.txt does not know.
    assert dataset.class_names == ("goldfish, Carassius auratus", "Egyptian cat", "n04067472")
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert dataset.test.labels.tolist() == [2, 1, 0, 1]
    assert dataset.test.paths == tuple(f"val/images/val_{number}.JPEG" for number in range(4))
    for split in (dataset.train, dataset.test):
        assert isinstance(split.images, MemoryImages)
        assert split.paths is not None
        assert split.images.pixels.dtype == torch.uint8
        for path, image in zip(split.paths, split.images.pixels, strict=True):
            assert np.array_equal(image.permute(1, 2, 0).numpy(), pixels[path])
    assert dataset.train.paths is not None
    assert dataset.train.paths[3] == "train/n02124075/images/n02124075_0.JPEG"
    assert dataset.image_shape == (3, 64, 64)
    assert dataset.augmentation == Augmentation(crop_padding=8, flip=True)
    assert isinstance(dataset.train.images, MemoryImages)
    scaled = dataset.train.images.pixels.double() / 255
    assert dataset.mean == pytest.approx(scaled.mean(dim=(0, 2, 3)).tolist())
    assert dataset.std == pytest.approx(scaled.std(dim=(0, 2, 3), correction=0).tolist())


def test_what_is_hidden_keeps_its_position(tree: tuple[Path, dict[str, np.ndarray]]) -> None:
    root, _ = tree
    write_jpeg(root / "train" / WNIDS[0] / "images" / "._.JPEG", 0)
    dataset = TinyImageNet(root=root).load()
    assert dataset.source.labels.tolist() == [0, 0, 0, -1, 1, 1, 1, 2, 2, 2]
    assert dataset.train.in_source().tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert dataset.label_values == ("0", "1", "2")
    assert [note.split(" such as ")[1] for note in dataset.notes] == [f"train/{WNIDS[0]}/images/._.JPEG"]


def test_it_is_found_in_the_cache(tree: tuple[Path, dict[str, np.ndarray]], empty_cache: Path) -> None:
    with pytest.raises(DataError, match=r"tiny_imagenet was not found in .*unpack http://.*give dataset.root="):
        TinyImageNet().load()
    empty_cache.mkdir(parents=True)
    tree[0].rename(empty_cache / "tiny-imagenet-200")
    assert len(TinyImageNet().load().train) == 9


def test_a_missing_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tiny_imagenet: dataset.root must be an existing folder"):
        TinyImageNet(root=tmp_path / "none").load()


def test_damage_is_named(tree: tuple[Path, dict[str, np.ndarray]]) -> None:
    root, _ = tree
    annotations = root / "val" / "val_annotations.txt"
    content = annotations.read_text()
    annotations.write_text(content.replace(WNIDS[1], "n00000000"))
    with pytest.raises(DataError, match=r"val_annotations.txt must name classes of wnids.txt, got 'n00000000'"):
        TinyImageNet(root=root).load()
    annotations.unlink()
    with pytest.raises(DataError, match=r"val_annotations.txt cannot be read \(.*\): unpack the archive again"):
        TinyImageNet(root=root).load()
    annotations.write_text(content)
    half = root / "val" / "images" / "val_2.JPEG"
    half.write_bytes(half.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"val_2.JPEG cannot be read as an image \(image file is truncated") as error:
        TinyImageNet(root=root).load()
    assert "\n" not in str(error.value)
    half.unlink()
    with pytest.raises(DataError, match=r"val_2.JPEG cannot be read as an image"):
        TinyImageNet(root=root).load()


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/secret.png", "a/../../secret.png"])
def test_an_annotation_does_not_lead_out_of_the_archive(tree: tuple[Path, dict[str, np.ndarray]], name: str) -> None:
    root, _ = tree
    annotations = root / "val" / "val_annotations.txt"
    (root / "secret.png").write_bytes((root / "val" / "images" / "val_2.JPEG").read_bytes())
    annotations.write_text(annotations.read_text().replace("val_2.JPEG", name))
    with pytest.raises(DataError, match=r"val_annotations.txt must name files in .*images, got '.*secret.png'"):
        TinyImageNet(root=root).load()


def test_a_class_without_images_is_refused(tree: tuple[Path, dict[str, np.ndarray]]) -> None:
    root, _ = tree
    (root / "wnids.txt").write_text("\n".join([*WNIDS, "n09999999"]))
    with pytest.raises(DataError, match="got 0 of class 'n09999999'"):
        TinyImageNet(root=root).load()
