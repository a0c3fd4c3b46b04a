"""The common interface of all networks: measure a sequence, recover it, list the parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unfolded import recurrence
from unfolded.dictionaries import overcomplete_dct, sensing_matrix
from unfolded.errors import ConfigError, complain, whole_number
from unfolded.networks.positivity import from_raw, to_raw
from unfolded.recurrence import LowRank, transforms
from unfolded.recurrence.linear import linear
from unfolded.seeds import derive

_SCALARS = ("c", "lambda1", "lambda2")


class State(NamedTuple):
    """The state of a recovery between two frames of ``batch`` sequences."""

    batch: int
    codes: Tensor | tuple[Tensor, ...]
    weights: dict[str, Any] | None = None
    """The weights of the recurrence, computed once."""


class SequenceNetwork(nn.Module):
    """Recovers frames s_t from measurements x_t = A s_t; A is trained together with the network.

    Shapes: frames (batch, time, n0); measurements (batch, time, n); codes (batch, time, h).
    """

    def __init__(self, *, n0: int, n: int, hidden: int, depth: int, seed: int, fast: bool = True):
        super().__init__()
        self.fast = fast
        self.n0, self.n = whole_number("n0", n0, 1), whole_number("n", n, 1)
        self.hidden, self.depth = whole_number("hidden", hidden, 1), whole_number("depth", depth, 1)
        seed = derive(whole_number("seed", seed, 0), "A", self.n, self.n0)
        self.A = nn.Parameter(sensing_matrix(self.n, self.n0, seed=seed))

    uses_engine = True
    """Whether compiled kernels may run; an unfolded network decides at each call."""

    def forward(self, frames: Tensor) -> Tensor:
        """Measure the frames and recover them: (batch, time, n0) -> (batch, time, n0).

        Frames (batch, time, height, width) with n0 pixels give frames of that shape. Under
        autocast, the computation uses the precision of the parameters.
        """
        kind = self.A.device.type
        if kind != "meta" and torch.is_autocast_enabled(kind):
            with torch.autocast(kind, enabled=False):
                return self.forward(frames)
        return self.recover(self.measure(frames)).view(frames.shape)

    def measure(self, frames: Tensor) -> Tensor:
        """Return x_t = A s_t: (batch, time, n0) or (batch, time, height, width) -> (…, time, n).

        Raises ConfigError on a wrong shape and on NaN or infinity. Values are not checked while
        torch traces, compiles, exports or transforms.
        """
        return self._valid_sequence(frames, self.n0, "frames") @ self.A.T

    def recover(self, x: Tensor, state: State | None = None) -> Tensor | tuple[Tensor, State]:
        """Return the frames recovered from measurements: (batch, time, n) -> (…, n0).

        With a state, continue from it and return (frames, the state after them). This recovers a
        sequence frame by frame, beginning with :meth:`start`, with the same result.

        >>> from unfolded.networks import build
        >>> net = build("l1-l1-rnn", hidden=16, depth=2).requires_grad_(False)
        >>> state = net.start(batch=1)
        >>> for x in torch.zeros(3, 1, 1, net.n):  # three frames, one at a time
        ...     frames, state = net.recover(x, state)
        """
        if state is None:
            return self.run(self._valid_sequence(x, self.n, "measurements"))
        codes, state = self.codes(x, state)
        return self.decode(codes), state

    def codes(self, x: Tensor, state: State | None = None) -> Tensor | tuple[Tensor, State]:
        """Return the codes h_t^(d) of every frame: (batch, time, n) -> (batch, time, h).

        With a state, return (codes, the state after them), as in :meth:`recover`.
        """
        x = self._valid_sequence(x, self.n, "measurements")
        if state is None:
            return self.unroll(x)[0]
        if state.batch != len(x):
            got = f"measurements of {len(x)}"
            want = f"measurements of the {state.batch} sequences that the state was started for"
            raise ConfigError(complain(want, got, "start another state with net.start(batch)"))
        codes = state.codes[0] if isinstance(state.codes, tuple) else state.codes
        if codes.dtype != self.A.dtype or codes.device != self.A.device:
            want = f"a state of {self.A.dtype} on {self.A.device}"
            got = f"{codes.dtype} on {codes.device}"
            raise ConfigError(complain(want, got, "start another state after net.to(…)"))
        return self.unroll(x, state)

    def run(self, x: Tensor) -> Tensor:
        """Return the frames recovered from measurements that are already checked."""
        return self.decode(self.unroll(x)[0])

    def start(self, batch: int = 1) -> State:
        """Return the state before the first frame of ``batch`` sequences.

        It contains the current weights: call start again after a parameter has changed.
        """
        raise NotImplementedError

    def unroll(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run the recurrence on checked measurements; each network implements this method."""
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes into frames; each network implements this method.

        Its last operation must not need its result in the backward pass, as a sigmoid does:
        training overwrites the result with the gradient of the loss.
        """
        raise NotImplementedError

    def decoder_matrix(self) -> Tensor:
        """Return the matrix (n0, h) that decodes a code; D in an unfolded network."""
        raise NotImplementedError

    def _valid_sequence(self, sequence: Tensor, features: int, quantity: str) -> Tensor:
        if not isinstance(sequence, Tensor) or sequence.dtype != self.A.dtype:
            kind = type(sequence).__name__
            got = sequence.dtype if isinstance(sequence, Tensor) else f"an object of type {kind}"
            do = "convert them with torch.as_tensor(…, dtype=…), or the network with .to(…)"
            raise ConfigError(complain(f"{quantity} as a tensor of {self.A.dtype}", got, do))
        shape = sequence.shape
        if sequence.ndim == 4 and quantity == "frames":
            sequence = sequence.flatten(2)
        if sequence.ndim != 3 or sequence.shape[-1] != features or not sequence.shape[1]:
            got = f"a tensor of shape {tuple(shape)}"
            want = f"{quantity} of shape (batch, time, {features}) with at least one frame"
            raise ConfigError(complain(want, got, "reshape what you pass"))
        if transforms.has_values(sequence) and not bool(torch.isfinite(sequence).all()):
            count = int((~torch.isfinite(sequence)).sum())
            got = f"{count} NaN or infinite values"
            raise ConfigError(complain(f"finite {quantity}", got, "clean the input first"))
        return sequence


class UnfoldedNetwork(SequenceNetwork):
    """A network whose layers are solver iterations; it has parameters, the solver the algorithm.

    Shared parameters: A (n, n0), D (n0, h), h0 (h,), and the positive scalars c, λ1, λ2. They are
    positive by ``positivity``: "exp" or "softplus" of a free tensor, or "free" as in the
    authors' code (then Φ may not be a proximal operator). λ2 = 0 is fixed and not trained.
    ``fast=False`` runs the solver steps with autograd instead of the engine; "free" always does
    so; ``memory=False`` fixes the link to the previous frame (G, or F in SISTA-RNN) at zero;
    if the attribute ``recompute`` is set, the engine runs the layers again in the backward pass
    instead of storing their outputs.
    """

    recompute = False

    def __init__(
        self, *, positivity: str, lambda1: float, lambda2: float, memory: bool = True, **sizes
    ):
        super().__init__(**sizes)
        self.positivity, self.memory = positivity, memory
        self.D = nn.Parameter(overcomplete_dct(self.n0, self.hidden))
        self.h0 = nn.Parameter(torch.zeros(self.hidden))
        self.raw = nn.ParameterDict()
        self.add_positive("c", torch.tensor(1.0))
        self.register_buffer("zero", torch.tensor(0.0), persistent=False)
        self.add_positive("lambda1", torch.tensor(float(lambda1)))
        if lambda2 != 0:
            self.add_positive("lambda2", torch.tensor(float(lambda2)))

    def add_positive(self, name: str, value: Tensor) -> None:
        """Add a positive parameter with this effective initial value."""
        self.raw[name] = nn.Parameter(to_raw(value, self.positivity, name))

    @torch.no_grad()
    def lipschitz(self, A: Tensor) -> Tensor:
        r"""Return :math:`\|AD\|_2^2`, the Lipschitz constant of the gradient, for A (n, n0)."""
        return torch.linalg.matrix_norm(A @ self.D, 2) ** 2

    def add_transition(self, name: str, size: int) -> None:
        """Add the link to the previous frame: a trained identity matrix, or zero without memory."""
        if self.memory:
            setattr(self, name, nn.Parameter(torch.eye(size)))
        else:
            self.register_buffer(name, torch.zeros(size, size), persistent=False)

    def positive(self, name: str) -> Tensor:
        """Return the effective value of a positive parameter, or the fixed zero."""
        return from_raw(self.raw[name], self.positivity) if name in self.raw else self.zero

    def decode(self, codes: Tensor) -> Tensor:
        """Return ŝ_t = D h_t."""
        if self.uses_engine:  # the codes are time-major in memory, so the product needs no copy
            return linear(codes.transpose(0, 1), self.D).transpose(0, 1)
        return codes @ self.D.T

    def start(self, batch: int = 1) -> State:
        """Return h_0 for every sequence, and the weights of the engine."""
        return State(batch, self.h0.expand(batch, -1), self.weights() if self.uses_engine else None)

    def unroll(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run the recurrence, with the engine or step by step: (batch, time, n) -> (…, h)."""
        state = state or self.start(len(x))
        if state.weights is None:
            codes = self.run_reference(x, state.codes)
        else:
            codes = recurrence.unroll(x, state.codes, **state.weights, recompute=self.recompute)
        return codes, state._replace(codes=codes[:, -1])

    def run(self, x: Tensor) -> Tensor:
        """Recover frames directly, with the engine or step by step, without returning codes."""
        if not self.uses_engine:
            return super().run(x)
        h0, options = self.h0.expand(len(x), -1), {"D": self.D, "recompute": self.recompute}
        return recurrence.unroll(x, h0, **self.weights(), **options)

    @property
    def uses_engine(self) -> bool:
        """Whether the engine runs; its backward pass assumes positive thresholds.

        Otherwise the solver steps run: if torch.func differentiates, or torch traces or exports.
        """
        reference = not self.fast or recurrence.chosen() == "reference"
        if reference or self.positivity == "free" or transforms.is_symbolic(self.A):
            return False
        return not transforms.differentiated_by_func()

    def run_reference(self, x: Tensor, h: Tensor) -> Tensor:
        """Run the solver steps with autograd: x (batch, time, n), h_0 (batch, h) -> (…, h)."""
        codes, solve = [], self.solver()
        for x_t in x.unbind(1):
            h = solve(x_t, h)
            codes.append(h)
        return torch.stack(codes, 1)

    def solver(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the function that maps x_t (batch, n) and h_{t−1} (batch, h) to h_t."""
        raise NotImplementedError

    def weights(self) -> dict[str, Tensor | LowRank | None]:
        """Return the weights of :func:`unfolded.recurrence.unroll` by argument name."""
        raise NotImplementedError

    def decoder_matrix(self) -> Tensor:
        return self.D

    def symbols(self) -> dict[str, Tensor]:
        """Return the effective tensors by the symbols of the paper (see the notation page)."""
        positive = {name: self.positive(name) for name in dict.fromkeys([*_SCALARS, *self.raw])}
        return {"A": self.A, "D": self.D, "h0": self.h0, **positive}

    def layer_weights(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return W_1 … W_d (h, h) and U_1 … U_d of the unrolled form; a subclass implements it."""
        raise NotImplementedError

    @torch.no_grad()
    def norms(self) -> dict[str, Tensor]:
        r"""Return the norms in the bounds.

        ``alpha`` (d,) and ``beta`` (d,):
        :math:`\alpha_l = \|W_l\|_{1,\infty} = \max_i \sum_j |W_{l,ij}|`, and
        :math:`\beta_l = \|U_l\|_{1,\infty}`. Source: Theorem 3.1. For SISTA-RNN ``beta`` is (2,) at
        any depth, as in (17): the norms of the input weights and of the link to the previous frame.
        """
        W, U = self.layer_weights()
        return {
            "alpha": torch.stack([w.abs().sum(1).max() for w in W]),
            "beta": torch.stack([u.abs().sum(1).max() for u in U]),
        }
