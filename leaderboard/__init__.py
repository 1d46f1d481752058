"""The web page over a benchmark: which proxy to trust, on which task. Reads only through `store`."""
