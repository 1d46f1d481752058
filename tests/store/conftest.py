"""Fixtures of the store tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Benchmark
from tests.store.planted import write_planted


@pytest.fixture(scope="session")
def planted_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_planted(tmp_path_factory.mktemp("planted"))


@pytest.fixture
def planted(planted_root: Path) -> Iterator[Benchmark]:
    with Benchmark.open(planted_root) as benchmark:
        yield benchmark
