"""Networks in files: a loaded network equals the stored one, and damaged files are rejected."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from small_runs import small

import unfolded
from companion import pretrained
from unfolded import networks, training
from unfolded.choices import VARIANTS
from unfolded.errors import ConfigError, RecordError
from unfolded.training import checkpoint

SIZES = {"n0": 16, "n": 5, "hidden": 24, "depth": 2, "seed": 3}
CASES = [
    *((name, {}) for name in networks.names()),
    *((name, {"variant": v}) for name, variants in VARIANTS.items() for v in variants),
    *(("reweighted-rnn", {"positivity": form}) for form in ("softplus", "free")),
    *(("reweighted-rnn", {"reweighting": part}) for part in ("Z", "g")),
    *((name, {"memory": False}) for name in ("sista-rnn", "l1-l1-rnn")),
    ("sista-rnn", {"lambda1": np.float32(0.3), "lambda2": 0}),
    ("gru", {"fast": False}),
    ("l1-l1-rnn", {"trainable_A": False}),
    ("srnn", {"n": np.int64(5), "seed": np.uint8(7)}),
]


def frames(dtype=torch.float32):
    return torch.from_numpy(np.random.default_rng(1).normal(size=(3, 9, 16))).to(dtype)


def step(net):
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    x = frames(net.A.dtype)
    (net(x) - x).square().mean().backward()
    optimiser.step()
    return net


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_a_stored_network_is_loaded_and_can_be_trained_further(name, options, tmp_path):
    net = step(unfolded.build(name, **SIZES | options))
    unfolded.save(net, str(tmp_path / "new" / "net.safetensors"))
    twin = unfolded.load(str(tmp_path / "new" / "net.safetensors"))
    assert type(twin) is type(net)
    assert torch.equal(twin(frames()), net(frames()))
    assert [p.requires_grad for p in twin.parameters()] == [True] * len(list(net.parameters()))
    for network in (net, twin):
        network.zero_grad()
    assert torch.equal(step(twin)(frames()), step(net)(frames()))
    unfolded.save(twin, tmp_path / "again")
    assert torch.equal(unfolded.load(tmp_path / "again")(frames()), twin(frames()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", networks.names())
def test_the_precision_is_preserved(name, dtype, tmp_path):
    net = unfolded.build(name, **SIZES).to(dtype)
    unfolded.save(net, tmp_path / "net")
    twin = unfolded.load(tmp_path / "net")
    assert {tensor.dtype for tensor in twin.state_dict().values()} == {dtype}
    if dtype == torch.float64:
        assert torch.equal(twin(frames(dtype)), net(frames(dtype)))


def test_a_given_matrix_is_stored(tmp_path):
    A = np.random.default_rng(0).normal(size=(4, 16))
    unfolded.save(unfolded.build("lstm", A=A, trainable_A=False, hidden=6), tmp_path / "net")
    net = unfolded.load(tmp_path / "net")
    assert np.array_equal(net.A.numpy(), A.astype(np.float32)) and not net.A.requires_grad
    assert "A" not in dict(net.named_parameters())


def test_equal_networks_give_equal_bytes(tmp_path):
    for number in range(6):
        unfolded.save(unfolded.build("indrnn", **SIZES), tmp_path / str(number))
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    # Other programs read the file, too.
    assert "A" in safetensors.torch.load_file(tmp_path / "0")


def test_weights_of_a_run_and_of_the_repository_are_read(tmp_path):
    record = training.run(small("gru"), store=tmp_path, progress=False)
    net = unfolded.load(tmp_path / record.config_hash / "weights.safetensors")
    assert net.hidden == 9 and net.n0 == 256
    single = unfolded.load(pretrained.WEIGHTS / "l1-l1-rnn.safetensors")
    whole, _ = pretrained.pretrained("l1-l1-rnn")
    assert single.A.dtype == torch.float32 and torch.equal(single.D, whole.D)


def test_weights_of_another_network_are_not_the_result_of_a_run(tmp_path):
    unfolded.save(unfolded.build("gru", **SIZES), tmp_path / "weights.safetensors")
    with pytest.raises(RecordError, match=r"weights of a run at .*; got those of another network"):
        checkpoint.load_network(tmp_path)


@pytest.fixture
def stored(tmp_path):
    unfolded.save(unfolded.build("gru", **SIZES), tmp_path / "net")
    return tmp_path / "net"


def rejected(path):
    match = r"^expected a network of unfolded.save at .*; got .+; save it again.*\Z"
    with pytest.raises(RecordError, match=match):
        unfolded.load(path)


def test_a_missing_damaged_or_truncated_file_is_rejected(stored, tmp_path):
    content = stored.read_bytes()
    cut = [content[:end] for end in (0, 3, 8, 60, len(content) // 2, -1)]
    for damaged in (*cut, b"no weights", b"\xff" * 64, b"\0" * 4096, b"PK\3\4" * 9):
        stored.write_bytes(damaged)
        rejected(stored)
    rejected(tmp_path / "absent")
    rejected(tmp_path)


HEADER = {"format": 1, "build": {"name": "gru", **SIZES}}


@pytest.mark.parametrize(
    "header",
    [
        None,
        {},
        {"format": "pt"},
        *({"unfolded": text} for text in ("{", "[]", "3")),
        *({"config": text} for text in ("{}", "[]", '{"model": "rnn"}')),
        *({"unfolded": json.dumps(part)} for part in (HEADER | {"format": 2}, {"format": 1})),
        {"unfolded": json.dumps({"format": 1, "build": ["gru"]})},
        *(
            {"unfolded": json.dumps(HEADER | {"build": HEADER["build"] | {name: value}})}
            for name, values in {"name": ["rnn"], "hidden": [25, -1, 10**12], "colour": [1]}.items()
            for value in values
        ),
    ],
    ids=str,
)
def test_a_file_of_another_program_is_rejected(stored, header):
    weights = safetensors.torch.load_file(stored)
    safetensors.torch.save_file(weights, stored, metadata=header)
    rejected(stored)


def test_a_file_with_other_tensors_is_rejected(stored):
    for weights in ({}, {"A": torch.zeros(5, 16)}, {"A": torch.zeros(5, 16, dtype=torch.int8)}):
        safetensors.torch.save_file(weights, stored, metadata={"unfolded": json.dumps(HEADER)})
        rejected(stored)


def test_only_networks_of_the_library_are_saved(tmp_path):
    net = unfolded.build("gru", **SIZES)
    for model in (torch.nn.Linear(2, 3), torch.nn.DataParallel(net), net.state_dict(), None):
        with pytest.raises(ConfigError, match=r"a network from unfolded.build; got an object of "):
            unfolded.save(model, tmp_path / "net")
    assert not list(tmp_path.iterdir())


def test_links_and_special_files_are_not_replaced(stored, tmp_path):
    before = stored.read_bytes()
    symlink, pipe = tmp_path / "link", tmp_path / "pipe"
    symlink.symlink_to(stored)
    os.mkfifo(pipe)
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    for path in (symlink, pipe, tmp_path / "dangling"):
        with pytest.raises(RecordError, match=r"a regular file at .*; got a symbolic link or "):
            unfolded.save(unfolded.build("srnn", **SIZES), path)
    assert symlink.is_symlink() and pipe.is_fifo() and stored.read_bytes() == before
    assert not (tmp_path / "absent").exists()


def test_importing_the_library_does_not_import_torch():
    code = (
        "import sys, unfolded; print('torch' in sys.modules); print(unfolded.build, unfolded.load)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, capture_output=True, text=True, check=True, env=environment)
    lines = done.stdout.splitlines()
    assert lines[0] == "False" and "function build" in lines[1] and "function load" in lines[1]
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        unfolded.lode  # noqa: B018
