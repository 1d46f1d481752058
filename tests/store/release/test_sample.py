"""The sample that ships with the package: real, small, whole, and read without torch."""

import subprocess
import sys

import pytest

from store import Benchmark, verify
from store.release.locate import SAMPLE


@pytest.fixture(scope="module")
def sample():
    with Benchmark.open() as benchmark:
        yield benchmark


def test_it_is_a_sound_release_below_a_megabyte(sample):
    assert sample.path == SAMPLE and verify(SAMPLE) == []
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 1_000_000
    assert not any(
        commit.endswith("+") for commit in sample.sql('SELECT "commit" FROM runs')["commit"].to_pylist()
    )


def test_it_has_something_to_show_everywhere(sample):
    assert sample.tasks() == ["cifar10", "digits"] and len(sample.proxies()) > 40
    ranked = sample.rank(draws=0).to_pylist()
    assert {row["seeds"] for row in ranked} == {2} and {row["n"] for row in ranked} >= {12, 32}
    ceilings = {
        (row["task"], row["protocol"]): row["ceiling"]
        for row in sample.noise(draws=0).to_pylist()
        if row["split"] == "test"
    }
    assert ceilings.keys() == {("cifar10", "supernet"), ("digits", "supernet"), ("digits", "scratch")}
    assert all(0 <= ceiling < 1 for ceiling in ceilings.values())
    for task in sample.tasks():
        assert sample.layers(task).num_rows == 10 and sample.searches(task).num_rows > 0
    assert sample.curves("digits", "scratch").num_rows > sample.accuracy(None, "digits", "scratch").num_rows
    assert sample.agreement("digits", draws=0)["n"].to_pylist() == [12]


def test_both_tasks_are_on_the_same_architectures(sample):
    of = [
        set(sample.accuracy(task=task, protocol="supernet")["arch_id"].to_pylist()) for task in sample.tasks()
    ]
    assert of[0] == of[1] and len(of[0]) == 32


def test_reading_it_imports_no_torch_and_no_statistics_of_scipy():
    heavy = ("torch", "hydra", "pandas", "scipy.stats", "urllib.request")
    code = (
        "import sys; from store import Benchmark; print(Benchmark.open().rank('digits').num_rows); "
        f"sys.exit(any(name in sys.modules for name in {heavy}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0 and int(found.stdout) > 40, found.stderr
