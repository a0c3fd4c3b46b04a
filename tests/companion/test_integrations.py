"""Our solvers, networks and measurements with scikit-learn, deepinv and torch.export."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import SparseCoder

import unfolded
from companion.studies.lista import sparse_coding
from companion.studies.lista.lista_network import LISTA
from unfolded import metrics, solvers

SIZES = {"n0": 24, "n": 9, "hidden": 16, "depth": 2}


def video(*shape):
    return torch.from_numpy(np.random.default_rng(0).uniform(0, 255, shape)).float()


def objectives(problem):
    """Return the mean objective of the codes of three methods for the same problem."""
    D, l1 = problem.D, problem.lambda1
    coder = SparseCoder(
        D.T.numpy(), transform_algorithm="lasso_cd", transform_alpha=l1, transform_max_iter=20_000
    )
    ista = solvers.ista(
        problem.x[:, None], torch.eye(len(D)).double(), D, lambda1=l1, iterations=4000
    )
    lista = LISTA(D, lambda1=l1, depth=4000, tied=True).requires_grad_(False)
    codes = {
        "SparseCoder": torch.from_numpy(coder.transform(problem.x.numpy())),
        "ISTA": ista.codes[:, 0],
        "LISTA": lista(problem.x),
    }
    return {name: problem.objective(code).mean().item() for name, code in codes.items()}


@pytest.mark.parametrize("l1", [0.02, 0.1, 0.5])
def test_ista_and_lista_reach_the_objective_of_scikit_learn(l1):
    problem = sparse_coding.usual(40, "test")
    problem = sparse_coding.solve(problem.x, problem.D, l1)
    values = objectives(problem)
    least = problem.objective(problem.codes).mean().item()
    for name, value in values.items():
        assert least - 1e-9 <= value <= least * (1 + 1e-3), name
    # Another scale of alpha would have another optimum.
    solution = sparse_coding.solve(problem.x, problem.D, l1 * 1.1)
    assert problem.objective(solution.codes).mean().item() > least * (1 + 1e-4)


@pytest.mark.parametrize("name", unfolded.networks.names())
def test_a_training_loop_of_pytorch_with_a_fixed_matrix(name):
    A, frames = torch.eye(24)[:9] / 3, video(30, 4, 24)
    network = unfolded.build(name, A=A, trainable_A=False, hidden=16, depth=2)
    # [loop]
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for batch in torch.utils.data.DataLoader(frames, batch_size=10, shuffle=True):
        optimiser.zero_grad()
        loss = (network(batch) - batch).square().mean()
        loss.backward()
        optimiser.step()
    # [end of loop]
    assert torch.isfinite(loss) and torch.equal(network.A, A)


@pytest.mark.parametrize("name", ["reweighted-rnn", "l1-l1-rnn", "gru"])
def test_measurements_and_networks_in_deepinv(name):
    deepinv = pytest.importorskip("deepinv")
    network = unfolded.build(name, **SIZES).requires_grad_(False)
    frames = video(3, 5, 4, 6)

    # [deepinv]
    class Recovery(deepinv.models.Reconstructor):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, y, physics, **_):
            return self.network.recover(y).unflatten(-1, physics.img_size[1:])

    # The channels of deepinv are the frames of a sequence: (batch, time, height, width).
    size = frames.shape[1:]
    physics = deepinv.physics.LinearPhysics(
        A=lambda x, **_: network.measure(x),
        A_adjoint=lambda y, **_: (y @ network.A).unflatten(-1, size[1:]),
        img_size=size,
    )
    y = physics(frames)
    recovered = Recovery(network)(y, physics)
    psnr = deepinv.metric.PSNR(max_pixel=255)(recovered, frames)
    # [end of deepinv]

    assert torch.equal(y, network.measure(frames))
    assert torch.equal(recovered, network(frames))
    assert abs(physics.adjointness_test(frames)) < 1e-2 * y.square().sum()
    least = physics.A_dagger(y).flatten(2)
    assert torch.allclose(least, y @ torch.linalg.pinv(network.A).T, rtol=1e-2, atol=0.5)
    expected = metrics.psnr(frames, recovered, peak=255, average="sequence")
    assert psnr.mean().item() == pytest.approx(expected, abs=1e-3)


PAGE = Path(__file__).parents[2] / "notebooks" / "25_use_it_on_your_own_data.ipynb"


def test_the_page_includes_parts_of_this_file():
    source = Path(__file__).read_text(encoding="utf-8")
    text = PAGE.read_text(encoding="utf-8").replace('\\"', '"')
    marks = re.findall(r':(?:start-after|end-before): "(# \[[\w ]+\])"', text)
    assert len(marks) == text.count("{literalinclude}") * 2 == 4
    assert all(source.count(mark) == 1 for mark in marks)


def test_the_cells_of_the_page_work_for_an_array_in_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    np.save("FILE.npy", video(20, 3, 5, 7).numpy())
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads(PAGE.read_text())["cells"]}
    names = {"folder": tmp_path}
    # The comment of the cell has the line for a file.
    import_code = re.sub(r"= frames\[.*#.*: (.*)", r"= \1", cells["own-imports"])
    assert 'array = np.load("FILE.npy")' in import_code
    for code in (import_code, cells["own-ten-lines"]):
        exec(code, names)
    assert "(1, 3, 7) -> (1, 3, 5, 7)" in capsys.readouterr().out
    names |= {"network": names["net"].requires_grad_(False), "test": names["video"]}
    for name in ("own-save", "own-stream", "own-export", "own-export-check"):
        exec(cells[name], names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "True" and lines[1].startswith("3 frames; largest difference ")
