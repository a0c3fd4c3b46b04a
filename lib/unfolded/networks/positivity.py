"""Parametrisations of a positive parameter: exp, softplus, or free as in the authors' code."""

import torch
from torch import Tensor
from torch.nn import functional

from unfolded.choices import POSITIVITY
from unfolded.errors import ConfigError, check_choice, complain


def to_raw(value: Tensor, form: str, name: str = "value") -> Tensor:
    """Return the free tensor whose :func:`from_raw` is ``value``.

    Raises ConfigError if the form is unknown or the initial value is not positive.

    >>> from_raw(to_raw(torch.tensor(0.01), "softplus"), "softplus")
    tensor(0.0100)
    """
    check_choice("positivity", form, POSITIVITY)
    if not bool(torch.isfinite(value).all()):
        raise ConfigError(complain(f"a finite {name}", value.max().item(), "choose another start"))
    if form == "free":
        return value.clone()
    if not bool((value > 0).all()):
        do = "start above 0, or choose positivity='free'"
        raise ConfigError(complain(f"{name} > 0", value.min().item(), do))
    if form == "exp":
        return value.log()
    return value + torch.log(-torch.expm1(-value))


def from_raw(raw: Tensor, form: str) -> Tensor:
    """Return the effective value of a parameter in this parametrisation."""
    if form == "softplus":
        return functional.softplus(raw)
    return raw.exp() if form == "exp" else raw
