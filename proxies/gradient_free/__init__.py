"""Proxies that need no gradients, or none of a loss."""
