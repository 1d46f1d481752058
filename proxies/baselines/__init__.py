"""Controls: what a proxy must beat to be worth its passes."""
