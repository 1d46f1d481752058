"""The error a builder's user can cause, in one line fit for a terminal."""

from __future__ import annotations


class BuilderError(ValueError):
    """A wrong configuration, task, image set, published table or checkpoint."""


class TrainingFailed(BuilderError):
    """A training whose loss is no longer a number: the failure of one row, if it is one row's."""
