"""Networks with perturbed parameters."""

import torch


def perturbed(module, size):
    """Return the module with a random change of every parameter."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)
    return module.double()
