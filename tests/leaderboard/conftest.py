"""A planted benchmark with something for every page, and the pages over it."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from leaderboard.__main__ import APP
from leaderboard.charts import specification
from store import Benchmark
from store.write import write_part
from tests.store.planted import CORRELATIONS, accuracy_row, score_row, write_planted
from tests.store.test_layers import layer_row
from tests.store.test_searches import search_row

Open = Callable[..., AppTest]

# What the two gradient-free combiners and LIBRA's rivals ask for beside the usual planted proxies.
PLANTED = {**CORRELATIONS, "l_swag": 0.85, "nwot": 0.8}
LAYERS = 20


@pytest.fixture(autouse=True)
def charts_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every chart that a page draws here is one that Vega-Lite allows."""
    monkeypatch.setattr(specification, "CHECKED", True)


@pytest.fixture(scope="session")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two spaces, two tasks, two protocols, a proxy that has no rho, layers, and searches."""
    return write_benchmark(tmp_path_factory.mktemp("leaderboard") / "planted")


def write_benchmark(root: Path) -> Path:
    """The benchmark of these tests, written to a folder."""
    write_planted(root, spaces=("autoformer-micro", "nasbench201"), correlations=PLANTED)
    with Benchmark.open(root) as planted:
        architectures = planted.architectures("autoformer-micro").to_pylist()
        best = planted.accuracy(task="digits", protocol="scratch", space="autoformer-micro").to_pylist()
    rows = [give_genes(row) for row in architectures]
    write_part(root, "architectures", rows, "autoformer-micro")
    names = [row["arch_id"] for row in rows]
    failed = [score_row(name, None, proxy="jacobian", message="it took too much") for name in names]
    write_part(root, "scores", failed, "jacobian")
    write_layers(root, names)
    write_searches(root, {row["arch_id"]: row["accuracy"] for row in best})
    return root


def give_genes(row: dict) -> dict:
    """The planted architecture with a genome like AutoFormer's; its arch_id stays."""
    place = row["sample_index"]
    depth = 2 + place % 5
    genome = {
        "depth": depth,
        "embed_dim": 32 * (1 + place % 3),
        "mlp_ratio": [2.0 + (place + layer) % 3 for layer in range(depth)],
        "num_heads": [1 + (place * layer) % 4 for layer in range(depth)],
        "tag": place,
    }
    return row | {"genome": json.dumps(genome, sort_keys=True)}


def write_layers(root: Path, names: list[str]) -> None:
    """Gradients that spread most in the middle of the depth."""
    generator = np.random.default_rng(0)
    rows = []
    for name in names:
        for place, drawn in enumerate(generator.standard_normal(LAYERS)):
            sigma = -7.0 + 0.1 * drawn + (3.0 if place in (8, 9, 10, 11) else 0.0)
            measured = {"log_sigma_mean": float(sigma), "lambda_term": 4.0 - float(sigma)}
            rows.append(layer_row(name, place, LAYERS, **measured))
    write_part(root, "layers", rows, "planted")


def write_searches(root: Path, accuracies: dict[str, float]) -> None:
    """A search that finds good ones early beside a random one, two seeds each."""
    rising = sorted(accuracies, key=accuracies.__getitem__)
    rows = []
    for seed in (0, 1):
        order = np.random.default_rng(seed).permutation(len(rising))[:20]
        for strategy, places in (("random", order), ("evolution", np.maximum(order, 40 + np.arange(20)))):
            evaluated = [rising[place] for place in places]
            values = [float(place) for place in places]
            about = {"search_id": f"{strategy}{seed}", "strategy": strategy, "seed": seed}
            about |= {"space": "autoformer-micro", "accuracy": accuracies[evaluated[int(np.argmax(values))]]}
            rows.append(search_row(evaluated, values, **about))
    write_part(root, "searches", rows, "planted")


@pytest.fixture(scope="session", autouse=True)
def _close() -> Iterator[None]:
    """Free the benchmarks that the pages keep open."""
    yield
    st.cache_resource.clear()


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open a page over a folder at an address, as a fresh visitor."""

    def _visit(root: Path, where: str = "ranking", **query: str) -> AppTest:
        monkeypatch.setattr(sys, "argv", [str(APP), str(root)])
        page = AppTest.from_file(str(APP), default_timeout=60)
        for name, value in query.items():
            page.query_params[name] = value
        return go(page, where)

    return _visit


def give_each_task_a_recipe(root: Path, space: str = "autoformer-micro") -> None:
    """Inherited accuracies on two tasks, as trainings write them: each has a recipe of its own."""
    with Benchmark.open(root) as planted:
        names = planted.architectures(space)["arch_id"].to_pylist()
    for task, recipe in (("digits", "one"), ("flowers", "other")):
        about = {"task": task, "protocol": "supernet", "recipe": recipe}
        rows = [accuracy_row(name, place / 100, **about) for place, name in enumerate(names)]
        write_part(root, "accuracies", rows, f"supernet-{task}")


def go(page: AppTest, where: str) -> AppTest:
    """Open another page of the app; AppTest itself only knows pages that are files."""
    page._page_hash = calc_hash("" if where == "ranking" else where)
    return page.run()


def query(page: AppTest) -> dict[str, str]:
    """The address; the test harness keeps every value in a list."""
    return {name: value[0] if isinstance(value, list) else value for name, value in page.query_params.items()}


def table(page: AppTest, place: int = 0) -> pd.DataFrame:
    """A table of a page that was drawn without an error."""
    assert not page.exception and not page.error
    return page.dataframe[place].value
