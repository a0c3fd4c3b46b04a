"""Grey images for SISTA-RNN's original task: Caltech-101 if available, else free images in patches.

    from companion.studies.natural_images import images
    train, validation, test = images("free")

`free` needs no download: the images are part of scikit-image and scikit-learn.
"""

import zipfile
import zlib

import numpy as np

from unfolded.data import download
from unfolded.errors import ConfigError, DataError, complain, one_line

SOURCES = ("free", "caltech")
SIDE = 128
CALTECH = "images/caltech101_gray128_subset.npz"
"""Path of Caltech-101 in the data folder: `images`, uint8 (count, 128, 128)."""
FREE = {
    "train": ("astronaut", "camera", "coffee", "gravel", "moon", "rocket", "stereo_motorcycle"),
    "validation": ("brick", "chelsea", "coins"),
    "test": ("china.jpg", "flower.jpg", "grass"),
}
"""The part of each image, so that no two parts have patches of the same image."""
_LUMA = (0.299, 0.587, 0.114)
_SHUFFLE = 2013


def images(source: str = "free") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training, validation and test images: uint8 of shape (count, 128, 128), 0..255.

    `free`: overlapping patches of free images, each part in a separately shuffled order, so that
    the first patches are a fair sample; the parts share no image. `caltech`: the images in the
    file :data:`CALTECH`, shuffled and split 8:1:1, rounded down, as in the code of SISTA-RNN for
    Caltech-256.
    Raises ConfigError for an unknown source, DataError if the file is missing or damaged.

    >>> train, validation, test = images("free")
    >>> train.shape[1:], train.dtype, len(train) > 2 * len(test) > 0
    ((128, 128), dtype('uint8'), True)
    """
    if source not in SOURCES:
        raise ConfigError(complain(f"a source among {', '.join(SOURCES)}", repr(source), "choose"))
    if source == "caltech":
        pictures = _shuffle(_caltech())
        a, b = int(0.8 * len(pictures)), int(0.8 * len(pictures)) + int(0.1 * len(pictures))
        return pictures[:a], pictures[a:b], pictures[b:]
    return tuple(
        _shuffle(np.concatenate([patches(picture(name)) for name in names]))
        for names in FREE.values()
    )


def patches(grey: np.ndarray, side: int = SIDE, step: int = SIDE // 2) -> np.ndarray:
    """Cut an image into squares that begin every ``step`` pixels: (count, side, side).

    Rows first; incomplete squares at the lower and right edge are omitted.
    Raises ConfigError if the image is not a matrix or smaller than a square.

    >>> patches(np.zeros((5, 7), np.uint8), side=4, step=2).shape
    (2, 4, 4)
    """
    if grey.ndim != 2 or min(grey.shape) < side or min(side, step) < 1:
        expected = f"a grey picture of at least {side} x {side} and a step of at least 1"
        raise ConfigError(complain(expected, f"{grey.shape} and {step}", "choose another size"))
    windows = np.lib.stride_tricks.sliding_window_view(grey, (side, side))
    return np.ascontiguousarray(windows[::step, ::step].reshape(-1, side, side))


def picture(name: str) -> np.ndarray:
    """Return a free image in grey, 0.299 R + 0.587 G + 0.114 B rounded: uint8 (height, width).

    A name with a dot is a sample image of scikit-learn, another name one of scikit-image.
    Raises ConfigError for a name that is not in :data:`FREE`.

    >>> picture("camera").shape
    (512, 512)
    """
    if name not in {item for names in FREE.values() for item in names}:
        choices = ", ".join(item for names in FREE.values() for item in names)
        raise ConfigError(complain(f"a picture among {choices}", repr(name), "choose one"))
    if "." in name:
        from sklearn.datasets import load_sample_image

        return grey(load_sample_image(name))
    import skimage.data

    image = getattr(skimage.data, name)()
    return grey(image[0] if isinstance(image, tuple) else image)


def grey(colours: np.ndarray) -> np.ndarray:
    """Return the luma of an RGB image, uint8; a grey image is unchanged.

    >>> grey(np.array([[[255, 0, 0]]], dtype=np.uint8))
    array([[76]], dtype=uint8)
    """
    return colours if colours.ndim == 2 else np.rint(colours @ np.array(_LUMA)).astype(np.uint8)


def _shuffle(pictures: np.ndarray) -> np.ndarray:
    return pictures[np.random.RandomState(_SHUFFLE).permutation(len(pictures))]


def _caltech() -> np.ndarray:
    path = download.folder() / CALTECH
    do = "lay the file there (data/README.md), or use the source 'free'"
    try:
        # NumPy would leave a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            pictures = arrays["images"]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(complain(f"pictures at {path}", one_line(error), do)) from error
    if pictures.ndim != 3 or pictures.shape[1:] != (SIDE, SIDE) or pictures.dtype != np.uint8:
        expected = f"uint8 pictures of shape (count, {SIDE}, {SIDE})"
        raise DataError(complain(expected, f"{pictures.dtype} of shape {pictures.shape}", do))
    return pictures
