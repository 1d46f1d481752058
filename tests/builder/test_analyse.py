"""The job that prints what a ranking does not say."""

import pytest

from store import Benchmark
from tests.store.planted import write_planted

ONE = {"protocol": "scratch", "recipe": "micro"}


@pytest.fixture
def root(tmp_path):
    return write_planted(tmp_path / "benchmark", tasks=("digits",), recipes=(tuple(ONE.values()),))


def lines_of(out, title):
    """The lines of one table, by their first word."""
    block = out.split(f"\n\n{title}:")[1].split("\n\n")[0].splitlines()[1:]
    return {line.split()[0]: line for line in block}


def test_every_table_says_what_the_benchmark_says(vitzero, root):
    code, out, err = vitzero("job=analyse", f"root={root}", "rank.draws=60", "rank.seed=3")
    assert code == 0, err
    assert "autoformer-micro on digits, accuracies by scratch (micro)" in out
    with Benchmark.open(root) as benchmark:
        groups = benchmark.groups(draws=60, seed=3).to_pylist()
        bias, tops = benchmark.bias().to_pylist(), benchmark.top().to_pylist()
        bands = benchmark.bands(draws=60, seed=3).to_pylist()
    order = [row["proxy"] for row in groups]
    printed = lines_of(out, "Groups")
    assert list(printed)[1:-1] == order
    for row in groups:
        assert printed[row["proxy"]].endswith(
            f"{row['first_place']}-{row['last_place']}      {row['groups']}"
        )
    printed = lines_of(out, "Bias")
    assert list(printed)[1:-1] == ["accuracy", *order]
    for row in bias:
        assert printed[row["proxy"]].split()[1:4] == [
            f"{row[name]:.2f}" for name in ("params", "macs", "depth")
        ]
    assert "- width: no genome has a number width or embed_dim" in out
    printed = lines_of(out, "Bands")
    for row in bands:
        assert f"{row['rho']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" in printed[row["proxy"]]
    printed = lines_of(out, "Tops")
    assert list(printed) == ["proxy", "(chance)", *order]
    for row in tops:
        assert f" {100 * row['regret']:.2f} " in printed[row["proxy"]]
        assert f" {100 * row['regret_by_chance']:.2f} " in printed["(chance)"]


def test_it_writes_nothing(vitzero, root):
    before = sorted(root.rglob("*"))
    assert vitzero("job=analyse", f"root={root}", "rank.draws=9")[0] == 0
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["root=nowhere"], "No benchmark at nowhere. Run job=accuracy root=nowhere first."),
        (["task=cifar10"], "Unknown task 'cifar10'. Known: digits."),
        (["rank.scores_from=digit"], "Unknown task 'digit'. Did you mean 'digits'?"),
    ],
)
def test_mistakes_are_one_line(vitzero, root, overrides, message):
    code, _, err = vitzero("job=analyse", f"root={root}", *overrides)
    assert code == 2 and message in err and err.count("\n") == 1
