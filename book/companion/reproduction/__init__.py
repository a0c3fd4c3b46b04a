"""Comparison of the runs with the paper's tables and with its protocol."""
