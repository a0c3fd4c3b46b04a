"""What all tests share: one thread, one hypothesis profile, random float64 tensors."""

import pytest
import torch
from hypothesis import HealthCheck, settings

# One thread makes small products faster and sums reproducible from machine to machine.
torch.set_num_threads(1)
settings.register_profile(
    "unfolded",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unfolded")


@pytest.fixture
def normal():
    """A source of standard normal float64 tensors, the same in every run of a test."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return draw
