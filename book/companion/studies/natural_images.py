"""Grey pictures for SISTA-RNN's own task: Caltech-101 where it lies, else free pictures in patches.

    from companion.studies.natural_images import images
    train, validation, test = images("free")

`free` needs no download: the pictures come with scikit-image and scikit-learn.
"""

import zipfile
import zlib

import numpy as np

from unfolded.data import download
from unfolded.errors import ConfigError, DataError, complain

SOURCES = ("free", "caltech")
SIDE = 128
CALTECH = "images/caltech101_gray128_subset.npz"
"""Where the pictures of Caltech-101 lie in the data folder: `images`, uint8 (count, 128, 128)."""
FREE = {
    "train": ("astronaut", "camera", "coffee", "gravel", "moon", "rocket", "stereo_motorcycle"),
    "validation": ("brick", "chelsea", "coins"),
    "test": ("china.jpg", "flower.jpg", "grass"),
}
"""Which picture serves for what, so that no two parts have patches of one picture."""
_LUMA = (0.299, 0.587, 0.114)
_SHUFFLE = 2013


def images(source: str = "free") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training, validation and test images: uint8 of shape (count, 128, 128), 0..255.

    `free`: overlapping patches of free pictures, each part in a shuffled order of its own, so that
    the first ones are a fair sample; no picture serves two parts. `caltech`: the pictures of the
    file :data:`CALTECH`, shuffled and cut 8:1:1 rounded down, as the code of SISTA-RNN does with
    those of Caltech-256.
    Raises ConfigError for an unknown source, DataError if the file is missing or damaged.

    >>> train, validation, test = images("free")
    >>> train.shape[1:], train.dtype, len(train) > 2 * len(test) > 0
    ((128, 128), dtype('uint8'), True)
    """
    if source not in SOURCES:
        raise ConfigError(complain(f"a source among {', '.join(SOURCES)}", repr(source), "choose"))
    if source == "caltech":
        whole = _shuffled(_caltech())
        a, b = int(0.8 * len(whole)), int(0.8 * len(whole)) + int(0.1 * len(whole))
        return whole[:a], whole[a:b], whole[b:]
    return tuple(
        _shuffled(np.concatenate([patches(picture(name)) for name in names]))
        for names in FREE.values()
    )


def patches(grey: np.ndarray, side: int = SIDE, step: int = SIDE // 2) -> np.ndarray:
    """Cut a picture into squares that begin every ``step`` pixels: (count, side, side).

    Rows first; what does not fill a square at the lower and right edge is left out.
    Raises ConfigError if the picture is no matrix or smaller than a square.

    >>> patches(np.zeros((5, 7), np.uint8), side=4, step=2).shape
    (2, 4, 4)
    """
    if grey.ndim != 2 or min(grey.shape) < side or min(side, step) < 1:
        want = f"a grey picture of at least {side} x {side} and a step of at least 1"
        raise ConfigError(complain(want, f"{grey.shape} and {step}", "choose another size"))
    windows = np.lib.stride_tricks.sliding_window_view(grey, (side, side))
    return np.ascontiguousarray(windows[::step, ::step].reshape(-1, side, side))


def picture(name: str) -> np.ndarray:
    """Return a free picture in grey, 0.299 R + 0.587 G + 0.114 B rounded: uint8 (height, width).

    A name with a dot is one of scikit-learn's sample images, another one of scikit-image's.
    Raises ConfigError for a name that is not in :data:`FREE`.

    >>> picture("camera").shape
    (512, 512)
    """
    if name not in {one for names in FREE.values() for one in names}:
        known = ", ".join(one for names in FREE.values() for one in names)
        raise ConfigError(complain(f"a picture among {known}", repr(name), "choose one"))
    if "." in name:
        from sklearn.datasets import load_sample_image

        return grey(load_sample_image(name))
    import skimage.data

    found = getattr(skimage.data, name)()
    return grey(found[0] if isinstance(found, tuple) else found)


def grey(colours: np.ndarray) -> np.ndarray:
    """Return the luma of an RGB picture, uint8; one that is grey comes back as it is.

    >>> grey(np.array([[[255, 0, 0]]], dtype=np.uint8))
    array([[76]], dtype=uint8)
    """
    return colours if colours.ndim == 2 else np.rint(colours @ np.array(_LUMA)).astype(np.uint8)


def _shuffled(whole: np.ndarray) -> np.ndarray:
    return whole[np.random.RandomState(_SHUFFLE).permutation(len(whole))]


def _caltech() -> np.ndarray:
    path = download.folder() / CALTECH
    do = "lay the file there (data/README.md), or use the source 'free'"
    try:
        # A file that NumPy finds damaged it would leave open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = arrays["images"]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(complain(f"pictures at {path}", download.one_line(error), do)) from error
    if found.ndim != 3 or found.shape[1:] != (SIDE, SIDE) or found.dtype != np.uint8:
        want = f"uint8 pictures of shape (count, {SIDE}, {SIDE})"
        raise DataError(complain(want, f"{found.dtype} of shape {found.shape}", do))
    return found
