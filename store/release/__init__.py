"""Releases: a benchmark compacted into a few checksummed files; packed, verified, fetched, published."""
