"""Backends of the recurrence: reference, PyTorch operations, C, and Triton on CUDA."""
