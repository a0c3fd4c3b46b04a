"""The recovery script computes in Node what the library computes."""

import functools
import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from recovery_scripts import COMMON, MODULE, weights

from companion import pretrained
from companion.sphinx import assets
from unfolded import data, solvers
from unfolded.data import downsample, moving_mnist

TOLERANCE = 1e-4 * 255
NETWORKS = pytest.mark.parametrize("model", pretrained.COVER)


@functools.cache
def frames() -> torch.Tensor:
    """Return two stored sequences, (2, 20, 256), in grey levels."""
    return torch.from_numpy(data.sequences("digits", count=10)).flatten(2)[:2].double()


def in_node(body: str, content, folder, model: str = pretrained.COVER[0]) -> object:
    """Evaluate an expression of the module, of `weights` and of `data` in Node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    (folder / "weights.js").write_bytes(weights(model))
    read = "require('fs').readFileSync(process.argv[2], 'utf16le').slice(1)"
    module = MODULE.replace("export default", "void")
    source = f"{COMMON}\n{module}\n(0, eval)({read}); const weights = recoveryWeights['{model}'];"
    source += f"const data = {json.dumps(content)}; console.log(JSON.stringify({body}));"
    call = [node, "-", folder / "weights.js"]
    ran = subprocess.run(call, input=source, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


# Arithmetic


@NETWORKS
def test_the_script_has_the_exact_weights(model, tmp_path):
    network = pretrained.pretrained(model, "cover")[0]
    body = "(({ shapes, values }) => [shapes, [...halves(values)]])(weights)"
    shapes, values = in_node(body, None, tmp_path, model)
    at = 0
    for name, shape in shapes.items():
        stored, size = getattr(network, name), int(np.prod(shape))
        assert list(stored.shape) == shape
        np.testing.assert_array_equal(values[at : at + size], stored.flatten().tolist())
        at += size
    assert at == len(values)


def test_every_half_precision_number_is_read(tmp_path):
    bits = np.arange(2**16, dtype=np.uint16)
    numbers = bits.view(np.float16)
    bits, numbers = bits[np.isfinite(numbers)], numbers[np.isfinite(numbers)]
    result = in_node("[...halves(String.fromCharCode(...data))]", bits.tolist(), tmp_path)
    np.testing.assert_array_equal(result, numbers.astype(float))


RECOVER = """data.sequences.map((sequence) => {
  const net = new Recovery(weights), decoded = new Float64Array(256);
  return sequence.map((pixels) => {
    net.pixels.set(pixels);
    net.run();
    const few = net.hbar.slice(), many = net.hbar.slice();
    net.iterate(few, 3);
    net.iterate(many, 40);
    net.next(data.memory);
    return [...net.codes, few, many].map((code) => [...code]);
  });
})"""


@NETWORKS
@pytest.mark.parametrize("memory", [True, False])
def test_layers_and_iterations_equal_those_of_the_library(model, memory, tmp_path):
    network = pretrained.pretrained(model, "cover")[0].double()
    inputs = frames()[:, :5]
    content = {"sequences": inputs.tolist(), "memory": memory}
    codes = torch.tensor(in_node(RECOVER, content, tmp_path, model), dtype=torch.float64)
    theta, x = network.symbols(), network.measure(inputs)
    problem = {name: theta[name] for name in ("A", "D", "G", "lambda1", "lambda2")}
    for s, sequence in enumerate(x):
        h = network.h0
        for t, x_t in enumerate(sequence[:, None, None]):
            layers = [
                solvers.reweighted_l1_l1(x_t, **problem, h0=h, Z=theta["Z"][:l], g=theta["g"][:l],
                                         c=theta["c"], iterations=l)
                for l in range(1, network.depth + 1)
            ]  # fmt: skip
            last = {"g": theta["g"][-1], "h0": h}
            runs = [solvers.reweighted_l1_l1(x_t, **problem, **last, iterations=k) for k in (3, 40)]
            expected = torch.stack([theta["G"] @ h, *(run.codes[0, 0] for run in (*layers, *runs))])
            assert ((codes[s, t] - expected) @ theta["D"].T).abs().max() < TOLERANCE
            h = layers[-1].codes[0, 0] if memory else network.h0
    estimate = codes[:, :, network.depth] @ theta["D"].T
    with_state = network(inputs) if memory else network(inputs.reshape(-1, 1, 256))
    assert (estimate - with_state.view_as(estimate)).abs().max() < TOLERANCE


# A linear congruential generator in place of the browser's random numbers, which have no seed.
SEEDED = """let seed = 1;
Math.random = () => (seed = (seed * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;"""


def test_noise_is_relative_to_the_measurements(tmp_path):
    body = """(() => {
      SEEDED
      const net = new Recovery(weights), found = [];
      net.pixels.set(data);
      net.measure();
      const clean = net.x.slice();
      for (let i = 0; i < 200; i++) {
        net.next();
        net.measure(0.1);
        found.push(...net.x.map((value, k) => value - clean[k]));
      }
      return [[...clean], found];
    })()""".replace("SEEDED", SEEDED)
    clean, noise = map(np.array, in_node(body, frames()[0, 0].tolist(), tmp_path))
    deviation = 0.1 * np.sqrt(np.mean(clean**2))
    assert noise.std() == pytest.approx(deviation, rel=0.03)
    assert abs(noise.mean()) < 0.03 * deviation


# Digits and frames


def test_frames_are_generated_and_reduced_as_in_the_training_data(tmp_path):
    digit = data.datasets.digit_images()[3]
    start, heading = np.array([[0.2, 0.9]]), np.array([2.0])
    corners = moving_mnist.walk(start, heading)
    canvas = moving_mnist.draw(digit[None, None], corners[None])
    expected = downsample.reduce(canvas, "area")[0].reshape(20, -1)
    body = """(() => {
      const canvas = new Uint8Array(64 * 64), frame = new Float64Array(256);
      const [point, velocity] = data.motion;
      return Array.from({ length: 20 }, () => {
        scene.move(point, velocity);
        const corner = point.map((part) => Math.floor(36 * part));
        scene.draw(canvas, data.digit, ...corner);
        scene.reduce(canvas, frame);
        return [corner, [...frame]];
      });
    })()"""
    step = moving_mnist.STEP * np.array([np.sin(2.0), np.cos(2.0)])
    content = {"digit": digit.flatten().tolist(), "motion": [start[0].tolist(), step.tolist()]}
    result = in_node(body, content, tmp_path)
    np.testing.assert_array_equal([corner for corner, _ in result], corners[:, 0])
    np.testing.assert_allclose([frame for _, frame in result], expected, rtol=1e-6)


def test_presets_have_the_statistics_of_mnist(tmp_path):
    body = """Object.keys(PRESETS).map((name) => {
      const digit = new Uint8Array(28 * 28);
      strokes.preset(digit, name);
      return [...digit];
    })"""
    digits = np.array(in_node(body, None, tmp_path)).reshape(-1, 28, 28)
    assert len(digits) >= 6
    for digit in digits:
        rows, columns = np.nonzero(digit > 127)
        # MNIST: a box of 20×20 in the centre, mean 33, 19 % of the pixels above zero.
        assert min(rows.min(), columns.min()) >= 3 and max(rows.max(), columns.max()) <= 24
        assert 18 <= np.ptp(rows) + 1 <= 22
        assert digit.max() == 255 and 20 < digit.mean() < 45 and 0.1 < (digit > 0).mean() < 0.28


# Size


def test_the_figure_is_below_one_megabyte():
    weight = sum(len(weights(model)) for model in pretrained.COVER)
    assert weight < 1e6
    script = assets.classic(MODULE, "recovery.js", common=COMMON)
    assert weight + len(script.encode()) < 2**20
