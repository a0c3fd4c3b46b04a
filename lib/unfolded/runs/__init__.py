"""Runs: configurations, grids of configurations, and the records of finished runs."""
