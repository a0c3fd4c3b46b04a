"""Networks with tools of PyTorch: higher derivatives, tracing, export, compilation, functions."""

import copy

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from unfolded import metrics, networks, recurrence
from unfolded.errors import ConfigError
from unfolded.recurrence.backends import native

BACKENDS = ("native", "torch")
frames = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture(params=networks.names())
def net(request):
    options = {"n0": 16, "n": 8, "hidden": 16, "depth": 2, "lambda1": 0.05, "lambda2": 0.05}
    return networks.build(request.param, **options).double()


def hessian(net):
    return torch.autograd.functional.hessian(lambda z: net(z).square().mean(), frames[:1, :3])


def penalised(net):
    """Return the gradient in A of a loss with a penalty on its own gradient in the frames."""
    z = frames.clone().requires_grad_()
    loss = net(z).square().mean()
    (gradient,) = torch.autograd.grad(loss, z, create_graph=True)
    return torch.autograd.grad(loss + 10 * gradient.square().sum(), net.A)[0]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("second", [hessian, penalised])
def test_second_derivatives_equal_those_of_the_reference(net, second, backend):
    with recurrence.use("reference"):
        expected = second(net)
    with recurrence.use(backend):
        assert torch.allclose(second(net), expected, rtol=1e-9, atol=1e-13)
    assert expected.abs().max() > 0


# PyTorch announces the end of torch.jit.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_traced_and_an_exported_network_equal_the_network(net):
    short = frames[:, :2]  # the loop over time is unrolled: two steps are one and its successor
    expected = net(short)
    traced = torch.jit.trace(net, (short,), check_trace=False)
    assert torch.allclose(traced(short), expected)
    exported = torch.export.export(net, (short,)).module()
    assert torch.allclose(exported(short), expected)
    assert copy.deepcopy(net).to("meta")(short.to("meta")).shape == expected.shape


def test_torch_func_maps_and_differentiates(net):
    def loss(sequence):
        return net(sequence[None]).square().sum()

    z = frames.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(z).square().sum(), z)
    assert torch.allclose(torch.func.vmap(torch.func.grad(loss))(frames), expected)
    assert torch.allclose(torch.func.vmap(net)(frames[:, None])[:, 0], net(frames))

    def of_parameters(parameters, sequence):
        return torch.func.functional_call(net, parameters, (sequence[None],)).square().sum()

    parameters = dict(net.named_parameters())
    gradients = torch.func.vmap(torch.func.grad(of_parameters), (None, 0))(parameters, frames)
    net(frames).square().sum().backward()
    for name, parameter in parameters.items():
        assert torch.allclose(gradients[name].sum(0), parameter.grad, rtol=1e-9, atol=1e-9), name


# PyTorch's compiler makes an instance of a function of autograd.
@pytest.mark.filterwarnings("ignore:.*Function:DeprecationWarning")
def test_a_network_compiles_without_a_break_in_its_graph(net):
    if any(isinstance(module, torch.nn.RNNBase) for module in net.modules()):
        pytest.skip("PyTorch does not compile its own LSTM and GRU")
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    assert torch.allclose(compiled(frames[:, :2]), net(frames[:, :2]))


def test_parameters_can_be_saved_flattened_and_optimised_as_vectors(net, tmp_path):
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    vector = torch.nn.utils.parameters_to_vector(net.parameters())
    assert len(vector) == sum(parameter.numel() for parameter in net.parameters())
    optimiser = torch.optim.LBFGS(net.parameters(), max_iter=2)

    def closure():
        optimiser.zero_grad()
        loss = (net(frames) - frames).square().mean()
        loss.backward()
        return loss

    before = closure().item()
    optimiser.step(closure)
    assert closure().item() < before


@pytest.mark.parametrize("name", networks.names())
def test_a_network_has_the_default_dtype_and_device_with_the_same_weights(name):
    usual = networks.build(name, n0=16, n=8, hidden=16, depth=2)
    dtype = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        double = networks.build(name, n0=16, n=8, hidden=16, depth=2)
    finally:
        torch.set_default_dtype(dtype)
    assert {tensor.dtype for tensor in double.state_dict().values()} == {torch.float64}
    for key, value in usual.state_dict().items():
        assert torch.equal(double.state_dict()[key].float(), value), key
    with torch.device("meta"):
        devices = {p.device.type for p in networks.build(name, n0=16, hidden=16).parameters()}
    assert devices == {"meta"}


def test_a_network_under_autocast_has_the_precision_of_its_parameters(net):
    net = net.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(net(frames.float()), net(frames.float()))
        assert net(frames.float()).dtype == torch.float32


def test_numpy_numbers_are_accepted_as_sizes_and_arrays_by_metrics():
    net = networks.build("gru", n0=np.int64(16), n=np.int32(8), hidden=np.int64(4))
    assert net.n0 == 16 and type(net.n0) is int
    whole = networks.build("gru", n0=16.0, n=8.0, hidden=4.0, depth=3.0, seed=0.0)
    assert torch.equal(whole(frames.float()), net(frames.float()))
    with pytest.raises(ConfigError, match="got an object of type ndarray; convert"):
        net(frames.float().numpy())
    pair = frames.numpy(), frames.numpy() + 25.5
    assert metrics.psnr(*pair, peak=255, average="global") == pytest.approx(20)


def test_the_engine_without_a_home_folder_uses_pytorch(monkeypatch):
    def nowhere(_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pooch.os_cache", nowhere)
    native.library.cache_clear()
    try:
        assert native.library() is None
        assert networks.build("l1-l1-rnn", n0=16, hidden=16)(frames.float()).shape == frames.shape
    finally:
        native.library.cache_clear()
