"""Combiners that look at accuracies: to choose among proxies, or to weigh them."""
