import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import ImageFolder as PublicImageFolder

from rlsel.data import imagefolder
from rlsel.data.augmentation import Augmentation
from rlsel.data.dataset import Dataset, MemoryImages
from rlsel.data.files import FileImages
from rlsel.data.imagefolder import Geometry, ImageFolder, choose_geometry
from rlsel.data.loading import load_batches
from rlsel.errors import ConfigurationError, DataError

WriteImage = Callable[..., np.ndarray]


def fill(root: Path, write_image: WriteImage, classes: tuple[str, ...] = ("cat", "dog"), count: int = 6) -> None:
    for place, name in enumerate(classes):
        for number in range(count):
            write_image(root / name / f"{number}.png", size=(8, 10), seed=100 * place + number)


def all_images(dataset: Dataset) -> torch.Tensor:
    batches = load_batches(
        dataset,
        dataset.train,
        list(torch.arange(len(dataset.train)).split(4)),
        device=torch.device("cpu"),
        augmentation=None,
        generator=None,
    )
    return torch.cat([batch.images for batch in batches])


def test_plain_class_folders_are_read_whole(tmp_path: Path, write_image: WriteImage) -> None:
    fill(tmp_path, write_image)
    dataset = ImageFolder(root=tmp_path).load()
    assert (len(dataset.train), len(dataset.test)) == (12, 0)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.train.paths == tuple(f"{name}/{number}.png" for name in ("cat", "dog") for number in range(6))
    assert dataset.train.labels.tolist() == [0] * 6 + [1] * 6
    assert (dataset.given, dataset.train.positions) == (None, None)
    assert (dataset.labelled, dataset.label_values, dataset.notes) == (True, ("0", "1"), ())
    assert dataset.test.images.shape == dataset.train.images.shape
    assert isinstance(dataset.train.images, MemoryImages)
    for path, pixels in zip(dataset.train.paths, dataset.train.images.pixels, strict=True):
        written = write_image(tmp_path / "again.png", size=(8, 10), seed=100 * ("dog" in path) + int(path[4]))
        assert np.array_equal(pixels.permute(1, 2, 0).numpy(), written)
    assert dataset.image_shape == (3, 8, 10)
    assert dataset.augmentation == Augmentation(crop_padding=1, flip=True)
    scaled = dataset.train.images.pixels.double() / 255
    assert dataset.mean == pytest.approx(scaled.mean(dim=(0, 2, 3)).tolist())
    assert dataset.std == pytest.approx(scaled.std(dim=(0, 2, 3), correction=0).tolist())


@pytest.mark.parametrize("storage", ["memory", "files"])
def test_what_is_hidden_keeps_its_position(tmp_path: Path, write_image: WriteImage, storage: str) -> None:
    fill(tmp_path / "train", write_image, count=2)
    for name in ("train/.old/1.png", "train/cat/.x/1.png", "train/dog/.0.png", "val/cat/1.png", "val/cat/.1.png"):
        write_image(tmp_path / name)
    dataset = ImageFolder(root=tmp_path, storage=storage).load()  # type: ignore[arg-type]
    public = PublicImageFolder(tmp_path / "train")
    assert dataset.source.paths is not None
    assert [str(tmp_path / path) for path in dataset.source.paths] == [path for path, _ in public.samples]
    # .old/1, then cat/0 and cat/1 and what is hidden in cat, then dog/.0, dog/0 and dog/1.
    assert dataset.source.labels.tolist() == [-1, 0, 0, -1, -1, 1, 1]
    assert dataset.train.in_source().tolist() == [1, 2, 5, 6]
    assert dataset.train.paths == ("train/cat/0.png", "train/cat/1.png", "train/dog/0.png", "train/dog/1.png")
    assert dataset.class_names == ("cat", "dog")
    assert dataset.label_values == tuple(str(public.class_to_idx[name]) for name in ("cat", "dog")) == ("1", "2")
    assert dataset.source.images_digest == dataset.train.images.digest()
    assert dataset.test.paths == ("val/cat/1.png",)
    hidden = "are hidden and not read, such as"
    assert dataset.notes == (
        f"imagefolder: 3 images of {tmp_path / 'train'} {hidden} train/.old/1.png",
        f"imagefolder: 1 images of {tmp_path / 'val'} {hidden} val/cat/.1.png",
    )
    assert len(dataset.fingerprint) == 64


def test_images_without_classes_are_one_class_without_a_value(tmp_path: Path, write_image: WriteImage) -> None:
    for number, name in enumerate(["b.png", "a.png", ".x.png", ".more/c.png"]):
        write_image(tmp_path / name, seed=number)
    dataset = ImageFolder(root=tmp_path).load()
    assert (dataset.labelled, dataset.class_names, dataset.label_values) == (False, ("all",), ("",))
    assert dataset.train.paths == ("a.png", "b.png")
    assert dataset.train.labels.tolist() == [0, 0]
    assert (len(dataset.test), dataset.given) == (0, None)


@pytest.mark.parametrize("base", ["", "train"])
def test_class_folders_win_over_loose_images(tmp_path: Path, write_image: WriteImage, base: str) -> None:
    fill(tmp_path / base, write_image)
    write_image(tmp_path / "overview.png")
    dataset = ImageFolder(root=tmp_path).load()
    assert (dataset.labelled, dataset.class_names) == (True, ("cat", "dog"))


@pytest.mark.parametrize("storage", ["memory", "files"])
def test_copies_of_one_image_are_refused(tmp_path: Path, write_image: WriteImage, storage: str) -> None:
    fill(tmp_path, write_image)
    for number in range(1, 6):
        shutil.copy(tmp_path / "cat" / "0.png", tmp_path / "cat" / f"{number}.png")
    # Six of twelve are not yet more than half.
    assert len(ImageFolder(root=tmp_path, storage=storage).load().train) == 12  # type: ignore[arg-type]
    shutil.copy(tmp_path / "cat" / "0.png", tmp_path / "dog" / "0.png")
    with pytest.raises(DataError, match=r"imagefolder: most samples must differ, got 7 of 12 that are identical"):
        ImageFolder(root=tmp_path, storage=storage).load()  # type: ignore[arg-type]


@pytest.mark.parametrize("part", ["test", "val"])
def test_a_test_folder_is_the_test_split(tmp_path: Path, write_image: WriteImage, part: str) -> None:
    fill(tmp_path / "train", write_image)
    fill(tmp_path / part, write_image, ("dog",), 3)
    dataset = ImageFolder(root=tmp_path).load()
    assert len(dataset.train) == 12
    assert dataset.test.paths == tuple(f"{part}/dog/{number}.png" for number in range(3))
    assert dataset.test.labels.tolist() == [1, 1, 1]


def test_the_test_folder_comes_before_the_validation_folder(tmp_path: Path, write_image: WriteImage) -> None:
    fill(tmp_path / "train", write_image)
    fill(tmp_path / "val", write_image, count=1)
    fill(tmp_path / "test", write_image, count=2)
    assert len(ImageFolder(root=tmp_path).load().test) == 4


def test_a_test_folder_without_classes_does_not_count(tmp_path: Path, write_image: WriteImage) -> None:
    fill(tmp_path / "train", write_image)
    fill(tmp_path / "test", write_image, ("images",), 3)
    dataset = ImageFolder(root=tmp_path).load()
    assert (len(dataset.train), len(dataset.test)) == (12, 0)
    fill(tmp_path / "test", write_image, ("cat",), 3)
    with pytest.raises(DataError, match="test must have the classes of the training split, got 'images'"):
        ImageFolder(root=tmp_path).load()


def test_train_may_be_a_class(tmp_path: Path, write_image: WriteImage) -> None:
    fill(tmp_path, write_image, ("bus", "train"))
    assert ImageFolder(root=tmp_path).load().class_names == ("bus", "train")


@pytest.mark.parametrize("image_size", [None, 6, 7, 16])
def test_files_and_memory_give_the_same(tmp_path: Path, write_image: WriteImage, image_size: int | None) -> None:
    fill(tmp_path, write_image)
    write_image(tmp_path / "cat" / "odd.png", size=(9, 21))
    memory, files = (
        ImageFolder(root=tmp_path, image_size=image_size, storage=storage).load() for storage in ("memory", "files")
    )
    assert isinstance(memory.train.images, MemoryImages)
    assert isinstance(files.train.images, FileImages)
    assert torch.equal(all_images(memory), all_images(files))
    assert (memory.mean, memory.std, memory.crop) == (files.mean, files.std, files.crop)
    assert memory.train.paths == files.train.paths
    assert memory.augmentation == files.augmentation
    assert memory.image_shape[1] == (image_size or 8)


def test_what_does_not_fit_into_memory_is_streamed(
    tmp_path: Path, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, write_image)
    # Twelve images of 8 x 10 pixels with three channels.
    monkeypatch.setattr(imagefolder, "MEMORY_LIMIT", 2880)
    assert isinstance(ImageFolder(root=tmp_path).load().train.images, MemoryImages)
    monkeypatch.setattr(imagefolder, "MEMORY_LIMIT", 2879)
    assert isinstance(ImageFolder(root=tmp_path).load().train.images, FileImages)


@pytest.mark.parametrize(
    ("sides", "image_size", "expected"),
    [
        ([(32, 48)] * 3, None, Geometry((32, 48), None, 4)),
        ([(300, 300)] * 3, None, Geometry((256, 256), 224, 0)),
        ([(240, 300)] * 3, None, Geometry((224, 224), None, 28)),
        ([(30, 40), (50, 44), (60, 90)], None, Geometry((44, 44), None, 5)),
        ([(30, 40), (50, 44), (60, 90)], 32, Geometry((37, 37), 32, 0)),
        ([(32, 32)] * 3, 28, Geometry((32, 32), 28, 0)),
        ([(32, 32)] * 3, 32, Geometry((32, 32), None, 4)),
    ],
)
def test_sizes_by_hand(sides: list[tuple[int, int]], image_size: int | None, expected: Geometry) -> None:
    assert choose_geometry(np.array(sides), image_size) == expected


@pytest.mark.parametrize("storage", ["memory", "files"])
def test_a_broken_image_is_named_before_anything_else(tmp_path: Path, write_image: WriteImage, storage: str) -> None:
    fill(tmp_path / "train", write_image)
    fill(tmp_path / "val", write_image)
    (tmp_path / "val" / "dog" / "2.png").write_bytes(b"x")
    (tmp_path / "val" / "dog" / "4.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"2 files cannot be read as images: .*val/dog/2.png \(no.*4.png") as error:
        ImageFolder(root=tmp_path, storage=storage).load()  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_half_an_image_is_found_where_all_are_decoded(tmp_path: Path, write_image: WriteImage) -> None:
    fill(tmp_path, write_image)
    half = tmp_path / "dog" / "3.png"
    half.write_bytes(half.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"dog/3.png cannot be read as an image"):
        ImageFolder(root=tmp_path).load()


def test_what_is_missing_is_said(tmp_path: Path, write_image: WriteImage) -> None:
    with pytest.raises(DataError, match=r"imagefolder: dataset.root must name a folder, got nothing"):
        ImageFolder().load()
    with pytest.raises(DataError, match=r"imagefolder: dataset.root must be an existing folder, got '.*none'"):
        ImageFolder(root=tmp_path / "none").load()
    with pytest.raises(DataError, match=r"imagefolder: .* must have a folder .* for each class, got none: .*/$"):
        ImageFolder(root=tmp_path).load()
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match=r"must have class folders with images \(.jpg"):
        ImageFolder(root=tmp_path).load()


@pytest.mark.parametrize("wrong", [{"image_size": 0}, {"image_size": True}, {"storage": "disk"}, {"root": 7}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=f"dataset.{next(iter(wrong))} must be"):
        ImageFolder(**wrong)  # type: ignore[arg-type]
