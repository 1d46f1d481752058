"""The charts, drawn with Altair, one file a page. They draw numbers and compute none."""
