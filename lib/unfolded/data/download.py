"""Where downloaded files lie, and how they come there: never unchecked, never half-written."""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from unfolded.errors import DataError, complain


@dataclass(frozen=True)
class Remote:
    """A published file: its place in the data folder, its mirrors, its MD5, and other places."""

    path: str
    urls: tuple[str, ...]
    md5: str
    others: tuple[str, ...] = ()


MNIST = Remote(
    path="mnist/train-images-idx3-ubyte.gz",
    urls=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
        "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
    ),
    md5="f68b3c2dcbeaaa9fbdd348bbdeb94873",
    others=tuple(
        f"{folder}train-images{name}"
        for folder in ("mnist/", "MNIST/raw/", "")  # torchvision's is the second
        for name in ("-idx3-ubyte.gz", "-idx3-ubyte", ".idx3-ubyte.gz", ".idx3-ubyte")
    ),
)
MOVING_MNIST = Remote(
    path="moving_mnist/mnist_test_seq.npy",
    urls=(
        "https://www.cs.toronto.edu/~nitish/unsupervised_video/mnist_test_seq.npy",
        "http://www.cs.toronto.edu/~nitish/unsupervised_video/mnist_test_seq.npy",
    ),
    md5="be083ec986bfe91a449d63653c411eb2",
)


def folder() -> Path:
    """Return the data folder: the one that UNFOLDED_DATA names, else the user's cache.

    Raises DataError if UNFOLDED_DATA names no folder.
    """
    named = os.environ.get("UNFOLDED_DATA")
    if not named:
        import pooch

        return Path(pooch.os_cache("unfolded"))
    path = Path(named).expanduser()
    if not path.is_dir():
        do = "create that folder, or unset the variable to use the default one"
        raise DataError(complain("UNFOLDED_DATA to name a folder", repr(named), do))
    return path


def obtain(remote: Remote) -> Path:
    """Return the path of a file in the data folder, downloading it first if it is missing.

    A file that is there is not checked here: its reader knows how. A download is compared
    with its MD5 beside its final place, and moved there only when it is whole.

    Raises DataError if the file can neither be found nor downloaded.
    """
    target = folder() / remote.path
    for path in (target, *(folder() / other for other in remote.others)):
        if path.exists():
            return path
    reasons = []
    for url in remote.urls:
        try:
            _download(url, target, remote.md5)
            return target
        except (OSError, ValueError) as error:
            reasons.append(_reason(url, error))
    # Mirrors often fail for the same reason, such as a folder that cannot be written.
    got = f"no such file and no download ({'; '.join(dict.fromkeys(reasons))})"
    do = f"put {remote.urls[0]} there by hand, or use the source 'digits'"
    raise DataError(complain(target, got, do))


def _download(url: str, target: Path, md5: str) -> None:
    """Download to a temporary name beside the target, check, and move into place."""
    import pooch

    watched = sys.stderr.isatty()
    pooch.get_logger().setLevel("INFO" if watched else "WARNING")
    fetcher = pooch.HTTPDownloader(progressbar=watched, chunk_size=2**18, timeout=30)
    pooch.retrieve(url, f"md5:{md5}", fname=target.name, path=target.parent, downloader=fetcher)


def _reason(url: str, error: Exception) -> str:
    """Say in a few words why a download failed, where the library takes a paragraph."""
    import requests

    host = urlsplit(url).hostname
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return f"no connection to {host}"
    if isinstance(error, ValueError) and "hash" in str(error):
        return f"{host} sent a file with a wrong checksum"
    return one_line(error)


def one_line(error: Exception, limit: int = 160) -> str:
    """Shorten an error to a single line that a reader can take in.

    >>> one_line(OSError("disk\\n  full"))
    'disk full'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def digest(path: Path, algorithm: str = "md5") -> str:
    """Return the hexadecimal digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
