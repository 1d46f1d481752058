"""The sanity table: plain means by level, and a level out of line is found where one is and nowhere else."""

import json
from pathlib import Path

import numpy as np
import pytest

from store import Benchmark, write_part
from store.factors import FACTORS
from tests.store.planted import accuracy_row

WIDTHS, DEPTHS = (192, 216, 240), (12, 13, 14)


def drawn(count: int = 120, seed: int = 0) -> list[dict]:
    """Genomes like AutoFormer's."""
    generator = np.random.default_rng(seed)
    genomes = []
    for _ in range(count):
        depth = int(generator.choice(DEPTHS))
        genomes.append(
            {
                "depth": depth,
                "embed_dim": int(generator.choice(WIDTHS)),
                "mlp_ratio": generator.choice([3.5, 4.0], depth).tolist(),
                "num_heads": generator.choice([3, 4], depth).tolist(),
            }
        )
    return genomes


def inherited(genomes: list[dict], seed: int = 0) -> np.ndarray:
    """Accuracies that grow with width and depth, with noise: sd 0.002 within a level."""
    generator = np.random.default_rng(seed)
    grown = [0.75 + 0.0001 * (genome["embed_dim"] - 192) + 0.001 * genome["depth"] for genome in genomes]
    return np.array(grown) + 0.002 * generator.standard_normal(len(genomes))


def write_genomes(root: Path, genomes, accuracies, names=None, **other) -> Benchmark:
    """One architecture for each genome, its params growing with its width and depth where it has them."""
    names = names or [f"a{place:04}" for place in range(len(genomes))]
    shapes = [genome if isinstance(genome, dict) else {} for genome in genomes]
    rows = [
        {
            "arch_id": name,
            "space": "autoformer-tiny",
            "genome": json.dumps(genome),
            "params": 1000
            * max(shape.get("embed_dim", shape.get("width", 1)), 1) ** 2
            * shape.get("depth", 1)
            + place,
            "macs": 1,
            "sample_seed": None,
            "sample_index": None,
            "run_id": "planted",
        }
        for place, (name, genome, shape) in enumerate(zip(names, genomes, shapes, strict=True))
    ]
    write_part(root, "architectures", rows, "part")
    rows = [accuracy_row(name, float(value), **other) for name, value in zip(names, accuracies, strict=True)]
    write_part(root, "accuracies", rows, "part")
    return Benchmark.open(root)


def off(table) -> list[tuple[str, str]]:
    return [(row["factor"], row["level"]) for row in table.to_pylist() if row["out_of_line"]]


def test_means_equal_a_plain_group_by(tmp_path):
    genomes = drawn()
    accuracies = inherited(genomes)
    with write_genomes(tmp_path, genomes, accuracies) as benchmark:
        found = benchmark.factors("digits", "scratch")
    assert found.schema.equals(FACTORS, check_metadata=True)
    rows = found.to_pylist()
    assert list(dict.fromkeys(row["factor"] for row in rows)) == [
        "depth", "embed_dim", "mlp_ratio", "num_heads", "params"
    ]  # fmt: skip
    for row in rows:
        if row["factor"] in ("depth", "embed_dim"):
            values = [genome[row["factor"]] for genome in genomes]
            mine = accuracies[np.array(values) == int(row["level"])]
            assert row["n"] == len(mine)
            assert row["accuracy"] == pytest.approx(mine.mean(), abs=1e-12)
            assert row["std"] == pytest.approx(mine.std(ddof=1), abs=1e-12)
    for factor in ("mlp_ratio", "num_heads", "params"):  # bands: every architecture in one, means in order
        bands = [row for row in rows if row["factor"] == factor]
        assert 3 <= len(bands) <= 5 and sum(row["n"] for row in bands) == len(genomes)
        whole = sum(row["n"] * row["accuracy"] for row in bands) / len(genomes)
        assert whole == pytest.approx(accuracies.mean(), abs=1e-12)
    assert off(found) == []


@pytest.mark.parametrize("level", WIDTHS)
def test_a_broken_width_is_named_and_nothing_else(tmp_path, level):
    genomes = drawn()
    accuracies = inherited(genomes)
    accuracies[[genome["embed_dim"] == level for genome in genomes]] -= 0.05
    with write_genomes(tmp_path, genomes, accuracies) as benchmark:
        table = benchmark.factors()
    assert off(table) == [("embed_dim", str(level))]
    row = next(row for row in table.to_pylist() if row["out_of_line"])
    assert row["deviations"] > 10 and row["errors"] > row["deviations"]


def test_a_level_that_is_too_good_is_out_of_line_too(tmp_path):
    genomes = drawn()
    accuracies = inherited(genomes)
    accuracies[[genome["depth"] == 14 for genome in genomes]] += 0.05
    with write_genomes(tmp_path, genomes, accuracies) as benchmark:
        assert off(benchmark.factors()) == [("depth", "14")]


def test_trends_are_in_line(tmp_path):
    genomes = [{"width": width} for width in (1, 2, 3, 4, 5, 6) for _ in range(20)]
    width = np.array([genome["width"] for genome in genomes], dtype=float)
    noise = 0.004 * np.random.default_rng(0).standard_normal(len(width))
    for name, trend in {
        "linear": 0.1 * width,
        "falling": 0.9 - 0.1 * width,
        "saturating": 0.9 - 0.5 / width,
        "growing": 0.01 * width**2,
        "flat": 0.5 + 0 * width,
        "peaked": 0.5 - 0.002 * (width - 3) ** 2,
    }.items():
        with write_genomes(tmp_path / name, genomes, trend + noise) as benchmark:
            assert off(benchmark.factors()) == [], name


def test_noise_alone_is_never_out_of_line(tmp_path):
    genomes = drawn(40)
    for seed in range(20):
        accuracies = 0.5 + 0.01 * np.random.default_rng(seed).standard_normal(40)
        with write_genomes(tmp_path / str(seed), genomes, accuracies) as benchmark:
            assert off(benchmark.factors()) == []


def test_order_shift_and_scale_change_no_verdict(tmp_path):
    genomes = drawn()
    accuracies = inherited(genomes)
    accuracies[[genome["embed_dim"] == 240 for genome in genomes]] -= 0.05
    order = np.random.default_rng(0).permutation(len(genomes))
    names = [f"a{place:04}" for place in order]
    shuffled = [genomes[place] for place in order]
    judged, ratios = [], []
    for name, write in {
        "as drawn": lambda root: write_genomes(root, genomes, accuracies),
        "shuffled": lambda root: write_genomes(root, shuffled, accuracies[order], names),
        "scaled": lambda root: write_genomes(root, genomes, 0.1 + accuracies / 2),
    }.items():
        with write(tmp_path / name) as benchmark:
            rows = [row for row in benchmark.factors().to_pylist() if row["factor"] != "params"]
        judged.append([(row["level"], row["n"], row["out_of_line"]) for row in rows])
        ratios.append([row["deviations"] for row in rows if row["deviations"] is not None])
    assert judged[0] == judged[1] == judged[2]
    assert ratios[1] == pytest.approx(ratios[0], abs=1e-6)
    assert ratios[2] == pytest.approx(ratios[0], abs=1e-6)


def test_exact_accuracies_are_judged_without_dividing_by_their_noise(tmp_path):
    genomes = [{"width": width} for width in (1, 2, 3) for _ in range(4)]
    exact = [0.5] * 8 + [0.9] * 4
    with write_genomes(tmp_path, genomes, exact) as benchmark:
        table = benchmark.factors()
    assert ("width", "3") in off(table)
    row = next(row for row in table.to_pylist() if row["level"] == "3")
    assert row["beyond"] == pytest.approx(0.4) and row["deviations"] is None


def test_levels_of_few_architectures_are_told_and_not_judged(tmp_path):
    genomes = [{"width": width} for width in (1, 2, 3) for _ in range(10)] + [{"width": 4}] * 2
    values = np.array([genome["width"] for genome in genomes]) / 10
    values[-2:] = 0.01
    with write_genomes(tmp_path, genomes, values) as benchmark:
        rows = [row for row in benchmark.factors().to_pylist() if row["factor"] == "width"]
    assert [row["level"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["out_of_line"] for row in rows] == [False, False, False, None]
    two = [{"width": width} for width in (1, 2) for _ in range(10)]
    with write_genomes(tmp_path / "two", two, np.linspace(0.1, 0.9, 20)) as benchmark:
        rows = [row for row in benchmark.factors().to_pylist() if row["factor"] == "width"]
    assert [row["out_of_line"] for row in rows] == [None, None]


def test_words_are_levels_and_a_text_genome_has_params_only(tmp_path):
    genomes = [{"op": op, "skip": op == "a", "cells": ["x"]} for op in "abcd" for _ in range(10)]
    noise = 0.001 * np.random.default_rng(0).standard_normal(40)
    broken = 0.5 + noise - 0.2 * np.array([genome["op"] == "c" for genome in genomes])
    with write_genomes(tmp_path / "words", genomes, broken) as benchmark:
        table = benchmark.factors()
    assert {row["factor"] for row in table.to_pylist()} == {"op", "params", "skip"}
    assert ("op", "c") in off(table)
    with write_genomes(tmp_path / "text", ["|conv~0|"] * 20, 0.5 + noise[:20]) as benchmark:
        assert {row["factor"] for row in benchmark.factors().to_pylist()} == {"params"}


def test_one_seed_can_be_asked_for(tmp_path):
    genomes = [{"width": width} for width in (1, 2, 3) for _ in range(5)]
    write_genomes(tmp_path, genomes, np.full(15, 0.2)).close()
    rows = [accuracy_row(f"a{place:04}", 0.6, seed=1) for place in range(15)]
    write_part(tmp_path, "accuracies", rows, "second")
    with Benchmark.open(tmp_path) as benchmark:
        for seed, mean in ((0, 0.2), (1, 0.6), (None, 0.4)):
            assert benchmark.factors(seed=seed)["accuracy"].to_pylist() == pytest.approx([mean] * 8)
        assert len(benchmark.factors(seed=2)) == 0
