"""Jobs: each reads tables and writes tables, and none calls another. A job is one file here with a `run`."""

# They write nothing into the benchmark.
READERS = ("rank", "noise", "analyse", "status", "release")
