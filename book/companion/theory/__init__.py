"""Derivations, searches and counter-examples behind the pages on theory."""
