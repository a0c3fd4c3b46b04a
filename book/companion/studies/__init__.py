"""Experiments on related papers, and on networks that are not in the tables."""
