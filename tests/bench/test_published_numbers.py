"""Our scores beside the published ones: on planted numbers, and the published tables themselves."""

import sys

import numpy as np
import pytest

from bench import convolutional, table1_own
from bench.published_tables import number, rerun
from proxies.combiners.ranks import spearman
from store.write import write_part
from tests.shared import TABLES, needs_tables
from tests.store.planted import accuracy_row, score_row, write_architectures, write_run

COUNT = 40
SCORED = ("params", "macs", "snip", "jacov", "zico")
THEIRS = "nas_bench_suite_zero"


@pytest.fixture(scope="module")
def numbers():
    """(networks,) accuracies, and by proxy our scores with both seeds and the published ones."""
    draws = np.random.default_rng(0)
    truth = draws.uniform(0.2, 0.9, COUNT)
    noisy = {
        name: truth + spread * draws.standard_normal((3, COUNT))
        for name, spread in zip(SCORED, (0.05, 0.05, 0.1, 0.3, 0.1), strict=True)
    }
    return truth, noisy


@pytest.fixture(scope="module")
def root(numbers, tmp_path_factory):
    root = tmp_path_factory.mktemp("published")
    truth, scores = numbers
    write_run(root, "run")
    names = write_architectures(root, "nasbench201", truth, np.random.default_rng(1))
    about = {"task": "cifar10", "run_id": "run"}
    rows = []
    for place, name in enumerate(names):
        for proxy, values in scores.items():
            rows += [score_row(name, values[seed][place], proxy=proxy, seed=seed, **about) for seed in (0, 1)]
            if proxy != "zico":
                rows.append(score_row(name, values[2][place], proxy=f"{THEIRS}/{proxy}", seed=0, **about))
    write_part(root, "scores", rows, "part")
    source = {"source": "Krishnakumar and others | file", "protocol": "published", **about}
    known = zip(names[1:], truth[1:], strict=True)  # the first has no accuracy
    write_part(root, "accuracies", [accuracy_row(name, value, **source) for name, value in known], "part")
    return root


@pytest.fixture
def printed(monkeypatch, capsys):
    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        script.main()
        return capsys.readouterr().out

    return run


def test_every_rho_is_of_the_networks_that_it_says(printed, root, numbers, tmp_path):
    out = printed(convolutional, "--root", root, "--tables", tmp_path, "--picture", tmp_path / "ranks.svg")
    truth, scores = numbers
    rows = {line.split()[0]: line.split() for line in out.splitlines()[2:]}
    assert set(rows) == set(SCORED)
    ours, again, theirs = scores["jacov"]
    found = rows["jacov"]
    assert found[1] == str(COUNT)
    assert found[2] == number(spearman(ours[1:], truth[1:]))
    assert found[5:7] == [number(spearman(theirs[1:], truth[1:])), ".75"]
    assert found[8:10] == [number(spearman(ours, theirs)), number(spearman(ours, again))]
    assert found[10] == "-"  # without the published tables
    assert rows["zico"][5:7] == ["-", ".80"]
    assert "rank of ours" in (tmp_path / "ranks.svg").read_text()


def test_combiners_are_compared_on_the_same_networks_and_proxies(printed, root):
    out = printed(table1_own, "--root", root)
    assert out.startswith(f"201 C10: {COUNT - 1} networks, jacov, macs, params, snip\n")
    assert "LIBRA .89" in out and "LIBRA chose, ours with zico: " in out


@needs_tables
def test_published_runs_repeat_each_other_as_far_as_they_do():
    found = rerun(TABLES, "201 C10")
    assert found["params"] == found["macs"] == 1.0 and found["plain"] < 0.2 < 0.9 < found["snip"] < 1.0
    assert not rerun(TABLES, "101")  # one run under two names
