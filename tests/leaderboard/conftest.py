"""A planted benchmark with a proxy that has no rho, and the page over it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from leaderboard.__main__ import APP
from store import Benchmark
from store.write import write_part
from tests.store.planted import score_row, write_planted

Open = Callable[..., AppTest]


@pytest.fixture(scope="session")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_planted(tmp_path_factory.mktemp("leaderboard"), spaces=("autoformer-micro", "nasbench201"))
    with Benchmark.open(root) as planted:
        names = planted.architectures("autoformer-micro")["arch_id"].to_pylist()
    rows = [score_row(name, None, proxy="jacobian", message="it took too much") for name in names]
    write_part(root, "scores", rows, "jacobian")
    return root


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open the page over a folder at an address, as a fresh visitor."""

    def _visit(root: Path, **query: str) -> AppTest:
        monkeypatch.setattr(sys, "argv", [str(APP), str(root)])
        page = AppTest.from_file(str(APP), default_timeout=30)
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return _visit
