"""Search strategies: one file each, a function of candidates and an objective, found by being there."""
