"""Location and download of data files; each download is verified before it is moved into place."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from unfolded.errors import DataError, complain, one_line


@dataclass(frozen=True)
class Remote:
    """A published file: path in the data folder, mirrors, MD5 checksum, and alternative paths."""

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
        for folder in ("mnist/", "MNIST/raw/", "")  # the second folder is torchvision's
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
    """Return the data folder: UNFOLDED_DATA if set, else the cache folder of the user.

    Raises DataError if UNFOLDED_DATA is not a folder.
    """
    setting = os.environ.get("UNFOLDED_DATA")
    if not setting:
        import pooch

        return Path(pooch.os_cache("unfolded"))
    path = Path(setting).expanduser()
    if not path.is_dir():
        do = "create that folder, or unset the variable to use the default one"
        raise DataError(complain("UNFOLDED_DATA to name a folder", repr(setting), do))
    return path


def obtain(remote: Remote) -> Path:
    """Return the path of a file in the data folder; download the file if it is missing.

    An existing file is not verified here, but by its reader. The MD5 of a download is verified
    in a temporary file, which is moved into place only if it is complete.

    Raises DataError if the file is missing and cannot be downloaded.
    """
    target = folder() / remote.path
    for path in (target, *(folder() / alternative for alternative in remote.others)):
        if path.exists():
            return path
    reasons = []
    for url in remote.urls:
        try:
            _download(url, target, remote.md5)
            return target
        except (OSError, ValueError) as error:
            reasons.append(_reason(url, error))
    # Mirrors often fail for the same reason, such as a read-only folder.
    got = f"no such file and no download ({'; '.join(dict.fromkeys(reasons))})"
    do = f"put {remote.urls[0]} there by hand, or use the source 'digits'"
    raise DataError(complain(target, got, do))


def _download(url: str, target: Path, md5: str) -> None:
    """Download to a temporary file in the same folder, verify the checksum, and move into place."""
    import pooch

    show_progress = sys.stderr.isatty()
    pooch.get_logger().setLevel("INFO" if show_progress else "WARNING")
    fetcher = pooch.HTTPDownloader(progressbar=show_progress, chunk_size=2**18, timeout=30)
    pooch.retrieve(url, f"md5:{md5}", fname=target.name, path=target.parent, downloader=fetcher)


def _reason(url: str, error: Exception) -> str:
    """Return a short reason for a failed download, instead of the long message of the library."""
    import requests

    host = urlsplit(url).hostname
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return f"no connection to {host}"
    if isinstance(error, ValueError) and "hash" in str(error):
        return f"{host} sent a file with a wrong checksum"
    return one_line(error)
