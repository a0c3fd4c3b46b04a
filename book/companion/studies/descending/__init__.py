"""Sequence networks under descending constraints: layers, trials, perturbations, results."""
