"""The pictures of SISTA-RNN's task: parts are disjoint, and free ones need no download."""

import numpy as np
import pytest

from companion.studies import natural_images as module
from companion.studies.natural_images import CALTECH, FREE, grey, images, patches, picture
from unfolded.errors import ConfigError, DataError


def bytes_of(stack):
    return {image.tobytes() for image in stack}


def test_every_free_patch_is_from_a_picture_of_its_part():
    parts = dict(zip(FREE, images("free"), strict=True))
    for part, stack in parts.items():
        cut = [bytes_of(patches(picture(name))) for name in FREE[part]]
        assert stack.dtype == np.uint8 and stack.shape[1:] == (128, 128)
        assert bytes_of(stack) == set().union(*cut)
    names = [name for part in FREE.values() for name in part]
    assert len(names) == len(set(names))
    assert not bytes_of(parts["train"]) & (bytes_of(parts["validation"]) | bytes_of(parts["test"]))


def test_free_pictures_have_a_fixed_order_that_mixes_the_sources():
    first, again = images("free"), images("free")
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    contents = bytes_of(first[0][:60])
    assert all(contents & bytes_of(patches(picture(name))) for name in FREE["train"])


def test_free_pictures_need_no_network_and_no_data_folder(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a download")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setenv("UNFOLDED_DATA", "no such folder")
    assert len(images("free")) == 3


def test_patches_are_windows_of_the_picture_row_by_row():
    whole = np.arange(35).reshape(5, 7)
    windows = patches(whole, side=3, step=2)
    corners = [(0, 0), (0, 2), (0, 4), (2, 0), (2, 2), (2, 4)]
    expected = [whole[i : i + 3, j : j + 3] for i, j in corners]
    assert np.array_equal(windows, expected)


@pytest.mark.parametrize(("shape", "step"), [((4, 9), 1), ((9, 4), 1), ((9, 9, 3), 1), ((9, 9), 0)])
def test_patches_of_too_small_pictures_are_rejected(shape, step):
    with pytest.raises(ConfigError, match="grey picture of at least 5 x 5"):
        patches(np.zeros(shape), side=5, step=step)


def test_grey_weighs_red_green_and_blue_in_this_order():
    pure = 255 * np.eye(3, dtype=np.uint8)[None]
    assert grey(pure).tolist() == [[76, 150, 29]]
    assert grey(np.full((1, 1, 3), 200, np.uint8)).item() == 200
    assert grey(pure[0]) is not None and grey(pure[0]).shape == (3, 3)


def test_unknown_names_are_rejected():
    with pytest.raises(ConfigError, match="free, caltech"):
        images("imagenet")
    with pytest.raises(ConfigError, match="astronaut"):
        picture("../etc")


class TestCaltech:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("UNFOLDED_DATA", str(tmp_path))
        (tmp_path / CALTECH).parent.mkdir()
        return tmp_path

    def test_pictures_are_shuffled_and_split_8_to_1_to_1_rounded_down(self, folder):
        whole = np.zeros((37, 128, 128), np.uint8)
        whole[:, 0, 0] = np.arange(37)
        np.savez(folder / CALTECH, images=whole)
        parts = images("caltech")
        assert [len(part) for part in parts] == [29, 3, 5]
        order = np.concatenate(parts)[:, 0, 0]
        assert sorted(order) == list(range(37)) and order.tolist() != sorted(order)
        expected = np.random.RandomState(module._SHUFFLE).permutation(37)
        assert np.array_equal(order, expected)

    def test_the_error_for_a_missing_file_states_its_path(self, folder):
        with pytest.raises(DataError, match=r"caltech101_gray128_subset\.npz.*source 'free'"):
            images("caltech")

    @pytest.mark.parametrize(
        "content",
        [{"pictures": np.zeros((2, 128, 128), np.uint8)}, {"images": np.zeros((2, 64, 64))}],
    )
    def test_another_file_is_rejected(self, folder, content):
        np.savez(folder / CALTECH, **content)
        with pytest.raises(DataError, match="expected"):
            images("caltech")

    def test_a_damaged_file_is_rejected(self, folder):
        np.savez_compressed(folder / CALTECH, images=np.ones((9, 128, 128), np.uint8))
        whole = (folder / CALTECH).read_bytes()
        for broken in (whole[: len(whole) // 2], b"", whole.replace(whole[60:80], bytes(20))):
            (folder / CALTECH).write_bytes(broken)
            with pytest.raises(DataError, match="pictures at"):
                images("caltech")
