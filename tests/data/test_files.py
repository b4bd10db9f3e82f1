import multiprocessing
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rlsel.data.files import FileImages, decode_all, read_headers
from rlsel.errors import DataError

WriteImage = Callable[..., np.ndarray]


@pytest.fixture
def nine(tmp_path: Path, write_image: WriteImage) -> tuple[FileImages, torch.Tensor]:
    """Nine images of 6 x 4 pixels in files, and what they hold as (9, 3, 6, 4)."""
    paths = tuple(f"some/{number}.png" for number in range(9))
    written = [write_image(tmp_path / path, size=(6, 4), seed=number) for number, path in enumerate(paths)]
    store = FileImages(root=tmp_path, paths=paths, file_bytes=read_headers(tmp_path, paths).file_bytes, size=(6, 4))
    return store, torch.from_numpy(np.stack(written)).permute(0, 3, 1, 2)


def test_batches_hold_the_pixels_of_the_files_in_order(nine: tuple[FileImages, torch.Tensor]) -> None:
    store, pixels = nine
    assert (store.shape, len(store)) == ((3, 6, 4), 9)
    index_batches = [torch.tensor([8, 1]), torch.tensor([0, 0, 3]), torch.tensor([5])]
    for _ in range(2):
        batches = list(store.batches(index_batches))
        assert len(batches) == 3
        for indices, batch in zip(index_batches, batches, strict=True):
            assert torch.equal(batch, pixels[indices])
            assert batch.is_contiguous(memory_format=torch.channels_last)
    assert list(store.batches([])) == []


def test_many_readings_may_go_on_at_once_and_be_left_early(nine: tuple[FileImages, torch.Tensor]) -> None:
    store, pixels = nine
    every_one = list(torch.arange(9).split(1))
    first, second = store.batches(every_one), store.batches(every_one)
    for number in range(3):
        assert torch.equal(next(first)[0], pixels[number])
        assert torch.equal(next(second)[0], pixels[number])
    del first, second
    assert torch.equal(torch.cat(list(store.batches(every_one))), pixels)


def test_the_workers_are_quiet_and_end(
    nine: tuple[FileImages, torch.Tensor], capfd: pytest.CaptureFixture[str]
) -> None:
    store, _ = nine
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(list(store.batches(list(torch.arange(9).split(2))))) == 5
    assert caught == []
    assert capfd.readouterr() == ("", "")
    assert multiprocessing.active_children() == []


def test_reading_draws_nothing_from_the_global_generator(nine: tuple[FileImages, torch.Tensor]) -> None:
    store, _ = nine
    before = torch.get_rng_state()
    list(store.batches(list(torch.arange(9).split(2))))
    assert torch.equal(torch.get_rng_state(), before)


def test_memory_holds_the_same(nine: tuple[FileImages, torch.Tensor]) -> None:
    store, pixels = nine
    assert torch.equal(decode_all(store.root, store.paths, store.size).pixels, pixels)


def test_a_subset_follows_its_positions(nine: tuple[FileImages, torch.Tensor]) -> None:
    store, pixels = nine
    part = store.subset(torch.tensor([7, 2, 2]))
    assert torch.equal(next(part.batches([torch.arange(3)])), pixels[[7, 2, 2]])
    assert part.paths == ("some/7.png", "some/2.png", "some/2.png")
    assert part.file_bytes.tolist() == store.file_bytes[[7, 2, 2]].tolist()


def test_the_digest_knows_paths_sizes_and_order_but_not_the_place(nine: tuple[FileImages, torch.Tensor]) -> None:
    store, _ = nine
    same = FileImages(root=Path("elsewhere"), paths=store.paths, file_bytes=store.file_bytes.copy(), size=store.size)
    assert same.digest() == store.digest()
    longer = FileImages(root=store.root, paths=store.paths, file_bytes=store.file_bytes + 1, size=store.size)
    renamed = FileImages(root=store.root, paths=("x", *store.paths[1:]), file_bytes=store.file_bytes, size=store.size)
    turned = store.subset(torch.arange(9).flip(0))
    assert len({part.digest() for part in (store, longer, renamed, turned)}) == 4


@pytest.mark.parametrize("batches", [[[0, 1, 2]], [[0], [1], [2], [3]]])
def test_a_file_that_breaks_later_is_one_clean_error(
    nine: tuple[FileImages, torch.Tensor], batches: list[list[int]]
) -> None:
    store, _ = nine
    path = store.root / store.paths[2]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError) as error:
        list(store.batches([torch.tensor(batch) for batch in batches]))
    assert str(error.value).startswith(f"{path} cannot be read as an image (")
    assert str(error.value).endswith("): replace the file or remove it")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "read",
    [
        lambda store: read_headers(store.root, store.paths),
        lambda store: decode_all(store.root, store.paths, store.size),
    ],
    ids=["headers", "pixels"],
)
def test_all_broken_files_are_counted_and_five_of_them_named(
    nine: tuple[FileImages, torch.Tensor], read: Callable[[FileImages], object]
) -> None:
    store, _ = nine

    def message() -> str:
        with pytest.raises(DataError) as error:
            read(store)
        return str(error.value)

    reason = "(no image that Pillow knows)"
    for number in (6, 3):
        (store.root / store.paths[number]).write_bytes(b"x\n")
    three, six = (f"{store.root}/some/{number}.png" for number in (3, 6))
    assert message() == (
        f"2 files cannot be read as images: {three} {reason}; {six} {reason}: replace the files or remove them"
    )
    for path in store.paths[2:]:
        (store.root / path).write_bytes(b"x\n")
    named = "; ".join(f"{store.root}/some/{number}.png {reason}" for number in range(2, 7))
    assert message() == (f"7 files cannot be read as images, the first 5 are {named}: replace the files or remove them")


@pytest.mark.parametrize("harm", ["missing", "empty", "folder", "header"])
def test_what_is_no_image_is_found_by_its_header(tmp_path: Path, write_image: WriteImage, harm: str) -> None:
    path = tmp_path / "a.png"
    write_image(path)
    content = path.read_bytes()
    path.unlink()
    if harm == "folder":
        path.mkdir()
    elif harm != "missing":
        path.write_bytes(b"" if harm == "empty" else content[:20])
    with pytest.raises(DataError, match=r"a.png cannot be read as an image \("):
        read_headers(tmp_path, ["a.png"])


def test_headers_tell_the_size_of_the_image_and_of_the_file(tmp_path: Path, write_image: WriteImage) -> None:
    write_image(tmp_path / "a.png", size=(5, 7))
    write_image(tmp_path / "b.png", size=(9, 2), mode="L")
    headers = read_headers(tmp_path, ["a.png", "b.png"])
    assert headers.sides.tolist() == [[5, 7], [9, 2]]
    assert headers.file_bytes.tolist() == [(tmp_path / name).stat().st_size for name in ("a.png", "b.png")]
