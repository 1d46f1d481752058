"""The tables of a benchmark: written whole, read with DuckDB, ranked. Needs neither torch nor a network."""

from typing import TYPE_CHECKING, Any

from store.benchmark import Benchmark
from store.errors import StoreError
from store.schema import SCHEMA_VERSION, TABLES
from store.write import write_part

if TYPE_CHECKING:
    from store.release.fetch import fetch
    from store.release.verify import verify

__all__ = ["SCHEMA_VERSION", "TABLES", "Benchmark", "StoreError", "fetch", "verify", "write_part"]


def __getattr__(name: str) -> Any:
    """Import what is about releases when it is asked for: most readers have a folder and no network."""
    if name == "fetch":
        from store.release.fetch import fetch

        return fetch
    if name == "verify":
        from store.release.verify import verify

        return verify
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
