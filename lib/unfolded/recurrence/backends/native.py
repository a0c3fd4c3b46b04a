"""The C kernels (elementwise.c, matmul.c, cell_scan.c, scan.c), compiled at first use."""

import contextlib
import ctypes
import functools
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from unfolded import files
from unfolded.errors import RecordError, one_line
from unfolded.runtime import cpuinfo

# Only matmul.c and cell_scan.c use fused multiply-add. elementwise.c must agree with reference.py
# bit for bit, and scan.c has no floating-point multiplication.
_SOURCES = {
    "elementwise.c": "-ffp-contract=off",
    "matmul.c": "-ffp-contract=fast",
    "cell_scan.c": "-ffp-contract=fast",
    "scan.c": "-ffp-contract=off",
}
_FLAGS = ["-std=c11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC"]
SUFFIX = {torch.float32: "float", torch.float64: "double"}
UNAVAILABLE = (ImportError, OSError, AttributeError, ValueError, RecordError)
UNAVAILABLE += (KeyError, RuntimeError)  # no home folder
_LONG, _REAL, _POINTER = ctypes.c_long, ctypes.c_double, ctypes.c_void_p
_LAYER = [_LONG, _LONG, *[_POINTER] * 4, _REAL, *[_POINTER] * 4]
_PRODUCTS = ("pack", "multiply_rows", "multiply_transposed")
_SCANS = ("cell_scan", "scan_forward", "scan_backward")
_SIGNATURES = {
    "activate": (None, _LONG, _LONG, _POINTER),
    **dict.fromkeys(("forward", "backward"), (None, *_LAYER)),
    "threshold_gradients": (None, _LONG, _LONG, *[_POINTER] * 5),
    **dict.fromkeys((*_PRODUCTS, *_SCANS), (None, _POINTER, _POINTER, _LONG)),
    **{"packed": (_LONG, _LONG, _LONG), "cell_scan_workspace": (_LONG, _POINTER)},
}
"""The type of the result and the types of the arguments of each function."""


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the compiled kernels, or None with one line in the log if they are not available."""
    try:
        compiler = os.environ.get("CC", "").strip() or shutil.which("cc")
        if compiler is None:
            raise OSError("no C compiler cc")
        path = _library_path(compiler)
        with contextlib.suppress(OSError, AttributeError):
            return _load(path)
        _compile(shlex.split(compiler), path)
        return _load(path)
    except (*UNAVAILABLE, subprocess.SubprocessError) as error:
        message = "expected compiled C kernels; got: %s; install a C compiler, set CC, or set"
        message += " XDG_CACHE_HOME to a writable folder (until then, PyTorch operations are used)"
        logging.getLogger(__name__).warning(message, one_line(error))
        return None


def _library_path(compiler: str) -> Path:
    """Return the path of the library for this source, compiler and processor."""
    names = (*_SOURCES, "matmul.h", "threads.h", "precisions.h")
    sources = (Path(__file__).with_name(name).read_text() for name in names)
    parts = (*sources, compiler, *_SOURCES.values(), *_FLAGS, platform.machine(), processor())
    name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    suffix = sysconfig.get_config_var("SHLIB_SUFFIX") or ".so"
    return cache_folder() / f"kernels-{name}{suffix}"


def cache_folder() -> Path:
    import pooch  # imported here because it is optional: PyTorch is the fallback

    return Path(pooch.os_cache("unfolded"))


def _compile(compiler: list[str], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / path.name)
        failure = _compiler_failure(compiler, target, "-march=native")
        if failure and (failure := _compiler_failure(compiler, target)):
            raise OSError(f"from the compiler {failure}")
        content = Path(target).read_bytes()
    # Loading a truncated library would crash the process, so a hash is appended.
    files.write(path, content + hashlib.sha256(content).digest())


def _compiler_failure(compiler: list[str], target: str, *flags: str) -> str:
    """Compile the library; return the output of the command that failed, or an empty string."""
    commands, objects = [], [f"{target}.{name}.o" for name in _SOURCES]
    for target_object, (name, flag) in zip(objects, _SOURCES.items(), strict=True):
        source = str(Path(__file__).with_name(name))
        commands.append([*compiler, *_FLAGS, *flags, flag, "-c", source, "-o", target_object])
    commands.append([*compiler, "-shared", *objects, "-lm", "-o", target])
    for command in commands:
        run = subprocess.run(command, capture_output=True, timeout=60)
        if run.returncode or not Path(command[-1]).exists():
            return run.stderr.decode(errors="replace").strip() or "no file and no message"
    return ""


def processor() -> str:
    """Return an identifier of the processor, because machines may share a home folder."""
    return cpuinfo().get("flags") or cpuinfo().get("Features") or platform.processor()


def _load(path: Path) -> ctypes.CDLL:
    content = path.read_bytes()
    if hashlib.sha256(content[:-32]).digest() != content[-32:]:
        raise OSError("a damaged library")
    loaded = ctypes.CDLL(str(path))
    loaded.instructions.restype = ctypes.c_char_p
    for name, (result, *arguments) in _SIGNATURES.items():
        for suffix in SUFFIX.values():
            function = getattr(loaded, f"{name}_{suffix}")
            function.argtypes, function.restype = arguments, result
    return loaded


@functools.cache
def openmp_launcher():
    """Return the function that starts PyTorch's OpenMP threads, to avoid a second thread pool.

    GNU and LLVM OpenMP have this function. Returns None if PyTorch uses another thread library.
    """
    try:
        return ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):
        return None


def parallel_call(name: str, dtype: torch.dtype, job: ctypes.Structure) -> None:
    """Call a library function that distributes a job over the threads."""
    function = getattr(library(), f"{name}_{SUFFIX[dtype]}")
    function(ctypes.addressof(job), openmp_launcher(), torch.get_num_threads())


class _Packing(ctypes.Structure):
    """Arguments of `pack`: a matrix (inner, columns) with its strides."""

    _fields_ = [*((name, _LONG) for name in ("inner", "columns", "inner_step", "column_step"))]
    _fields_ += [*((name, _POINTER) for name in ("source", "target")), ("next", _LONG)]


class _Products(ctypes.Structure):
    _fields_ = [*((name, _LONG) for name in ("rows", "inner", "columns", "step"))]
    _fields_ += [*((name, _POINTER) for name in ("p", "B", "out"))]
    _fields_ += [("block", _LONG), ("next", _LONG)]


class _Factor(ctypes.Structure):
    _fields_ = [("columns", _LONG), ("B", _POINTER), ("out", _POINTER)]


class _TransposedProducts(ctypes.Structure):
    _fields_ = [*((name, _LONG) for name in ("rows", "inner", "step")), ("p", _POINTER)]
    _fields_ += [("factors", _Factor * 2), ("sums", _POINTER)]
    _fields_ += [("add", ctypes.c_int), ("next", _LONG)]


def packed(W: Tensor) -> Tensor:
    """Return Wᵀ in the layout of the C products; W (columns, inner)."""
    columns, inner = W.shape
    target = W.new_empty(getattr(library(), f"packed_{SUFFIX[W.dtype]}")(inner, columns))
    job = _Packing(inner, columns, *reversed(W.stride()), W.data_ptr(), target.data_ptr(), 0)
    parallel_call("pack", W.dtype, job)
    return target


def multiply(x: Tensor, W: Tensor) -> Tensor:
    """Return x Wᵀ: x (rows, inner) with contiguous rows or columns, W (columns, inner)."""
    (rows, inner), columns, B = x.shape, len(W), packed(W)
    out = x.new_empty(rows, columns)
    if x.stride(1) == 1:
        pointers = (tensor.data_ptr() for tensor in (x, B, out))
        job = _Products(rows, inner, columns, x.stride(0), *pointers)
        parallel_call("multiply_rows", x.dtype, job)
        return out
    sums = x.new_zeros(rows, dtype=torch.float64)
    factors = (_Factor * 2)(_Factor(columns, B.data_ptr(), out.data_ptr()))
    job = _TransposedProducts(inner, rows, x.stride(1), x.data_ptr(), factors, sums.data_ptr())
    parallel_call("multiply_transposed", x.dtype, job)
    return out


class NativeKernels:
    """The functions of reference.py for contiguous tensors on the CPU; the rho is one number."""

    def __init__(self, dtype: torch.dtype, rho: float):
        suffix, self._rho = SUFFIX[dtype], rho
        self._forward = getattr(library(), f"forward_{suffix}")
        self._backward = getattr(library(), f"backward_{suffix}")
        self._threshold_gradients = getattr(library(), f"threshold_gradients_{suffix}")

    def forward(self, u, s, residual, hbar, rho, centre, a, b, out) -> None:
        self._forward(
            *u.shape, u.data_ptr(), s.data_ptr(), _address(residual), hbar.data_ptr(), self._rho,
            _address(centre), a.data_ptr(), b.data_ptr(), out.data_ptr(),
        )  # fmt: skip

    def backward(self, gradient, extra, value, centre, rho, a, b, du, dhbar) -> None:
        self._backward(
            *du.shape, gradient.data_ptr(), _address(extra), value.data_ptr(), _address(centre),
            self._rho, a.data_ptr(), b.data_ptr(), du.data_ptr(), dhbar.data_ptr(),
        )  # fmt: skip

    def threshold_gradients(self, du, value, centre):
        da, db = both = torch.zeros(2, du.shape[-1], dtype=torch.float64)
        self._threshold_gradients(
            *(*du.shape, du.data_ptr(), value.data_ptr()),
            *((value if centre is None else centre).data_ptr(), da.data_ptr(), db.data_ptr()),
        )
        da, db = both.to(du.dtype)
        return da, None if centre is None else db


def _address(tensor):
    return None if tensor is None else tensor.data_ptr()
