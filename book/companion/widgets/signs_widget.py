"""The interactive counter-example to Theorem 3.1: signs, and a network that follows them."""

import re

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure

from companion.plots import style
from companion.theory import counterexample
from companion.widgets.base_widget import Explorer, script
from unfolded import bounds
from unfolded.errors import ConfigError, complain

COINS = 6
"""The number m of samples, each with one random sign."""

BETA = (1e-4, 5.0)
"""The range of β: below m (λ2 − λ1), as `counterexample.sign_memory` requires."""


class SignsExplorer(Explorer):
    r"""Six random signs that the reader flips, and a slider for β, the norm of the rows of U_1.

    For each sign pattern, `counterexample.sign_memory` has a network with
    :math:`\frac1m\sum_i \epsilon_i f(x_i) = \lambda_2 - \lambda_1`, so this is a lower bound on the
    Rademacher complexity of the class; (14) is proportional to β. With a kernel, the traits and
    the controls are synchronised; a static page shows the same element.
    ``signs``: six characters "+" or "-". Units: none. Raises ConfigError for other signs and for β
    outside of :data:`BETA`. Source: the proposition "Signs remembered" on the page of Theorem 3.1.

    >>> SignsExplorer(signs="++--++").element().split(">")[0]
    '<signs-explorer signs="++--++" beta="0.1"'
    """

    TAG = "signs-explorer"
    NAMES = ("signs", "beta")
    _esm = script("signs.js")
    signs = traitlets.Unicode("+-++-+").tag(sync=True)
    beta = traitlets.Float(0.1).tag(sync=True)

    @staticmethod
    def check(name: str, value) -> None:
        """Raise ConfigError for another number of signs and for a β out of range."""
        if name == "signs":
            fine, expected = re.fullmatch(rf"[+-]{{{COINS}}}", str(value)), f"{COINS} of + and -"
        else:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            fine, expected = (
                number and BETA[0] <= value <= BETA[1],
                "from {:g} to {:g}".format(*BETA),
            )
        if not fine:
            raise ConfigError(complain(f"{name} {expected}", repr(value), "choose another value"))

    def outputs(self) -> np.ndarray:
        """Return the outputs (6,) of the network for these signs, computed by the library.

        >>> SignsExplorer().outputs().round(6).tolist()
        [0.9, -0.9, 0.9, 0.9, -0.9, 0.9]
        """
        signs = torch.tensor([1.0 if sign == "+" else -1.0 for sign in self.signs])
        net, x = counterexample.sign_memory(signs, self.beta)
        return net.codes(x)[:, -1, 0].numpy()

    def picture(self) -> tuple[Figure, str]:
        """Return the outputs and the bound against β, with a description."""
        outputs, betas = self.outputs(), np.geomspace(*BETA, 50)
        reached = float(np.abs(outputs).mean())
        fig, (left, right) = style.panels(1, 2)
        labels = [f"{i}\n{'+1' if sign == '+' else '−1'}" for i, sign in enumerate(self.signs, 1)]
        left.bar(labels, outputs, color=["#0072B2" if out > 0 else "#B3134E" for out in outputs])
        left.axhline(0, color="#222222", lw=1)
        left.set(xlabel="coin and its sign", ylabel="output of the network")
        right.plot(betas, np.full(50, reached), label="reached by the class")
        right.plot(betas, [bound(beta) for beta in betas], "--", label="bound (14)")
        right.set(xscale="log", yscale="log", xlabel=r"$\beta$", ylabel=r"$\Re_S$")
        right.legend()
        return fig, (
            f"Left: the outputs of the network for six coins have the signs of the coins, and size "
            f"{reached:.2g}. Right: the complexity that is reached is {reached:.2g} for every β; "
            f"the bound falls from {bound(BETA[1]):.2g} at β = {BETA[1]:g} to {bound(BETA[0]):.1g}."
        )


def bound(beta: float) -> float:
    r"""Return (14) for the class of `counterexample.sign_memory` with m = 6 samples.

    One layer, T = 2, :math:`W_1 = 0`, n = h = m, :math:`B_x = 1/\sqrt m`. Units: none.

    >>> round(bound(1.0), 4)
    0.7121
    """
    sizes = {"m": COINS, "n": COINS, "h": COINS, "T": 2}
    return bounds.rademacher_reweighted([1e-300], [beta], **sizes, B_x=COINS**-0.5, h0_inf=1.0)
