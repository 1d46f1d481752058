"""Proxies made of gradients of the loss."""
