"""Combiners that see scores alone."""
