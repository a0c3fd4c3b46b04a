"""Execution of the notebooks and building of the book."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The root of the repository."""
