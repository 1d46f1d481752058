"""Importers of published accuracies: what they declare, what they read, and what their check refuses."""

import http.server
import json
import pickle
import random
import re
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import conf
import spaces
from builder.errors import BuilderError
from builder.published import get, names, scores
from builder.published.accuracies import Accuracies, by_genome
from builder.published.check import check, factors, factors_of
from builder.published.files import fetched, located
from builder.published.page import page
from store import Benchmark
from store.write import clean_temporary
from tests.builder import upstream
from tests.shared import needs_tables

TASKS = {path.stem for path in (Path(conf.__file__).parent / "task").glob("*.yaml")}
IMAGES = {"imagenet": 50_000, "cifar100": 10_000, "flowers102": 6_149}  # of the splits tested on
WRITTEN = Path(conf.__file__).parent.parent / "docs" / "published.md"


@pytest.fixture
def importing(vitzero, tmp_path):
    """Import with the command line into a benchmark in tmp_path; returns (exit code, out, err)."""

    def run(*overrides):
        return vitzero(f"root={tmp_path / 'benchmark'}", "job=accuracy", "protocol=published", *overrides)

    return run


def values(tmp_path):
    """What was imported: (genome, recipe) -> accuracy."""
    with Benchmark.open(tmp_path / "benchmark") as benchmark:
        rows = benchmark.sql(
            "SELECT genome, recipe, accuracy FROM accuracies JOIN architectures USING (arch_id)"
        ).to_pylist()
    return {(row["genome"], row["recipe"]): row["accuracy"] for row in rows}


# What importers declare


@pytest.mark.parametrize("name", names())
def test_an_importer_declares_all_that_a_row_and_its_reader_need(name):
    importer = get(name)
    assert importer.name == name and re.fullmatch(r"[0-9a-f]{40}", importer.commit)
    assert re.fullmatch(r"[\w-]+/[\w-]+", importer.repository)
    for text in (importer.title, importer.citation, importer.licence, importer.networks, importer.beware):
        assert text
    for column in importer.columns:
        assert column.space in spaces.names() and column.task in TASKS
        assert re.fullmatch(r"[0-9a-f]{64}", column.sha256)
        assert column.refused in ("", "out of line", "unexplained")
        assert column.images == IMAGES.get(column.task) or column.images is None
        assert column.negated == (column.task == "room_layout")
        assert importer.commits.get(column.file, importer.commit) in importer.address(column.file)
    assert {column.recipe for column in importer.columns} == set(importer.recipes)
    stands = [(column.space, column.task, column.recipe) for column in importer.columns]
    assert len(set(stands)) == len(stands)
    inherited = [column for column in importer.columns if column.task == "imagenet"]
    assert all("inherited" in column.recipe for column in inherited)


def test_the_page_is_up_to_date():
    assert WRITTEN.read_text() == page(), "run python -m builder.published > docs/published.md"
    entries = [line.removeprefix("## ") for line in page().splitlines() if line.startswith("## ")]
    assert entries == [*names(), "Not imported"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["protocol.published.importer=hyta"], "Unknown importer 'hyta'. Did you mean 'hytas'?"),
        (
            ["protocol.published.importer=hytas"],
            "hytas has no accuracies of autoformer-micro on digits. It has",
        ),
        (
            ["protocol.published.importer=hytas", "space=hytas", "task=ksc", "protocol.published.recipe=x"],
            "hytas has no recipe 'x' for hytas on ksc. It has: hytas-alone.",
        ),
        (
            ["protocol.published.importer=hytas", "protocol.published.accuracy=OA"],
            "protocol.published.accuracy describes a table of your own",
        ),
        (["protocol.published.path=x.csv"], "protocol.published.accuracy is not set"),
        (
            [
                "protocol.published.importer=hytas",
                "space=hytas",
                "task=ksc",
                "protocol.published.path=nowhere",
            ],
            "path=nowhere is not, and does not hold, ksc_2000_new_all.csv of hytas. Fetch it from https://raw",
        ),
    ],
)
def test_a_mistaken_import_is_one_line(importing, overrides, message):
    code, _, err = importing(*overrides)
    assert code == 2 and message in err and err.count("\n") == 1


# The check


def networks(count=200, space="autoformer-tiny"):
    """Architectures, and what is known of them."""
    space = spaces.get(space)
    sample = space.sample(count, seed=0)
    return sample, factors([a.genome for a in sample], [space.params(a) for a in sample])


def planted(known, noise=0.002, seed=0):
    """Accuracies that grow with width and depth."""
    draws = np.random.default_rng(seed)
    signal = 0.7 + 2e-4 * (known["embed_dim"] - 192) + 0.004 * (known["depth"] - 12)
    return signal + noise * draws.standard_normal(len(signal))


def test_factors_are_numbers_of_the_genome_means_of_its_lists_and_parameters():
    _, known = networks(20)
    assert sorted(known) == ["depth", "embed_dim", "mlp_ratio", "num_heads", "params"]
    assert set(known["embed_dim"]) <= {192, 216, 240} and known["num_heads"].min() >= 3
    genomes = [json.dumps({"ops": "a", "cells": 3, "width": width}) for width in (1, 2)]
    assert sorted(factors(genomes, [7, 9])) == ["params", "width"]  # text is no number, cells do not vary


def test_accuracies_that_a_factor_explains_pass():
    _, known = networks()
    found = check(planted(known), known)
    assert found.refused == "" and found.chance < 1e-10
    assert found.together > max(found.explained.values()) > 0.3
    assert "explains most of it: R2" in found.summary


def test_rows_that_slipped_are_unexplained():
    _, known = networks()
    accuracies = planted(known)
    np.random.default_rng(1).shuffle(accuracies)
    found = check(accuracies, known)
    assert found.refused == "unexplained" and found.chance > 0.05
    assert "no known factor explains it" in found.summary and "p = " in found.summary
    assert check(np.full(200, 0.5), known).refused == "unexplained"


@pytest.mark.parametrize("level", [192, 216, 240])
def test_a_level_measured_on_broken_weights_is_out_of_line(level):
    _, known = networks()
    accuracies = planted(known)
    accuracies[known["embed_dim"] == level] -= 0.06
    found = check(accuracies, known)
    assert found.refused == "out of line"
    assert (found.farthest.factor, found.farthest.level) == ("embed_dim", str(level))
    assert f"networks of embed_dim {level} lie at" in found.summary


def test_a_strong_factor_that_levels_off_is_in_line():
    _, known = networks(400, "autoformer-small")
    width = known["embed_dim"]
    accuracies = np.select([width == 320, width == 384], [0.802, 0.812], 0.8145)
    found = check(accuracies + 0.002 * np.random.default_rng(0).standard_normal(400), known)
    assert found.refused == "" and found.farthest is None


def test_chance_is_what_it_says():
    """Of columns of pure noise five in a hundred pass, as the distribution it is read from says."""
    _, known = networks(100)
    draws = np.random.default_rng(0)
    chances = [check(draws.standard_normal(100), known).chance for _ in range(200)]
    assert 0.01 < np.mean(np.array(chances) <= 0.05) < 0.1
    assert 0.4 < np.median(chances) < 0.6


def test_few_rows_are_not_checked():
    _, known = networks(49)
    found = check(np.random.default_rng(0).random(49), known)
    assert found.refused == "" and found.summary == "not checked: the check needs 50 rows"


# A source's file, written here: HyTAS's format, our own numbers


def hytas_csv(path, architectures, accuracies):
    lines = ["layer_num,embed_dim,num_heads,mlp_ratio,dss,OA"]
    for architecture, accuracy in zip(architectures, accuracies, strict=True):
        genome = architecture.values
        ratios = [int(ratio) for ratio in genome["mlp_ratio"]]
        widths = [genome["embed_dim"]] * genome["depth"]
        lines.append(f'{genome["depth"]},"{widths}","{genome["num_heads"]}","{ratios}",1.0,{accuracy}')
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def hytas(importing, tmp_path):
    """Import a CSV of 80 architectures in HyTAS's format, with the checksum of what it holds."""
    sample, known = networks(80, "hytas")
    base = ["protocol.published.importer=hytas", "space=hytas", "task=ksc"]

    def run(accuracies, *overrides, order=range(80)):
        pairs = [(sample[i], float(accuracies[i])) for i in order]
        path = hytas_csv(tmp_path / "mine.csv", *zip(*pairs, strict=True))
        content = Accuracies("OA", "", "", "test", dict(pairs), 0).sha256
        known_sum = [f"protocol.published.sha256=[{content}]"] if "foreign" not in overrides else []
        given = [override for override in overrides if override != "foreign"]
        return importing(*base, f"protocol.published.path={path}", *known_sum, *given)

    run.sample = sample
    run.good = (0.6 + 0.001 * known["embed_dim"] + 0.01 * np.random.default_rng(0).random(80)).round(4)
    return run


def test_content_that_the_importer_does_not_know_is_refused_and_named(hytas):
    code, _, err = hytas(hytas.good, "foreign")
    assert code == 2 and err.count("\n") == 1
    found, known = re.findall(r"[0-9a-f]{64}", err)[:2]
    assert known == get("hytas").of("hytas", "ksc")[0].sha256
    assert f"protocol.published.sha256=[{found}]" in err
    assert hytas(hytas.good, "foreign", f"protocol.published.sha256=[{found}]")[0] == 0


def test_rows_are_found_by_genome_never_by_position(hytas, tmp_path):
    assert hytas(hytas.good)[0] == 0
    expected = {(a.genome, "hytas-alone"): v for a, v in zip(hytas.sample, hytas.good, strict=True)}
    assert values(tmp_path) == expected
    order = list(range(80))
    random.Random(0).shuffle(order)
    code, out, _ = hytas(hytas.good, order=order)
    # The content is the same, the file is not: rows name the file they were last read from.
    assert code == 0 and values(tmp_path) == expected
    code, out, _ = hytas(hytas.good, order=order)
    assert code == 0 and "0 of them new" in out
    with Benchmark.open(tmp_path / "benchmark") as benchmark:
        row = benchmark.sql("SELECT * FROM accuracies").to_pylist()[0]
    assert (row["protocol"], row["task"], row["split"]) == ("published", "ksc", "test")
    assert row["source"].startswith("Zhou") and re.search(r"file sha256 [0-9a-f]{64}$", row["source"])


def test_rows_say_on_how_many_images_where_that_is_known(importing, hytas, tmp_path):
    sample = spaces.get("autoformer-small").sample(3, seed=0)
    entries = {
        str(number): {
            "net_setting": {
                "layer_num": architecture.values["depth"],
                "embed_dim": [architecture.values["embed_dim"]],
                "mlp_ratio": architecture.values["mlp_ratio"],
                "num_heads": architecture.values["num_heads"],
            },
            "performance": {"Imagenet": {"clean": 80.0 + number}},
        }
        for number, architecture in enumerate(sample)
    }
    path = tmp_path / "1k_Vit_Architecture_from_AutoFM_small.json"
    path.write_text(json.dumps(entries))
    content = {architecture: (80.0 + number) / 100 for number, architecture in enumerate(sample)}
    assert hytas(hytas.good)[0] == 0
    code, _, err = importing(
        "protocol.published.importer=ood_vit_nas",
        "space=autoformer-small",
        "task=imagenet",
        f"protocol.published.path={path}",
        f"protocol.published.sha256=[{Accuracies('clean', '', '', 'test', content, 0).sha256}]",
    )
    assert code == 0, err
    with Benchmark.open(tmp_path / "benchmark") as benchmark:
        rows = benchmark.sql("SELECT DISTINCT task, images FROM accuracies ORDER BY task").to_pylist()
    assert rows == [{"task": "imagenet", "images": 50_000}, {"task": "ksc", "images": None}]


def test_success_says_how_many_in_which_range_and_what_explains_them(hytas):
    code, out, _ = hytas(hytas.good)
    low, high = min(hytas.good), max(hytas.good)
    assert (
        code == 0
        and f"80 published accuracies 'OA' of hytas on ksc (recipe hytas-alone), {low:.2%} to {high:.2%}"
        in out
    )
    assert "embed_dim explains most of it: R2 0.9" in out


def test_a_slipped_file_is_refused_unless_told_otherwise(hytas, tmp_path):
    slipped = np.random.default_rng(3).permutation(hytas.good)
    code, out, err = hytas(slipped)
    assert code == 2 and err.count("\n") == 1 and "published accuracies" not in out
    assert re.search(r"Not imported, 'OA' \(recipe hytas-alone\): no known factor explains it: .* p = ", err)
    assert not (tmp_path / "benchmark" / "accuracies").exists()
    code, out, _ = hytas(slipped, "protocol.published.check=false")
    assert code == 0 and "IMPORTED AGAINST ITS CHECK, no known factor explains it" in out
    assert len(values(tmp_path)) == 80


# What torch.save began with before it wrote zip files, then a reference that is no tuple.
ODD_PICKLE = b"".join(
    pickle.dumps(part, 2) for part in (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION)
)
ODD_PICKLE += pickle.dumps({}, 2) + b"\x80\x02K\x01Q."


@pytest.mark.parametrize(
    ("importer", "space", "task", "content"),
    [
        ("hytas", "hytas", "ksc", b"layer_num,OA\n3,0.5\n"),
        (
            "hytas",
            "hytas",
            "ksc",
            b'layer_num,embed_dim,num_heads,mlp_ratio,OA\n1,"[32, 48]","[3]","[1]",0.5\n',
        ),
        ("ood_vit_nas", "autoformer-small", "imagenet", b"{not json"),
        ("ood_vit_nas", "autoformer-small", "imagenet", b"[1, 2]"),
        ("vit_bench_101", "autoformer-tiny", "cifar100", b"nothing that torch wrote"),
        ("vit_bench_101", "autoformer-tiny", "cifar100", b""),
        ("hytas", "hytas", "ksc", b"layer_num,OA\n" + b"1" * 200_000),  # csv.Error
        ("vit_bench_101", "autoformer-tiny", "cifar100", b"\x80\x02X\x01"),  # struct.error
        ("vit_bench_101", "autoformer-tiny", "cifar100", b"\x80\x02\x85."),  # IndexError
        ("vit_bench_101", "autoformer-tiny", "cifar100", ODD_PICKLE),  # AssertionError
        ("nas_bench_suite_zero_2022", "nasbench201", "cifar10", b"no archive"),
    ],
)
def test_a_damaged_file_is_one_line_with_the_address(importing, tmp_path, importer, space, task, content):
    name = get(importer).of(space, task)[0].file.rpartition("/")[2]
    (tmp_path / name).write_bytes(content)
    choice = [f"protocol.published.importer={importer}", f"space={space}", f"task={task}"]
    code, _, err = importing(*choice, f"protocol.published.path={tmp_path}")
    assert code == 2 and err.count("\n") == 1
    assert f"{name} cannot be read as {importer} wrote it" in err and "https://raw" in err


@pytest.mark.parametrize("content", ["<html>Sign in first</html>", "layer_num,OA\n3,0.5\n", "anything\n"])
def test_a_bad_download_is_fetched_anew_by_the_next_run(importing, tmp_path, content):
    fetch = tmp_path / "benchmark" / "cache" / "hytas" / "ksc_2000_new_all.csv"
    fetch.parent.mkdir(parents=True)
    fetch.write_text(content)
    code, _, err = importing("protocol.published.importer=hytas", "space=hytas", "task=ksc")
    assert code == 2 and err.count("\n") == 1 and not fetch.exists()
    assert "cannot be read as hytas wrote it" in err and "run again to fetch it anew" in err


def test_a_pickle_that_runs_code_is_refused(importing, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    torch.save([{"arch": Trap()}], tmp_path / "gt_autoformer.pth")
    choice = ["protocol.published.importer=vit_bench_101", "space=autoformer-tiny", "task=cifar100"]
    code, _, err = importing(*choice, f"protocol.published.path={tmp_path}")
    assert code == 2 and "cannot be read" in err and not (tmp_path / "touched").exists()


def test_a_genome_that_stands_twice_and_a_word_for_an_accuracy_are_named():
    space = spaces.get("autoformer-micro")
    genome = space.sample(1, seed=0)[0].values
    with pytest.raises(BuilderError, match=r"f.csv, row 7: the genome .* stands there twice"):
        by_genome(space, [(3, genome, 50.0), (7, genome, 60.0)], "top1", 100, Path("f.csv"))
    with pytest.raises(BuilderError, match="row 3: 'top1' is high, expected a number"):
        by_genome(space, [(3, genome, "high")], "top1", 100, Path("f.csv"))
    with pytest.raises(BuilderError, match=r"f.csv has no value of 'top1'\."):
        by_genome(space, [(3, genome, None)], "top1", 100, Path("f.csv"))


# A table of the user's own


def test_the_check_holds_for_a_table_of_the_users_own(importing, tmp_path):
    sample, _ = networks(60, "autoformer-micro")
    draws = np.random.default_rng(0)
    rows = [{**a.values, "top1": float(v)} for a, v in zip(sample, draws.random(60) * 100, strict=True)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "table.parquet")
    described = ["protocol.published.accuracy=top1", "protocol.published.source=a paper"]
    described.append(f"protocol.published.path={tmp_path / 'table.parquet'}")
    code, _, err = importing(*described)
    assert code == 2 and "Not imported, 'top1' (recipe top1): no known factor explains it" in err
    code, out, _ = importing(*described, "protocol.published.check=false")
    assert code == 0 and "60 published accuracies 'top1'" in out and "AGAINST ITS CHECK" in out
    code, _, err = importing(
        *described, "protocol.published.check=false", f"protocol.published.sha256=[{'0' * 64}]"
    )
    assert code == 2 and "has sha256" in err


# Files


@pytest.fixture
def server():
    """A real server of this machine: `whole` is a file, `cut` breaks off, all else is not found."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if self.path in ("/whole", "/cut") else 404)
            self.send_header("Content-Length", "10" if self.path == "/whole" else "1000")
            self.end_headers()
            self.wfile.write(b"0123456789")

        def log_message(self, *arguments):
            pass

    asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}", asked
        found.shutdown()


def test_a_file_is_fetched_once_and_whole(server, tmp_path):
    address, asked = server
    for _ in range(2):
        path = fetched(f"{address}/whole", tmp_path / "cache" / "hytas" / "file")
    assert path.read_bytes() == b"0123456789" and asked == ["/whole"]


@pytest.mark.parametrize("page", ["/cut", "/missing"])
def test_what_cannot_be_fetched_whole_names_the_address_and_leaves_nothing(server, tmp_path, page):
    address, _ = server
    with pytest.raises(BuilderError) as caught:
        fetched(address + page, tmp_path / "file")
    assert f"{address}{page} could not be fetched" in str(caught.value)
    assert "protocol.published.path=" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_fetch_leaves_is_swept(server, tmp_path, monkeypatch):
    address, _ = server
    monkeypatch.setattr("store.write.os.getpid", lambda: 2**22 + 1)  # no process has this number
    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(BuilderError):
            fetched(f"{address}/cut", tmp_path / "cache" / "hytas" / "file.csv")
    (left,) = (tmp_path / "cache" / "hytas").iterdir()
    assert clean_temporary(tmp_path) == [left]


def test_a_local_copy_is_a_file_a_folder_or_the_repository(tmp_path, capsys):
    importer = get("vit_bench_101")
    first, second = files = ["gt_results/gt_autoformer.pth", "gt_results/gt_autoformer_2.pth"]
    (tmp_path / "gt_results").mkdir()
    (tmp_path / second).touch()
    expected = {second: tmp_path / second}
    for place in (tmp_path, tmp_path / "gt_results", tmp_path / second):
        assert located(importer, files, str(place), tmp_path / "cache") == expected
        said = f"vit_bench_101: {place} does not hold gt_autoformer.pth; what is in there is left out\n"
        assert capsys.readouterr().out == said
    other = tmp_path / "renamed.pth"
    other.touch()
    assert located(importer, [first], str(other), tmp_path / "cache") == {first: other}
    assert not capsys.readouterr().out
    with pytest.raises(BuilderError, match=r"gt_autoformer.pth or gt_autoformer_2.pth of vit_bench_101"):
        located(importer, files, str(other), tmp_path / "cache")


# The published numbers themselves


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Every importer's files in their upstream format."""
    return {name: upstream.write(name, tmp_path_factory.mktemp(name)) for name in names()}


@needs_tables
@pytest.mark.parametrize("name", names())
def test_every_published_column_is_what_its_importer_says_and_is_refused_or_not_as_it_says(name, folders):
    importer = get(name)
    counts = {
        "hytas": {1966, 1999, 2000},
        "ood_vit_nas": {1001},
        "vit_bench_101": {100},
        "nasgraph": {15625, 4096, 3256},
        "nas_bench_suite_zero": {292, 662, 711, 725},
        "nas_bench_suite_zero_2022": {15625},
    }[name]
    # Of the large tables the columns of one task a space, and those that are hardest to explain.
    hard = {"cifar10", "room_layout", "autoencoder"}
    large = len(importer.columns) > 13 or name == "nas_bench_suite_zero_2022"
    columns = [c for c in importer.columns if not large or c.task in hard]
    if name == "nasgraph":
        columns = [c for c in columns if c.task != "cifar10"] + [importer.columns[2]]
    for column in columns:
        space, path = spaces.get(column.space), folders[name] / column.file.rpartition("/")[2]
        entries = enumerate(importer.read(path))
        rows = [(i, genome, found[column.key]) for i, (genome, found) in entries if column.key in found]
        found, without = by_genome(space, rows, column.key, column.scale, path, negated=column.negated)
        assert len(found) in counts and without == 0
        assert Accuracies(column.key, "", "", "test", found, 0).sha256 == column.sha256
        checked = check(list(found.values()), factors_of(space, list(found)))
        assert checked.refused == column.refused, (column, checked)


@needs_tables
def test_every_target_is_higher_for_the_better_network(folders):
    """Ranked by one task, the best tenth of the networks beat the worst tenth on every other."""
    importer = get("nasgraph")
    space = spaces.get("transnas-macro")
    means = {}
    for column in importer.of(space.name, "class_scene") + importer.of(space.name, "room_layout"):
        path = folders["nasgraph"] / column.file.rpartition("/")[2]
        entries = enumerate(importer.read(path))
        rows = [(i, genome, found[column.key]) for i, (genome, found) in entries if column.key in found]
        means[column.task] = by_genome(space, rows, column.key, column.scale, path, negated=column.negated)[0]
    assert all(value <= 0 for value in means["room_layout"].values())
    ranked = sorted(means["class_scene"], key=means["class_scene"].__getitem__)
    worst, best = ([means["room_layout"][a] for a in part] for part in (ranked[:325], ranked[-325:]))
    assert np.mean(best) > np.mean(worst)
    with pytest.raises(BuilderError, match="'x' is 0.5, expected minus a loss, at most 0"):
        by_genome(space, [(1, ranked[0].values, 0.5)], "x", 1.0, Path("f.csv"), negated=True)


@needs_tables
@pytest.mark.parametrize(("space", "task"), [("nasbench201", "cifar10"), ("nasbench101", "cifar10")])
def test_published_scores_stand_beside_ours_by_genome(vitzero, folders, tmp_path, space, task):
    root = tmp_path / "benchmark"
    choice = ["job=score", f"root={root}", f"space={space}", f"task={task}"]
    choice += ["score.importer=nas_bench_suite_zero", f"score.path={folders['nas_bench_suite_zero']}"]
    code, out, err = vitzero(*choice)
    assert code == 0, err
    count = {"nasbench201": 725, "nasbench101": 292}[space]
    assert f"score: {count} architectures of {space} on {task} scored by nas_bench_suite_zero" in out
    code, out, _ = vitzero(*choice)
    assert code == 0 and "0 of them new" in out
    with Benchmark.open(root) as benchmark:
        found = benchmark.sql(
            "SELECT params, value FROM scores JOIN architectures USING (arch_id) "
            "WHERE proxy = 'nas_bench_suite_zero/params'"
        ).to_pylist()
    assert len(found) == count
    differences = [round(row["value"] * 1e6) - row["params"] for row in found]
    if space == "nasbench101":  # NASLib's vertices stand in another order: others have a surplus channel
        assert max(map(abs, differences)) < 100_000 and differences.count(0) > 0.85 * count
    else:
        assert set(differences) == {0}


@needs_tables
def test_the_zen_of_another_run_stands_under_its_own_name(vitzero, folders, tmp_path):
    source, root = "nas_bench_suite_zero_2022", tmp_path / "benchmark"
    choice = ["job=score", f"root={root}", "space=transnas-macro", "task=jigsaw", f"score.importer={source}"]
    code, out, err = vitzero(*choice, f"score.path={folders[source]}")
    assert code == 0, err
    assert "score: 3256 architectures of transnas-macro on jigsaw" in out and "3256 ok" in out
    where = {"source": "final_zips", "search_space": "transbench101_macro", "task": "jigsaw"}
    named = {row["arch_str"]: row["zen"] for row in upstream.rows("nas_bench_suite_zero", **where)}
    with Benchmark.open(root) as benchmark:
        found = benchmark.sql("SELECT genome, proxy, value FROM scores JOIN architectures USING (arch_id)")
        found = found.to_pylist()
    assert {json.loads(row["genome"])["network"]: row["value"] for row in found} == named
    assert {row["proxy"] for row in found} == {f"{source}/zen"}


@needs_tables
@pytest.mark.parametrize("space", ["nasbench101", "nasbench201", "nasbench301", "transnas-micro"])
def test_every_archive_of_zen_is_the_one_that_is_known(folders, space):
    importer = get("nas_bench_suite_zero_2022")
    wanted = next(scores for scores in importer.scores if scores.space == space)
    path = folders[importer.name] / wanted.file.rpartition("/")[2]
    found = scores.read(importer, wanted, spaces.get(space), path)
    assert scores.digest(found) == wanted.sha256
    failed = sum(values["zen"] is None for values in found.values())
    assert failed == {"nasbench201": 341, "transnas-micro": 169}.get(space, 0)


@needs_tables
def test_a_sample_may_be_drawn_among_the_networks_that_a_source_scored(vitzero, folders, tmp_path):
    importer = ["sample.importer=nas_bench_suite_zero", f"sample.path={folders['nas_bench_suite_zero']}"]
    at = ["job=sample", "space=nasbench201", "task=cifar10", *importer]

    def drawn(root, *overrides):
        code, _, err = vitzero(f"root={root}", *at, *overrides)
        assert code == 0, err
        with Benchmark.open(root) as benchmark:
            rows = benchmark.sql("SELECT arch_id FROM architectures ORDER BY sample_index").to_pylist()
        return [row["arch_id"] for row in rows]

    few, more = drawn(tmp_path / "few", "sample.n=20"), drawn(tmp_path / "more", "sample.n=40")
    assert len(set(more)) == 40 and more[:20] == few
    assert drawn(tmp_path / "other", "sample.n=20", "sample.seed=1") != few
    source = get("nas_bench_suite_zero")
    path = folders["nas_bench_suite_zero"] / "zc_nasbench201.json"
    wanted = source.scores_of("nasbench201", "cifar10")
    scored = scores.read(source, wanted, spaces.get("nasbench201"), path)
    assert set(more) <= {architecture.arch_id for architecture in scored}
    code, _, err = vitzero(f"root={tmp_path / 'all'}", *at, "sample.n=726")
    assert code == 2 and "scored 725 networks of nasbench201 on cifar10, not 726. Lower sample.n." in err


@needs_tables
def test_a_score_that_failed_is_a_null_not_its_sentinel(folders):
    importer = get("nas_bench_suite_zero")
    wanted = importer.scores_of("transnas-micro", "class_scene")
    path = folders["nas_bench_suite_zero"] / "zc_transbench101_micro.json"
    found = scores.read(importer, wanted, spaces.get("transnas-micro"), path)
    assert {values["epe_nas"] for values in found.values()} == {None}  # all of them failed there
    assert scores.digest(found) == wanted.sha256


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["score.importer=hytas"], "hytas has no scores of autoformer-micro on digits. It has: none."),
        (["score.importer=nas_bench"], "Unknown importer 'nas_bench'. Did you mean"),
        (["score.importer=hytas", "launcher=local"], "score.importer imports and computes nothing"),
        (
            [
                "score.importer=nas_bench_suite_zero",
                "space=nasbench201",
                "task=cifar10",
                "score.path=nowhere",
            ],
            "path=nowhere is not, and does not hold, zc_nasbench201.json of nas_bench_suite_zero",
        ),
    ],
)
def test_a_mistaken_import_of_scores_is_one_line(vitzero, tmp_path, overrides, message):
    code, _, err = vitzero(f"root={tmp_path}", "job=score", *overrides)
    assert code == 2 and message in err and err.count("\n") == 1


@needs_tables
def test_the_broken_columns_of_vit_bench_101_are_caught(importing, folders, tmp_path):
    choice = ["protocol.published.importer=vit_bench_101", "space=autoformer-tiny"]
    choice.append(f"protocol.published.path={folders['vit_bench_101']}")
    code, out, err = importing(*choice, "task=imagenet")
    assert code == 2 and "published accuracies" not in out and err.count("\n") == 1
    assert "(recipe auto-prox-inherited): the 38 networks of embed_dim 240 lie at 71.34%" in err
    assert "(recipe auto-prox-2-inherited): no known factor explains it" in err
    code, out, _ = importing(*choice, "task=imagenet", "protocol.published.check=false")
    assert code == 0 and out.count("IMPORTED AGAINST ITS CHECK") == 2
    # Of one task the sound columns are imported, and the refused one is named.
    code, out, err = importing(*choice, "task=chaoyang")
    assert code == 2 and out.count("100 published accuracies") == 2 and "auto-prox-plain" in err
    recipe = "protocol.published.recipe=auto-prox-distilled"
    code, out, _ = importing(*choice, "task=chaoyang", recipe)
    assert code == 0 and out.count("published accuracies") == 1 and "0 of them new" in out
    code, out, _ = importing(*choice, "task=cifar100")
    assert code == 0 and out.count("100 published accuracies") == 3


@needs_tables
def test_inherited_accuracies_of_ood_vit_nas_are_imported_by_genome(importing, folders, tmp_path):
    choice = ["protocol.published.importer=ood_vit_nas", "space=autoformer-small", "task=imagenet"]
    code, out, _ = importing(*choice, f"protocol.published.path={folders['ood_vit_nas']}")
    assert code == 0 and "1001 published accuracies 'clean' of autoformer-small on imagenet" in out
    assert "79.41% to 81.66%" in out and "params explains most of it: R2 0.89" in out
    imported, space = values(tmp_path), spaces.get("autoformer-small")
    for row in upstream.rows("ood_vit_nas_autoformer", autoformer_space="small"):
        genome = {field: row[field] for field in ("depth", "embed_dim", "mlp_ratio", "num_heads")}
        key = (space.architecture(genome).genome, "inherited-official-supernet")
        assert imported[key] == row["imagenet_top1_supernet"] / 100
    assert json.loads(next(iter(imported))[0])
