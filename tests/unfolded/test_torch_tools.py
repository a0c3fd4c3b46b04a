"""Networks under PyTorch's tools: higher derivatives, tracing, export, compilation, torch.func."""

import copy

import pytest
import torch

from unfolded import networks, recurrence

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
def test_second_derivatives_are_those_of_the_reference(net, second, backend):
    with recurrence.use("reference"):
        expected = second(net)
    with recurrence.use(backend):
        assert torch.allclose(second(net), expected, rtol=1e-9, atol=1e-13)
    assert expected.abs().max() > 0


# PyTorch announces the end of torch.jit.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_traced_and_an_exported_network_compute_the_same(net):
    expected = net(frames)
    traced = torch.jit.trace(net, (frames,), check_trace=False)
    assert torch.allclose(traced(frames), expected)
    exported = torch.export.export(net, (frames,)).module()
    assert torch.allclose(exported(frames), expected)
    assert copy.deepcopy(net).to("meta")(frames.to("meta")).shape == expected.shape


def test_torch_func_maps_and_differentiates(net):
    def loss(sequence):
        return net(sequence[None]).square().sum()

    z = frames.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(z).square().sum(), z)
    assert torch.allclose(torch.func.vmap(torch.func.grad(loss))(frames), expected)
    assert torch.allclose(torch.func.vmap(net)(frames[:, None])[:, 0], net(frames))


# PyTorch's compiler makes an instance of a function of autograd.
@pytest.mark.filterwarnings("ignore:.*Function:DeprecationWarning")
def test_a_network_compiles_without_a_break_in_its_graph(net):
    if any(isinstance(module, torch.nn.RNNBase) for module in net.modules()):
        pytest.skip("PyTorch does not compile its own LSTM and GRU")
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    assert torch.allclose(compiled(frames), net(frames))
