"""Moving crops of free images as own frames, and a scikit-learn transformer of sequences.

from companion.studies.own_data import SparseCodes, moving_crops
codes = SparseCodes(hidden=64).fit_transform(moving_crops(100))
"""

import tempfile

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from companion.studies.natural_images import FREE, picture
from unfolded import data, training
from unfolded.data import own_frames
from unfolded.errors import ConfigError, DataError, complain
from unfolded.networks import storage
from unfolded.runs import records
from unfolded.runs.config import RunConfig
from unfolded.seeds import derive
from unfolded.training import checkpoint


def moving_crops(count: int, *, time: int = 10, side: int = 32, speed: float = 3.0) -> np.ndarray:
    """Return crops that move over the images of FREE: uint8 (count, time, side, side), 0..255.

    Each crop has a random start and direction, moves by ``speed`` pixels per frame, rounded to
    whole pixels, and stays inside its image. The parts of :func:`unfolded.data.split` show
    different images. Raises ConfigError if a path cannot lie inside the smallest image.

    >>> moving_crops(10, time=2, side=8).shape
    (10, 2, 8, 8)
    """
    images = {part: [picture(name) for name in names] for part, names in FREE.items()}
    limit = min(min(image.shape) for part in images.values() for image in part)
    reach = speed * (time - 1)
    if not (min(time, side) >= 1 and 0 <= reach <= limit - side):
        expected = f"sizes of at least 1, and side + speed · (time − 1) of at most {limit}"
        raise ConfigError(complain(expected, f"{side + reach:g}", "choose other values"))
    rng, crops = np.random.default_rng(derive(0, "crops")), []
    for part, indices in zip(images.values(), data.split(np.arange(count)), strict=True):
        for number in range(len(indices)):
            image, angle = part[number % len(part)], rng.uniform(0, 2 * np.pi)
            steps = np.arange(time)[:, None] * speed * np.array([np.sin(angle), np.cos(angle)])
            margin = np.array(image.shape) - side
            start = rng.uniform(-steps.min(0), margin - steps.max(0))
            path = np.rint(start + steps).astype(int)
            crops.append([image[y : y + side, x : x + side] for y, x in path])
    return np.array(crops, np.uint8)


class SparseCodes(TransformerMixin, BaseEstimator):
    """Train a network on sequences, and transform sequences into the codes of its last layer.

    Shapes: X (N, T, H, W) or (N, T, n0), codes (N, T, hidden). Units: grey levels, as uint8 or
    float; floats with a maximum of at most 1 in ``fit`` are multiplied by 255 in all methods.
    Parameters are those of :class:`unfolded.runs.config.RunConfig`. The input has more than two
    axes, which scikit-learn's own estimators do not accept.
    """

    def __init__(
        self,
        model="l1-l1-rnn",
        cs_rate=0.2,
        hidden=256,
        depth=3,
        profile="laptop",
        learning_rate=1e-3,
        seed=0,
    ):
        self.model, self.cs_rate, self.hidden, self.depth = model, cs_rate, hidden, depth
        self.profile, self.learning_rate, self.seed = profile, learning_rate, seed

    def fit(self, X, y=None) -> "SparseCodes":
        """Train on X, split 8:1:1 in order. Raises DataError or ConfigError on invalid input."""
        frames = own_frames.checked(X)
        config = RunConfig(**self.get_params(), source=frames.name)
        with tempfile.TemporaryDirectory() as store:
            training.run(config, frames=frames, store=store, progress=False)
            path = records.folder_of(config, store) / checkpoint.WEIGHTS
            self.network_ = storage.load(path).requires_grad_(False)
        self.dtype_, self.peak_ = frames.array.dtype.kind, config.scale.peak
        self.unit_ = own_frames.unit(frames.array)
        return self

    def transform(self, X) -> np.ndarray:
        """Return codes (N, T, hidden). Raises DataError for numbers of another kind than in fit."""
        check_is_fitted(self)
        X = own_frames.read(X)
        if X.dtype.kind != self.dtype_:
            expected, do = "integers or floats as in fit", "convert what you pass"
            raise DataError(complain(expected, f"numbers of type {X.dtype}", do))
        frames = torch.from_numpy(X.astype(np.float32)) * (self.unit_ * self.peak_ / 255)
        return self.network_.codes(self.network_.measure(frames)).numpy()

    def inverse_transform(self, codes) -> np.ndarray:
        """Return the recovered frames (N, T, n0) in the units of X."""
        check_is_fitted(self)
        frames = self.network_.decode(torch.as_tensor(codes))
        return frames.numpy() * (255 / self.peak_ / self.unit_)
