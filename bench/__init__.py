"""Speed and agreement, measured: each file is a script that prints a table."""
