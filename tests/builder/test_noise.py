"""The job that prints noise and sanity, on published accuracies, planted ones, and after a supernet."""

import numpy as np
import pyarrow.csv
import pytest

from builder.sanity import write_sanity
from store import Benchmark
from tests.shared import TABLES, needs_tables
from tests.store.planted import write_planted
from tests.store.test_factors import drawn, inherited, write_genomes


def published(table, accuracy, **fields):
    """Overrides that import a column of a published table."""
    given = {"path": TABLES / table, "accuracy": accuracy, "source": "the published table", **fields}
    return ["job=accuracy", "protocol=published", *(f"protocol.published.{k}={v}" for k, v in given.items())]


@needs_tables
def test_the_width_that_a_published_supernet_broke_is_warned_of(vitzero, tmp_path):
    where = {
        "genome.embed_dim": "hidden_dim",
        "where.column": "source_file",
        "where.value": "gt_autoformer.pth",
        "check": False,
    }
    at = [f"root={tmp_path}", "space=autoformer-tiny", "task=imagenet"]
    code, _, err = vitzero(*published("autoprox_autoformer.parquet", "imagenet_super_acc", **where), *at)
    assert code == 0, err
    code, out, err = vitzero("job=noise", *at)
    assert code == 0, err
    assert out.count("WARNING") == 1
    assert "WARNING: embed_dim 240 is out of line: 71.34 % on average over 38 architectures" in out
    assert "(one training seed)" in out


@needs_tables
@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_trends_of_published_supernets_are_in_line(vitzero, tmp_path, size):
    where = {"where.column": "autoformer_space", "where.value": size}
    at = [f"root={tmp_path}", f"space=autoformer-{size}", "task=imagenet"]
    column = "imagenet_top1_supernet"
    code, _, err = vitzero(*published("ood_vit_nas_autoformer.parquet", column, **where), *at)
    assert code == 0, err
    with Benchmark.open(tmp_path) as benchmark:
        verdicts = benchmark.factors()["out_of_line"].to_pylist()
    assert verdicts.count(False) >= 3 and True not in verdicts


def test_noise_agreement_and_factors_are_printed(vitzero, tmp_path):
    write_planted(tmp_path)
    parts = sorted(tmp_path.rglob("*.parquet"))
    code, out, err = vitzero("job=noise", f"root={tmp_path}", "rank.draws=50")
    assert code == 0, err
    with Benchmark.open(tmp_path) as benchmark:
        noise = benchmark.noise("digits", draws=50).to_pylist()
        agreement = benchmark.agreement("digits", draws=50).to_pylist()
    for row in noise:
        line = next(line for line in out.splitlines() if line.startswith(f"{row['protocol']} ("))
        assert line.endswith(f"{row['rho']:.2f}  {row['ceiling']:.2f}  [{row['low']:.2f}, {row['high']:.2f}]")
    line = next(line for line in out.splitlines() if line.startswith("published (paper) and scratch (micro)"))
    assert f"{agreement[0]['rho']:.2f}" in line and agreement[0]["rho"] < -0.9
    assert out.count("Mean accuracy by factor") == 2 and "\n  params " in out
    assert sorted(tmp_path.rglob("*.parquet")) == parts  # it only reads


def test_the_ranking_shows_the_ceiling_where_seeds_tell_it(vitzero, tmp_path):
    write_planted(tmp_path / "two")
    write_planted(tmp_path / "one", training_seeds=1)
    outs = [vitzero("job=rank", f"root={tmp_path / name}", "rank.draws=50")[1] for name in ("two", "one")]
    with Benchmark.open(tmp_path / "two") as benchmark:
        row = benchmark.noise("digits", "scratch", draws=50).to_pylist()[0]
    lines = [line for line in outs[0].splitlines() if line.strip().startswith("(ceiling)")]
    assert len(lines) == 2  # one a ranking: published and scratch
    assert lines[1].split()[1:4] == [f"{row['ceiling']:.2f}", f"[{row['low']:.2f},", f"{row['high']:.2f}]"]
    table = [line for line in outs[0].splitlines() if " zico " in line or line in lines]
    assert len({line.index("|", 60) for line in table}) == 1  # its bar stands under the others'
    assert not any(line.strip().startswith("(ceiling)") for line in outs[1].splitlines())


def test_without_accuracies_it_says_what_to_run(vitzero, tmp_path):
    code, out, err = vitzero("job=noise", f"root={tmp_path / 'nowhere'}")
    assert code == 2 and "Run job=accuracy" in err and not out
    write_planted(tmp_path)
    code, out, err = vitzero("job=noise", f"root={tmp_path}", "space=autoformer-tiny")
    assert code == 2 and err.count("\n") == 1 and not out


def test_a_supernet_writes_its_sanity_table_beside_its_accuracies(vitzero, tmp_path):
    quick = ["sample.n=8", "protocol.recipe.epochs=1", "protocol.recipe.batch_size=256"]
    assert vitzero("job=sample", f"root={tmp_path}", *quick)[0] == 0
    code, out, err = vitzero("job=accuracy", f"root={tmp_path}", *quick)
    assert code == 0, err
    (path,) = (tmp_path / "sanity").iterdir()
    assert f"written to {path}" in out and "\n  embed_dim " in out
    rows = pyarrow.csv.read_csv(path).to_pylist()
    with Benchmark.open(tmp_path) as benchmark:
        wanted = benchmark.factors(split="test", seed=0).to_pylist()
    mine = [row for row in rows if row["split"] == "test"]
    assert [row["accuracy"] for row in mine] == pytest.approx([row["accuracy"] for row in wanted])
    assert {row["split"] for row in rows} == {"test", "validation"}
    before = path.read_bytes()
    assert vitzero("job=accuracy", f"root={tmp_path}", *quick)[0] == 0
    assert path.read_bytes() == before


def test_a_broken_level_is_loud(tmp_path, capsys):
    genomes = drawn()
    accuracies = inherited(genomes)
    accuracies[np.array([genome["embed_dim"] for genome in genomes]) == 240] -= 0.05
    write_genomes(tmp_path, genomes, accuracies, protocol="supernet", recipe="one-shot").close()
    path = write_sanity(tmp_path, "autoformer-tiny", "digits", "supernet", "one-shot", 0)
    assert "!!! WARNING: embed_dim 240 is out of line" in capsys.readouterr().out
    assert not list(path.parent.glob(".*"))
