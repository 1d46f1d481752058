"""The tables of a benchmark: written whole, read with DuckDB, ranked. Needs neither torch nor a network."""

from store.benchmark import Benchmark
from store.errors import StoreError
from store.schema import SCHEMA_VERSION, TABLES
from store.write import write_part

__all__ = ["SCHEMA_VERSION", "TABLES", "Benchmark", "StoreError", "write_part"]
