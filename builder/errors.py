"""The error a builder's user can cause, in one line fit for a terminal."""

from __future__ import annotations


class BuilderError(ValueError):
    """A wrong configuration, task, image set, published table or checkpoint."""
