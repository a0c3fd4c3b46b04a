"""Data files that are missing, truncated or wrong: one line, and no partial file."""

import gzip
import hashlib
import os
import threading
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pooch
import pytest

from unfolded import data
from unfolded.data import datasets, download, downsample
from unfolded.errors import DataError

NOWHERE = ("http://127.0.0.1:9/file", "http://127.0.0.1:9/other")


def canvas(source, count):
    """Return the first sequences before downsampling: uint8 of shape (count, 20, 64, 64)."""
    return np.concatenate([*datasets.chunks(source, count)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder; no mirror can be reached."""
    monkeypatch.setenv("UNFOLDED_DATA", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("MNIST", "MOVING_MNIST"):
        monkeypatch.setattr(download, name, replace(getattr(download, name), urls=NOWHERE))
    return tmp_path


def complaint(source):
    with pytest.raises(DataError, match=r"^expected .*; got .*; .*\Z") as caught:
        data.sequences(source, count=10)
    return str(caught.value)


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def put(folder, remote, content):
    path = folder / remote.path
    path.parent.mkdir()
    path.write_bytes(content)
    return path


# Missing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["mnist", "moving-mnist"])
def test_a_variable_with_a_missing_folder_or_a_file_is_rejected(folder, source, monkeypatch):
    (folder / "file").touch()
    for name in ("absent", "file"):
        monkeypatch.setenv("UNFOLDED_DATA", str(folder / name))
        assert "expected UNFOLDED_DATA to name a folder" in complaint(source)
    assert not (folder / "absent").exists()


def test_the_cache_is_used_without_the_variable(monkeypatch):
    monkeypatch.delenv("UNFOLDED_DATA", raising=False)
    assert download.folder().name == "unfolded"


@pytest.mark.parametrize("source", ["mnist", "moving-mnist"])
def test_a_download_without_a_network_is_reported(folder, source):
    message = complaint(source)
    assert "no connection to 127.0.0.1" in message
    assert "use the source 'digits'" in message
    assert not files(folder)


def test_digits_require_no_folder_and_no_network(monkeypatch):
    monkeypatch.setenv("UNFOLDED_DATA", "nowhere at all")
    assert data.sequences("digits", count=10).any()


def test_a_folder_that_cannot_store_a_download_is_reported(folder):
    (folder / "mnist").touch()
    message = complaint("mnist")
    assert "no download" in message
    assert [path.name for path in files(folder)] == ["mnist"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable_is_reported(folder):
    folder.chmod(0o500)
    try:
        assert "no download" in complaint("mnist")
    finally:
        folder.chmod(0o700)


# Damaged ---------------------------------------------------------------------------------------

PACKED = gzip.compress(bytes(range(256)) * 64, mtime=0)


@pytest.mark.parametrize(
    "content",
    [b"", b"not gzip at all", PACKED[:-20], PACKED[:40] + b"\0\0\0" + PACKED[43:], PACKED],
    ids=["empty", "text", "cut short", "bits flipped", "another content"],
)
def test_mnist_that_cannot_be_unpacked_or_has_another_content_is_rejected(folder, content):
    path = put(folder, download.MNIST, content)
    message = complaint("mnist")
    # An empty gzip unpacks to nothing, and nothing has the wrong checksum.
    is_damaged = content.startswith(b"\x1f\x8b") and content != PACKED
    assert ("a whole gzip file" in message) == is_damaged
    assert (f"SHA-256 {datasets.MNIST_SHA256}; got " in message) != is_damaged
    assert f"delete {path}" in message
    assert path.read_bytes() == content


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", [download.MNIST.path, *download.MNIST.others])
def test_mnist_is_identified_by_its_content(folder, place, packed, monkeypatch):
    raw = bytes(16) + bytes(range(256)) * (2 * 28 * 28 // 256) + bytes(2 * 28 * 28 % 256)
    monkeypatch.setattr(datasets, "MNIST_SHA256", hashlib.sha256(raw).hexdigest())
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw) if packed else raw)
    images = datasets.mnist_images()
    assert images.shape == (2, 28, 28) and images.tobytes() == raw[16:]


def released(path, shape, dtype=np.uint8):
    """Make a sparse file of zeros."""
    path.parent.mkdir(exist_ok=True)
    np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape).flush()


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY\x01\x00"])
def test_a_released_file_that_is_not_an_array_is_rejected(folder, content):
    path = put(folder, download.MOVING_MNIST, content)
    assert "expected a whole .npy file" in complaint("moving-mnist")
    released(path, (20, 10, 64, 64))
    os.truncate(path, 1000)
    assert "expected a whole .npy file" in complaint("moving-mnist")


@pytest.mark.parametrize(
    ("shape", "dtype"), [((10, 20, 64, 64), "u1"), ((20, 10_000, 2, 2), "u1"), ((2,), "f8")]
)
def test_a_released_file_of_another_shape_or_type_is_rejected(folder, shape, dtype):
    released(folder / download.MOVING_MNIST.path, shape, dtype)
    message = complaint("moving-mnist")
    assert f"expected uint8 frames of shape {datasets.RELEASED_SHAPE}" in message
    assert str(shape) in message


def test_a_released_file_with_another_content_is_rejected(folder, monkeypatch):
    monkeypatch.setattr(datasets, "RELEASED_SHAPE", (20, 10, 64, 64))
    released(folder / download.MOVING_MNIST.path, (20, 10, 64, 64))
    assert f"MD5 {download.MOVING_MNIST.md5}; got " in complaint("moving-mnist")


def test_the_released_file_is_read_in_its_axis_order(folder, monkeypatch):
    path = folder / download.MOVING_MNIST.path
    path.parent.mkdir()
    frames = np.random.default_rng(2).integers(0, 256, (20, 130, 64, 64), dtype=np.uint8)
    np.save(path, frames)
    monkeypatch.setattr(datasets, "RELEASED_SHAPE", frames.shape)
    known = replace(download.MOVING_MNIST, md5=pooch.file_hash(path, alg="md5"))
    monkeypatch.setattr(download, "MOVING_MNIST", known)
    assert np.array_equal(canvas("moving-mnist", 117), frames[:, :117].swapaxes(0, 1))
    ours = data.sequences("moving-mnist", count=117, reduction="bilinear")
    assert np.array_equal(ours, downsample.reduce(canvas("moving-mnist", 117), "bilinear"))


# Downloads, from a server on this machine ------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Serve `body` at /good; at /cut stop half-way; elsewhere return 404."""

    def __init__(self, body, *args):
        self.body = body
        super().__init__(*args)

    def do_GET(self):
        known = self.path in ("/good", "/cut")
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(self.body) if known else 0))
        self.end_headers()
        if known:
            self.wfile.write(self.body[: len(self.body) // (2 if self.path == "/cut" else 1)])

    def log_message(self, *_):
        """Print nothing, because the test reads the output."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, PACKED)) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def remote(*urls, md5):
    return download.Remote("somewhere/file.gz", urls, md5)


MD5 = hashlib.md5(PACKED).hexdigest()


def test_a_download_is_complete_and_happens_once(folder, server):
    file = remote(f"{server}/good", md5=MD5)
    path = download.obtain(file)
    assert path.read_bytes() == PACKED
    assert files(folder) == [path]
    assert download.obtain(replace(file, urls=())) == path


def test_the_next_mirror_is_used_after_a_failure(folder, server):
    urls = (NOWHERE[0], f"{server}/absent", f"{server}/cut", f"{server}/good")
    assert download.obtain(remote(*urls, md5=MD5)).read_bytes() == PACKED
    assert len(files(folder)) == 1


@pytest.mark.parametrize(
    ("page", "md5", "reason"),
    [
        ("good", "0" * 32, "sent a file with a wrong checksum"),
        ("absent", MD5, "404"),
        ("cut", MD5, "no download"),
    ],
)
def test_an_invalid_download_leaves_no_file(folder, server, page, md5, reason):
    with pytest.raises(DataError, match=rf"\A.*{reason}.*\Z"):
        download.obtain(remote(f"{server}/{page}", md5=md5))
    assert not files(folder)


def test_a_full_disk_leaves_no_file(folder, server, monkeypatch):
    class Full(pooch.HTTPDownloader):
        def __call__(self, url, output_file, pup, **_):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(pooch, "HTTPDownloader", Full)
    with pytest.raises(DataError, match="No space left on device"):
        download.obtain(remote(f"{server}/good", md5=MD5))
    assert not files(folder)
