"""A release is the benchmark's rows, the same bytes each time, and refused where they are inconsistent."""

import json
import math
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from store import TABLES, Benchmark, StoreError, verify, write_part
from store.release.manifest import NAME, Manifest, sha256
from store.release.pack import ALONE, IN_TEXT, pack
from tests.store.planted import STARTED, accuracy_row, score_row, write_run
from tests.store.release.releasable import CODE, PROXIES, run_row, write_releasable


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    return write_releasable(tmp_path_factory.mktemp("benchmark"))


def rows(opened, table):
    return opened.sql(f"FROM {table} ORDER BY {', '.join(TABLES[table].key)}")


def test_it_holds_the_same_rows(benchmark, packed):
    with Benchmark.open(benchmark) as before, Benchmark.open(packed) as after:
        for table in ("architectures", "accuracies", "layers", "searches"):
            assert rows(after, table).equals(rows(before, table)), table
        assert after.scores().drop_columns("seconds").equals(before.scores().drop_columns("seconds"))
        for asked in ({}, {"task": "digits"}, {"protocol": "scratch", "task": ["flowers", "digits"]}):
            found, wanted = (one.rank(**asked).drop_columns("seconds") for one in (after, before))
            assert found.equals(wanted), asked
        for asked in (
            {"draws": 10},
            {"seed": 1},
            {"band": (0, 10**9)},
            {"shared": True},
            {"split": "test", "proxies": ["snip"]},
        ):
            found, wanted = (one.rank(**asked).drop_columns("seconds") for one in (after, before))
            assert found.equals(wanted), asked
        assert len(after.diff(before).to_pylist()) > 0 and not any(
            row["added"] or row["removed"] or row["changed"] for row in after.diff(before).to_pylist()
        )


def test_times_have_four_digits_and_nobody_is_named(packed):
    with Benchmark.open(packed) as opened:
        for name, column in (("scores", "seconds"), ("accuracies", "seconds")):
            for value in opened.sql(f"SELECT DISTINCT {column} AS s FROM {name}")["s"].to_pylist():
                assert value == float(f"{value:.4g}")
        runs = opened.sql("SELECT host, config FROM runs").to_pylist()
    assert {run["host"] for run in runs} == {"host 1"}
    assert {json.loads(run["config"])["task"]["path"] for run in runs} == {"x.parquet"}
    for path in packed.rglob("*"):
        assert path.is_dir() or b"/home/" not in path.read_bytes()


def test_the_same_rows_give_the_same_bytes(benchmark, packed, tmp_path):
    """Whatever part files they lie in, and whatever older runs wrote."""
    again = tmp_path / "again"
    for table in TABLES:
        paths = sorted((benchmark / table).rglob("*.parquet"))
        found = [row for path in paths for row in pq.read_table(path).to_pylist()]
        for start in range(0, len(found), 200):
            write_part(again, table, found[start : start + 200][::-1], f"z{9 - start // 200}")
        if table == "scores":
            write_part(again, table, [found[0] | {"value": 7.0, "run_id": "before"}], "a")
            run = run_row("before", "digits", "scratch") | {"started": STARTED - timedelta(days=1)}
            write_part(again, "runs", [run], "before")
    with Benchmark.open(again) as opened:  # a run's row that counts is the later one
        assert opened.scores().equals(Benchmark.open(benchmark).scores())
    twice = pack(again, tmp_path / "twice", "1.0.0", PROXIES, CODE)
    for path in sorted(packed.rglob("*.parquet")):
        if path.parent.name != "runs":  # which has one more
            assert sha256(twice / path.relative_to(packed)) == sha256(path), path
    thrice = pack(again, tmp_path / "thrice", "1.0.0", PROXIES, CODE)
    assert (thrice / NAME).read_bytes() == (twice / NAME).read_bytes()


def test_manifest_counts_what_is_there(packed):
    made = Manifest.read(packed)
    assert {file.path for file in made.files} | {NAME} == {
        path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()
    }
    scores = {(row["task"], row["proxy"]): row for row in made.counts["scores"]}
    assert scores["digits", "snip"] == {"task": "digits", "proxy": "snip", "rows": 40, "failed": 0}
    assert scores["digits", "grasp"]["failed"] == 6
    assert made.date == "2026-01-01" and made.code["commit"] == CODE["commit"]


def test_card_has_what_the_hub_and_a_reader_need(packed):
    text = (packed / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "cc-by-4.0" and front["size_categories"] == ["1K<n<10K"]
    for config in front["configs"]:
        assert (packed / config["data_files"]).is_file()
    for part in (
        "CC BY 4.0",
        "someone, 1998",
        "## Noise ceilings",
        "epochs 3, shift 1",
        "| `snip` | chance | planted | none |",
    ):
        assert part in text, part
    cited = yaml.safe_load((packed / "CITATION.cff").read_text())
    assert cited["type"] == "dataset" and str(cited["version"]) == "1.0.0"


def test_croissant_validates_and_loads_records(packed):
    croissant = pytest.importorskip("mlcroissant")
    dataset = croissant.Dataset(jsonld=str(packed / "croissant.json"))
    assert dataset.metadata.issues.errors == dataset.metadata.issues.warnings == set()
    with Benchmark.open(packed) as opened:
        for name in ("architectures", "rankings"):
            first = next(iter(dataset.records(name)))
            wanted = opened.sql(f"FROM {name} LIMIT 1").to_pylist()[0]
            assert set(first) == {f"{name}/{column}" for column in wanted}
            for column, value in wanted.items():
                told = first[f"{name}/{column}"]
                told = told.decode() if isinstance(told, bytes) else told
                none = told is None or (isinstance(told, float) and math.isnan(told))
                assert none if value is None else told == value, (name, column)


def test_changes_say_what_moved(benchmark, packed, other, tmp_path):
    second = pack(benchmark, tmp_path / "second", "2.0.0", PROXIES, CODE, previous=other)
    text = (second / "CHANGES.md").read_text()
    assert "## 2.0.0, since 1.1.0" in text and "### Ranks that moved" in text
    assert "| scores |  | digits | snip | 0 | 0 | 40 | 0 |" in text
    with Benchmark.open(second) as new, Benchmark.open(other) as old:
        assert text.count(" to ") == 2 * len(new.moves(old))
    assert (
        "No row changed."
        in (pack(benchmark, tmp_path / "third", "3.0.0", PROXIES, CODE, packed) / "CHANGES.md").read_text()
    )


STRAY = "0123456789abcdef"


@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        (
            "scores",
            {"arch_id": STRAY},
            f"scores: arch_id of no architecture: 1 row (arch_id={STRAY}, task=digits",
        ),
        ("accuracies", {"arch_id": STRAY}, "accuracies: arch_id of no architecture: 1 row"),
        ("scores", {"proxy": "snop"}, "scores: proxy 'snop' is not in the registry: 1 row"),
        (
            "scores",
            {"run_id": "nobody", "proxy": "snip", "seed": 9},
            "scores: run_id of no run: who computed it is",
        ),
        ("accuracies", {"recipe": " "}, "accuracies: a protocol without recipe: 1 row"),
        (
            "accuracies",
            {"protocol": "supernet"},
            "accuracies: the run that wrote it has another protocol: 1 row",
        ),
        ("accuracies", {"seed": 0, "accuracy": 0.5, "epoch": 16}, "accuracies: a repeated key: 2 rows"),
    ],
)
def test_what_is_inconsistent_is_refused_with_its_rows(tmp_path, table, row, message):
    root = write_releasable(tmp_path / "benchmark", tasks=("digits",), architectures=6)
    known = pq.read_table(next((root / "architectures").rglob("*.parquet")))["arch_id"][0].as_py()
    if table == "scores":
        made = score_row(known, 1.0, seed=7, run_id="digits-scores")
    else:
        made = accuracy_row(known, 0.5, seed=7, run_id="digits-scratch")
    write_part(root, table, [made | row], "stray")
    with pytest.raises(StoreError, match="^[^\n]*$") as caught:
        pack(root, tmp_path / "1.0.0", "1.0.0", PROXIES, CODE)
    assert message in str(caught.value) and "cannot be released" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmark"]


def test_numbers_outside_their_range_are_refused(tmp_path):
    """Files that another writer made: ours refuses such rows before."""
    root = write_releasable(tmp_path / "benchmark", tasks=("digits",), architectures=6)
    path = sorted((root / "accuracies").rglob("*.parquet"))[0]
    table = pq.read_table(path)
    place = table.column_names.index("accuracy")
    values = pa.array([70.5, *table["accuracy"].to_pylist()[1:]])
    pq.write_table(table.set_column(place, table.schema.field("accuracy"), values), path)
    with pytest.raises(StoreError, match=r"accuracies: accuracy is outside 0\.\.1: 1 row \(arch_id="):
        pack(root, tmp_path / "1.0.0", "1.0.0", PROXIES, CODE)


def test_a_run_without_commit_and_a_task_without_licence_are_refused(tmp_path):
    root = write_releasable(tmp_path / "benchmark", tasks=("digits",), architectures=6)
    write_part(
        root, "runs", [run_row("digits-scores", "digits", "scratch") | {"commit": None}], "digits-scores"
    )
    with pytest.raises(StoreError, match="runs: no commit: .*: 1 row .run_id=digits-scores"):
        pack(root, tmp_path / "1.0.0", "1.0.0", PROXIES, CODE)
    for path in (root / "runs").glob("*.parquet"):
        row = pq.read_table(path).to_pylist()[0]
        write_part(root, "runs", [row | {"config": "{}", "commit": "a" * 40}], path.stem)
    with pytest.raises(StoreError, match="the run that wrote it has no recipe"):
        pack(root, tmp_path / "1.0.0", "1.0.0", PROXIES, CODE)
    for path in (root / "runs").glob("*.parquet"):
        row = pq.read_table(path).to_pylist()[0]
        told = run_row(row["run_id"], "digits", "published" if "published" in row["run_id"] else "scratch")
        config = json.loads(told["config"])
        del config["task"]["licence"]
        write_part(root, "runs", [told | {"config": json.dumps(config)}], path.stem)
    with pytest.raises(StoreError, match="no run says what licence the images of task digits have"):
        pack(root, tmp_path / "1.0.0", "1.0.0", PROXIES, CODE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benchmark"]


def test_what_is_no_version_and_what_is_there_already(benchmark, packed, tmp_path):
    with pytest.raises(StoreError, match="expected three numbers such as 1"):
        pack(benchmark, tmp_path / "new", "1.0", PROXIES, CODE)
    with pytest.raises(StoreError, match="a release is never changed"):
        pack(benchmark, packed, "1.0.0", PROXIES, CODE)
    for before in ("1.0.0", "0.9.9"):
        with pytest.raises(
            StoreError, match=f"version is {before}, and the release before is 1.0.0. Give a later"
        ):
            pack(benchmark, tmp_path / "new", before, PROXIES, CODE, packed)
    write_run(tmp_path / "bare", "run")
    with pytest.raises(StoreError, match="architectures: there are none.* accuracies, .*: there are none"):
        pack(tmp_path / "bare", tmp_path / "new", "1.0.0", PROXIES, CODE)


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ("OSError: /home/someone/secret/x.pt is gone", "OSError: x.pt is gone"),
        ("read '~/a b.png' of ../../home/someone/y.pt, then stop", "read '~/a b.png' of y.pt, then stop"),
        ("from file:///home/someone/x and s3://secret/bucket/z.pt", "from x and z.pt"),
        (
            "see https://example.com/a/b, uoft-cs/cifar10, 3/4/5",
            "see https://example.com/a/b, uoft-cs/cifar10, 3/4/5",
        ),
    ],
)
def test_a_message_keeps_no_folder(told, left):
    assert IN_TEXT.sub("", told) == left


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("/home/some one/x.pt", "x.pt"),
        ("../../home/someone/x.pt", "x.pt"),
        ("s3://secret/x.pt", "x.pt"),
        ("owner/name", "owner/name"),
        ("https://example.com/x", "https://example.com/x"),
    ],
)
def test_a_setting_keeps_no_folder(path, left):
    assert ALONE.sub("", path) == left


def test_a_proxy_with_options_is_one_of_the_registry(tmp_path):
    root = write_releasable(tmp_path / "benchmark", tasks=("digits",), architectures=6)
    known = pq.read_table(next((root / "architectures").rglob("*.parquet")))["arch_id"][0].as_py()
    row = score_row(known, 1.0, proxy="snip[mode=sum]", run_id="digits-scores")
    write_part(root, "scores", [row], "options")
    assert verify(pack(root, tmp_path / "1.0.0", "1.0.0", PROXIES, CODE)) == []
