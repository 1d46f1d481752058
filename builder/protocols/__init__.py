"""Protocols: the ways to get an architecture's true accuracy. A protocol is one file here with a `run`."""
