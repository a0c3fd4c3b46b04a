"""The kernels in Triton agree with those in PyTorch; without a GPU they are interpreted."""

import os

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton", reason="Triton comes with PyTorch's CUDA builds")

from unfolded.recurrence.backends import reference, triton_kernels  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rho", [False, True], ids=["", "rho"])
@pytest.mark.parametrize("add", ["nothing", "other", "hbar"])
@pytest.mark.parametrize("soft", [False, True], ids=["phi", "soft"])
@pytest.mark.parametrize("sizes", [(2, 5), (3, 700)], ids=str)
@pytest.mark.parametrize("runs", [(), (3,)], ids=["alone", "runs"])
def test_triton_and_pytorch_agree(runs, sizes, soft, add, rho, dtype, normal):
    def draw(*shape):  # whole numbers, so that kinks and ties abound
        return (2 * normal(*shape)).round().to(DEVICE, dtype)

    # Runs lie apart in memory, as slices of longer sequences do.
    u, s, term, hbar, g = (draw(*runs, 4, *sizes).select(-3, 1) for _ in range(5))
    a, b = (draw(*runs, 1, sizes[1]).abs() * scale for scale in (1, 0 if soft else 1))
    extra = {"nothing": None, "other": term, "hbar": hbar}[add]
    rho, centre = draw(*runs)[..., None, None] if rho else None, None if soft else hbar
    results = []
    for kernels in (reference, triton_kernels):
        value, du, dhbar = torch.empty_like(u), torch.empty_like(u), s.clone()
        kernels.forward(u, s, extra, hbar, rho, centre, a, b, value)
        kernels.backward(g, extra, value, centre, rho, a, b, du, dhbar)
        results.append((value, du, dhbar))
    for value, triton_value in zip(*results, strict=True):
        assert torch.allclose(value, triton_value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("soft", [False, True], ids=["phi", "soft"])
@pytest.mark.parametrize("hbar", [-1.0, 0.0, 1.0])
def test_nan_propagates_to_the_code(hbar, soft):
    u, zero = torch.full((2, 3), torch.nan, device=DEVICE), torch.zeros(2, 3, device=DEVICE)
    out, ones, hbar = zero.clone(), torch.ones(1, 3, device=DEVICE), zero + hbar
    triton_kernels.forward(u, zero, None, hbar, None, None if soft else hbar, ones, ones, out)
    assert out.isnan().all()
