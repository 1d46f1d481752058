"""What can be asked of a benchmark, one file a question: the methods of `store.Benchmark`."""
