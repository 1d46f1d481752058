"""Tables 2 and 3 and Figure 2 of the paper on a benchmark of ours, small and with planted accuracies."""

import sys

import pytest

from bench import figure2, table2, table3
from store import Benchmark
from store.write import write_part
from tests.builder.test_search import run_once
from tests.store.planted import accuracy_row

QUICK = ("score.batch_size=4", "score.memory_gib=null", "threads=1")
SEARCH = (
    "search.among=table",
    "search.budget=12",
    "search.seeds=[0,1,2]",
    "search.rankers=[accuracy,params]",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Architectures whose accuracies grow with their parameters, measured by every job that is printed."""
    root = tmp_path_factory.mktemp("reproduction")
    run_once(f"root={root}", "job=sample", "sample.n=24")
    with Benchmark.open(root) as benchmark:
        table = benchmark.architectures().to_pylist()
    rows = [accuracy_row(row["arch_id"], row["params"] / 1e6, run_id="x") for row in table]
    write_part(root, "accuracies", rows, "part")
    run_once(f"root={root}", *QUICK, "job=layers")
    return root


@pytest.fixture
def printed(root, monkeypatch, capsys):
    """Run a script; returns its status and what it printed."""

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", ["bench", str(root), *map(str, arguments)])
        status = 0
        try:
            script.main()
        except SystemExit as stopped:
            status = stopped.code
        return status, *capsys.readouterr()

    return run


def test_figure_2_prints_the_curve_and_draws_it(printed, tmp_path):
    status, out, _ = printed(figure2, "--picture", tmp_path / "figure.svg")
    assert status == 0 and "log sigma of the gradients of autoformer-micro on digits" in out
    assert "all layers" in out and "FITTED to accuracies, not zero-shot" in out
    assert "rho of Lambda by interval" in (tmp_path / "figure.svg").read_text()


def test_table_3_says_what_to_run_and_then_prints_the_papers_rows_beside_ours(printed, root):
    status, out, err = printed(table3)
    assert (status, out, err.count("\n")) == (
        2,
        "",
        1,
    ) and "job=score proxies=table3 proxies.interval=" in err
    interval = err.partition("proxies.interval=")[2].split()[0]
    run_once(f"root={root}", *QUICK, "job=score", "proxies=table3", f"proxies.interval={interval}")
    assert printed(table3, "--interval", interval)[1].count(f"interval {interval} as given") == 1
    status, out, _ = printed(table3)
    begun = {line[:25].strip() for line in out.splitlines()}
    assert status == 0 and begun >= {*table3.ROWS, *table3.CONTROLS} and "all three less none: " in out
    (params,) = [line for line in out.splitlines() if line.startswith("params")]
    assert params.split()[:4] == ["params", "1.00", "[1.00,", "1.00]"]
    with Benchmark.open(root) as benchmark:
        (row,) = benchmark.rank(proxies=["l_swag_lambda_batch"], task="digits").to_pylist()
    (ours,) = [line for line in out.splitlines() if line.startswith("no mu, all layers  ")]
    assert f"{row['rho']:.2f}".removeprefix("0") in ours


def test_table_2_prints_what_searches_found_and_draws_the_best_so_far(printed, root, tmp_path):
    status, out, err = printed(table2)
    assert (status, out) == (2, "") and "Run python -m builder job=search" in err
    run_once(f"root={root}", *QUICK, "job=search", *SEARCH, "search.strategies=[local_search]")
    status, out, _ = printed(table2, "--picture", tmp_path / "search.svg")
    assert status == 0 and "L-SWAG" in out and "scratch (micro)" in out
    by = {line.split()[0]: line for line in out.splitlines() if "local_search" in line}
    assert by.keys() == {"accuracy", "params"}
    assert "best so far" in out and (tmp_path / "search.svg").stat().st_size > 10_000


@pytest.mark.parametrize("script", [figure2, table2, table3])
def test_a_mistake_is_a_line(script, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["bench", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit) as caught:
        script.main()
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
