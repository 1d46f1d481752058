"""Published accuracies: one importer a source, found by being there; the check that every column passes."""

from builder.published.importer import Column, Importer, get, names, register

__all__ = ["Column", "Importer", "get", "names", "register"]
