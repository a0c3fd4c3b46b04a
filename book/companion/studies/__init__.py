"""Experiments on related papers, and on the networks outside the tables."""
