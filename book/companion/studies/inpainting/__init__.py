"""Inpainting with GLOW-Prox."""
