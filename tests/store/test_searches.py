"""Searches evaluation by evaluation, on planted ones."""

import numpy as np
import pytest

from store import Benchmark, StoreError, write_part
from store.searches import PROGRESS
from tests.store.planted import accuracy_row, write_architectures, write_run


def search_row(evaluated, values, **other):
    row = {
        "search_id": "s0",
        "space": "micro",
        "task": "digits",
        "strategy": "evolution",
        "ranker": "snip",
        "seed": 0,
        "among": "table",
        "params_low": None,
        "params_high": None,
        "budget": 10,
        "budget_seconds": None,
        "evaluations": len(evaluated),
        "evaluated": evaluated,
        "evaluated_values": values,
        "evaluated_seconds": [0.5] * len(evaluated),
        "arch_id": evaluated[-1],
        "value": 1.0,
        "accuracy": None,
        "protocol": "scratch",
        "recipe": "micro",
        "seconds": 1.0,
        "gpu_days": None,
        "device": "cpu",
        "status": "done",
        "run_id": "planted",
    }
    return row | other


@pytest.fixture
def names(tmp_path):
    """Five architectures, each more accurate than the one before; the last has no accuracy."""
    write_run(tmp_path, "planted")
    found = write_architectures(tmp_path, "micro", np.zeros(5), np.random.default_rng(0))
    rows = [accuracy_row(name, 0.1 + 0.1 * place) for place, name in enumerate(found[:4])]
    write_part(tmp_path, "accuracies", rows, "part")
    return found


def test_the_best_so_far_and_how_many_beat_it(tmp_path, names):
    order = [0, 2, 1, 4, 3]
    values = [1.0, None, 3.0, 3.0, 5.0]
    write_part(tmp_path, "searches", [search_row([names[k] for k in order], values)], "s0")
    with Benchmark.open(tmp_path) as benchmark:
        table = benchmark.searches("digits", strategy="evolution", ranker="snip")
        with pytest.raises(StoreError, match="Unknown ranker 'params'. Known: snip"):
            benchmark.searches(ranker="params")
        assert "digits" in benchmark.tasks()
    assert table.schema.equals(PROGRESS, check_metadata=True)
    rows = table.to_pylist()
    assert [row["position"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["arch_id"] for row in rows] == [names[k] for k in order]
    assert [row["value"] for row in rows] == values
    assert [row["best_arch_id"] for row in rows] == [names[k] for k in (0, 0, 1, 1, 3)]
    assert [row["best_value"] for row in rows] == [1.0, 1.0, 3.0, 3.0, 5.0]
    assert [row["best_accuracy"] for row in rows] == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.4])
    assert [row["better"] for row in rows] == [0.75, 0.75, 0.5, 0.5, 0.0]


def test_what_has_no_accuracy_beats_and_is_beaten_by_nobody(tmp_path, names):
    rows = [search_row([names[4]], [1.0]), search_row([names[4]], [None], search_id="s1", seed=1, value=None)]
    write_part(tmp_path, "searches", rows, "both")
    with Benchmark.open(tmp_path) as benchmark:
        found = benchmark.searches().to_pylist()
    assert [row["better"] for row in found] == [None, None]
    assert [row["best_arch_id"] for row in found] == [names[4], None]
