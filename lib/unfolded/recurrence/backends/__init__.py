"""Backends of the recurrence: reference, PyTorch calls, C, and Triton on CUDA."""
