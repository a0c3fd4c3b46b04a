"""Derivations, searches and counterexamples for the theory pages."""
