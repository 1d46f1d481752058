"""The queue: its page is its list, what travels comes back whole, and bad tables do not count as done."""

import os
import random
import re
import sys
import tarfile
import time
from argparse import Namespace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import proxies
import spaces
from bench import gpu_queue
from bench.packing import new_files, pack, unpack
from bench.piece_check import check
from bench.pieces import CONVOLUTIONAL, KINDS, OF_CONVOLUTIONAL, SPACES, TASKS, checklist, command, pieces
from builder.protocols.rows import recipe_id
from builder.published import get, scores
from store import Benchmark, StoreError, write_part
from tests.builder import upstream
from tests.builder.conftest import noise
from tests.shared import needs_tables

PAGE = Path(__file__).resolve().parents[2] / "bench" / "gpu_queue.md"
SCORED = [f"{space}-{task}-score" for space, (tasks, *_) in CONVOLUTIONAL.items() for task in tasks]


def test_the_page_holds_the_list_ticked_off_or_not():
    page = re.sub(r"^- \[x\] ", "- [ ] ", PAGE.read_text(), flags=re.MULTILINE)
    wanted = [line for line in checklist().splitlines() if line]
    found = [line for line in page.splitlines() if line in set(wanted)]
    assert found == wanted
    assert re.findall(r"^- \[ \] `([\w-]+)`", page, flags=re.MULTILINE) == list(pieces())


def test_the_queue_is_every_kind_of_every_task_small_before_tiny():
    names = [piece.name for piece in pieces().values() if piece.kind]
    trained = [kind for kind in KINDS if kind not in OF_CONVOLUTIONAL]
    tasks = [task for task, (images, _) in TASKS.items() if images]
    release = [f"{space}-{task}-{kind}" for space in SPACES for task in tasks for kind in trained]
    assert names == release + SCORED
    assert list(pieces())[:2] == ["ready", "gpu-check"]


def test_a_command_fits_into_a_call():
    assert max(len(command(piece)) for piece in pieces().values()) <= 2000


@pytest.mark.parametrize("name", [name for name, piece in pieces().items() if piece.kind and "small" in name])
def test_what_a_piece_tells_the_builder_composes(name, tmp_path):
    piece = pieces()[name]
    options = Namespace(images=tmp_path, root=tmp_path, rehearse=False)
    settings = gpu_queue.composed(gpu_queue.told(piece, options))
    assert settings.space.name == piece.space and settings.task.name == piece.task
    assert settings.sample.n == 2000
    if piece.kind == "score":
        assert (
            settings.score.seeds == [0, 1, 2] and proxies.resolve(settings.proxies.names) == proxies.names()
        )
    if piece.kind == "scratch":
        assert settings.accuracy.seeds == [0, 1] and settings.accuracy.architectures == 60
    assert (settings.task.image_size // settings.task.patch_size) ** 2 == 64
    assert settings.protocol.recipe.precision == "bfloat16"


@pytest.mark.parametrize("name", SCORED)
def test_convolutional_networks_are_scored_where_numbers_are_published(name, tmp_path):
    piece = pieces()[name]
    options = Namespace(images=tmp_path, root=tmp_path, tables=tmp_path, rehearse=False)
    settings = gpu_queue.composed(gpu_queue.told(piece, options))
    assert settings.space.name == piece.space and settings.jobs == ["sample", "score"]
    assert settings.sample.n == (1000 if piece.space == "nasbench201" else piece.draw.n)
    assert (settings.task.path is None) == (piece.kind == "blind")
    assert proxies.look_at_images(proxies.resolve(settings.proxies.names)) == (piece.kind != "blind")


@needs_tables
def test_a_piece_draws_all_networks_that_were_published(tmp_path):
    folder = upstream.write("nas_bench_suite_zero", tmp_path / "tables")
    source = get("nas_bench_suite_zero")
    for piece in filter(lambda piece: piece.draw and piece.draw.file, pieces().values()):
        wanted = source.scores_of(piece.space, piece.task)
        found = scores.read(source, wanted, spaces.get(piece.space), folder / piece.draw.file)
        assert len(found) == piece.draw.n


@needs_tables
def test_a_convolutional_piece_is_rehearsed_on_its_own_networks(monkeypatch, capfd, tmp_path):
    upstream.write("nas_bench_suite_zero", tmp_path / "tables")
    places = ("--root", tmp_path / "there", "--out", tmp_path / "home", "--tables", tmp_path / "tables")
    piece = ("transnas-macro-class_scene-score", "--rehearse", "--architectures", 1)
    code, out = queue(monkeypatch, capfd, *piece, *places, "--images", tmp_path)
    assert code == 0, out
    assert out.splitlines()[-1] == "PIECE transnas-macro-class_scene-score (rehearsal): done, 5 rows"
    with Benchmark.open(tmp_path / "there") as benchmark:
        assert benchmark.architectures()["space"].to_pylist() == ["transnas-macro"]


def test_the_supernet_that_is_trained_is_the_one_that_is_evaluated(tmp_path):
    options = Namespace(images=tmp_path, root=tmp_path, rehearse=False)
    ids = {
        recipe_id(gpu_queue.composed(gpu_queue.told(pieces()[f"tiny-cifar100-{kind}"], options)))
        for kind in ("supernet", "evaluate")
    }
    assert len(ids) == 1


# What travels


def some_files(root, *sizes):
    draws = random.Random(0)
    paths = [root / "scores" / f"part{index}.parquet" for index in range(len(sizes))]
    paths[0].parent.mkdir(parents=True)
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(draws.randbytes(size))
    return paths


def test_what_is_packed_comes_back_in_files_that_may_travel(tmp_path):
    paths = some_files(tmp_path / "there", 6 * 2**20, 6 * 2**20, 6 * 2**20, 1, 0)
    packs = pack(tmp_path / "there", paths, tmp_path / "out", "piece")
    assert len(packs) == 2 and all(path.stat().st_size < 16 * 2**20 for path in packs)
    assert unpack(packs, tmp_path / "here") == 5
    for path in paths:
        assert (tmp_path / "here" / "scores" / path.name).read_bytes() == path.read_bytes()
    assert unpack(packs, tmp_path / "here") == 0  # again: nothing to do


def test_a_cut_archive_leaves_nothing_that_hides_the_whole_one(tmp_path):
    paths = some_files(tmp_path / "there", 200_000)
    (whole,) = pack(tmp_path / "there", paths, tmp_path / "out", "piece")
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[:100_000])
    with pytest.raises(StoreError, match="is damaged"):
        unpack([cut], tmp_path / "here")
    assert unpack([whole], tmp_path / "here") == 1
    assert (tmp_path / "here" / "scores" / paths[0].name).read_bytes() == paths[0].read_bytes()


def test_only_what_is_new_travels(tmp_path):
    paths = some_files(tmp_path, 10, 20, 30)
    packs = pack(tmp_path, paths[:2], tmp_path / "out", "piece")
    assert new_files(tmp_path, paths, packs) == paths[2:]
    paths[0].write_bytes(b"written again")
    assert new_files(tmp_path, paths, packs) == [paths[0], paths[2]]


def test_the_youngest_of_two_files_stays_in_whatever_order(tmp_path):
    (path,) = some_files(tmp_path / "there", 10)
    os.utime(path, (1000, 1000))
    old = pack(tmp_path / "there", [path], tmp_path / "out", "piece")
    path.write_bytes(b"ended")
    young = pack(tmp_path / "there", [path], tmp_path / "out", "piece")
    for order in ([*old, *young], [*young, *old]):
        unpack(order, tmp_path / str(len(order[0].name)) / order[0].stem)
        assert (
            tmp_path / str(len(order[0].name)) / order[0].stem / "scores" / path.name
        ).read_bytes() == b"ended"


def test_a_damaged_archive_and_a_file_too_large_are_refused(tmp_path):
    paths = some_files(tmp_path, 50_000)
    (archive,) = pack(tmp_path, paths, tmp_path / "out", "piece")
    archive.write_bytes(archive.read_bytes()[:20_000])
    with pytest.raises(StoreError, match=r"is damaged .* repeat its piece"):
        unpack([archive], tmp_path / "here")
    paths[0].write_bytes(bytes(16 * 2**20))
    with pytest.raises(StoreError, match="more than an archive may have"):
        pack(tmp_path, paths, tmp_path / "out", "piece")


# What counts as done

N = 6


def settings_of(job, *overrides):
    common = ("space=autoformer-micro", "task=digits", f"sample.n={N}", f"jobs=[sample,{job}]")
    return gpu_queue.composed([*common, "protocol.recipe.epochs=2", "score.seeds=[0,1]", *overrides])


def write_architectures(root):
    space = spaces.get("autoformer-micro")
    rows = [
        {
            "arch_id": architecture.arch_id,
            "space": space.name,
            "genome": architecture.genome,
            "params": space.params(architecture),
            "macs": space.macs(architecture),
            "sample_seed": 0,
            "sample_index": index,
            "run_id": "r",
        }
        for index, architecture in enumerate(space.sample(N, 0))
    ]
    write_part(root, "architectures", rows, "all")
    return [row["arch_id"] for row in rows]


def accuracy_rows(ids, settings):
    return [
        {
            "arch_id": arch_id,
            "task": "digits",
            "protocol": "supernet",
            "recipe": recipe_id(settings),
            "seed": 0,
            "split": split,
            "epoch": 2,
            "accuracy": 0.5 + index / 100,
            "loss": 1.0,
            "images": 100,
            "seconds": 1.0,
            "source": "trained here",
            "status": "ok",
            "message": None,
            "run_id": "r",
        }
        for index, arch_id in enumerate(ids)
        for split in ("validation", "test")
    ]


def score_rows(ids):
    return [
        {
            "arch_id": arch_id,
            "task": "digits",
            "proxy": proxy,
            "seed": seed,
            "value": float(index),
            "status": "ok",
            "message": None,
            "seconds": 1.0,
            "marginal_seconds": 1.0,
            "peak_bytes": None,
            "batch_size": 64,
            "image_size": 8,
            "run_id": "r",
        }
        for index, arch_id in enumerate(ids)
        for proxy in proxies.names()
        for seed in (0, 1)
    ]


def fail(row, column="accuracy"):
    return {**row, column: None, "status": "error", "message": "the loss became nan"}


ACCURACIES = {
    "whole": (lambda rows: rows, 0, "done, 12 rows"),
    "missing": (lambda rows: rows[:-1], 3, "unfinished: 11 of 12 rows"),
    "another recipe": (lambda rows: [{**row, "recipe": "other"} for row in rows], 3, "unfinished: 0 of 12"),
    "an earlier epoch": (lambda rows: [{**row, "epoch": 1} for row in rows], 3, "unfinished: 0 of 12"),
    "null": (lambda rows: [fail(rows[0]), *rows[1:]], 1, "1 of 12 accuracies are null: the loss became nan"),
    "null and missing": (lambda rows: [fail(rows[0])], 1, "1 of 1 accuracies are null"),
    "constant": (lambda rows: [{**row, "accuracy": 0.5} for row in rows], 1, "nothing was measured"),
    "guessing": (
        lambda rows: [{**r, "accuracy": r["accuracy"] / 5} for r in rows],
        1,
        "the mean accuracy 0.1050 is below",
    ),
    "one guesses": (
        lambda rows: [{**rows[0], "accuracy": 0.1}, {**rows[1], "accuracy": 0.1}, *rows[2:]],
        1,
        "least",
    ),
}


@pytest.mark.parametrize("plant", ACCURACIES)
def test_accuracies_that_are_not_right_are_not_done(plant, tmp_path):
    change, code, said = ACCURACIES[plant]
    settings = settings_of("accuracy")
    write_part(tmp_path, "accuracies", change(accuracy_rows(write_architectures(tmp_path), settings)), "all")
    verdict = check(tmp_path, settings)
    assert verdict.exit_code == code and said in verdict.line("x")
    if plant == "whole":
        assert any("rho of params" in note for note in verdict.notes)


def test_rows_of_several_files_and_runs_count_once(tmp_path):
    settings = settings_of("accuracy")
    rows = accuracy_rows(write_architectures(tmp_path), settings)
    write_part(tmp_path, "accuracies", rows[:8], "one")
    write_part(tmp_path, "accuracies", [{**row, "run_id": "s"} for row in rows[4:]], "two")
    assert check(tmp_path, settings).line("x") == "PIECE x: done, 12 rows"


SCORES = {
    "whole": (lambda row: True, lambda row: row, 0, "done"),
    "a seed is missing": (lambda row: row["seed"] == 0, lambda row: row, 3, "unfinished"),
    "a proxy is missing": (lambda row: row["proxy"] != "snip", lambda row: row, 3, "unfinished"),
    "another batch": (lambda row: True, lambda row: {**row, "batch_size": 8}, 3, "unfinished: 0 of"),
    "a proxy failed": (
        lambda row: True,
        lambda row: fail(row, "value") if row["proxy"] == "snip" else row,
        1,
        "snip failed 12 times of 12",
    ),
}


@pytest.mark.parametrize("plant", SCORES)
def test_scores_that_are_not_right_are_not_done(plant, tmp_path):
    keep, change, code, said = SCORES[plant]
    rows = [change(row) for row in score_rows(write_architectures(tmp_path)) if keep(row)]
    write_part(tmp_path, "scores", rows, "all")
    verdict = check(tmp_path, settings_of("score"))
    assert verdict.exit_code == code and said in verdict.line("x")
    if plant == "a proxy failed":
        assert "snip: 12 of 12 error: the loss became nan" in verdict.notes


@pytest.mark.parametrize("kept", [40, -400])
def test_a_damaged_part_is_not_done(kept, tmp_path):
    settings = settings_of("accuracy")
    path = write_part(tmp_path, "accuracies", accuracy_rows(write_architectures(tmp_path), settings), "all")
    content = path.read_bytes()
    if kept > 0:
        path.write_bytes(content[:kept])
    else:  # behind a whole footer
        path.write_bytes(content[:30] + bytes(60) + content[90:])
    verdict = check(tmp_path, settings)
    assert verdict.exit_code == 1 and str(path) in verdict.line("x")


# What runs


def queue(monkeypatch, capfd, *arguments):
    monkeypatch.setattr(sys, "argv", ["gpu_queue", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        gpu_queue.main()
    return stop.value.code, capfd.readouterr().out


def write_images(folder, count):
    folder.mkdir()
    table = {
        "image": pa.array(noise(count), pa.binary()),
        "label": pa.array([index % 10 for index in range(count)], pa.int32()),
        "split": ["train"] * count,
    }
    pq.write_table(pa.table(table), folder / "cifar10_train-00-of-01.parquet")


def test_half_of_the_images_are_refused(monkeypatch, capfd, tmp_path):
    write_images(tmp_path / "images", 20)
    code, out = queue(
        monkeypatch,
        capfd,
        "small-cifar10-score",
        "--images",
        tmp_path / "images",
        "--root",
        tmp_path / "root",
    )
    assert code == 1
    assert "FAILED: " in out and "has 20 images of cifar10 train, not 50,000" in out
    assert not (tmp_path / "root").exists()


def test_evaluation_waits_for_its_supernet(monkeypatch, capfd, tmp_path):
    write_images(tmp_path / "images", 20)
    monkeypatch.setattr(gpu_queue, "_IMAGES", {"train": 20, "test": 0})
    places = ("--images", tmp_path / "images", "--root", tmp_path / "root")
    code, out = queue(monkeypatch, capfd, "small-cifar10-evaluate", "--rehearse", *places)
    assert code == 1 and "run piece small-cifar10-supernet before" in out


def test_a_piece_is_scored_packed_and_judged_where_it_came_back(monkeypatch, capfd, tmp_path):
    write_images(tmp_path / "images", 80)
    monkeypatch.setattr(gpu_queue, "_IMAGES", {"train": 80, "test": 0})
    places = ("--images", tmp_path / "images", "--out", tmp_path / "home", "--tables", tmp_path / "home")
    piece = ("small-cifar10-score", "--rehearse", "--architectures", 1, *places)
    monkeypatch.setitem(
        gpu_queue._REHEARSED_KINDS,
        "score",
        ("score.seeds=[0]", "score.batch_size=8", "proxies=baselines"),
    )
    code, out = queue(monkeypatch, capfd, *piece, "--root", tmp_path / "there")
    assert code == 0, out
    assert out.splitlines()[-1] == "PIECE small-cifar10-score (rehearsal): done, 5 rows"
    (archive,) = (tmp_path / "home").glob("*.tar")
    with tarfile.open(archive) as file:
        assert {name.split("/")[0] for name in file.getnames()} == {"architectures", "runs", "scores"}
    code, out = queue(monkeypatch, capfd, *piece, "--root", tmp_path / "here", "--check")
    assert code == 0 and "done, 5 rows" in out
    with Benchmark.open(tmp_path / "here") as benchmark:
        assert benchmark.proxies() == sorted(["params", "macs", "depth", "width", "random"])


def test_two_supernets_are_never_mixed(monkeypatch, capfd, tmp_path):
    for content in (b"one", b"two"):
        rows = tmp_path / "there" / "accuracies" / "rows.parquet"
        rows.parent.mkdir(parents=True, exist_ok=True)
        rows.write_bytes(content)
        pack(tmp_path / "there", [rows], tmp_path, "small-cifar10-evaluate")
    code, out = queue(
        monkeypatch,
        capfd,
        "small-cifar10-evaluate",
        "--check",
        "--tables",
        tmp_path,
        "--root",
        tmp_path / "r",
    )
    assert code == 1 and "two supernets" in out


WAITS = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(1)\n"
FAILS = "import sys\nprint('vitzero: wrong')\nsys.exit(2)\n"


def test_work_is_ended_in_time_and_its_failure_told(monkeypatch, tmp_path):
    (tmp_path / "waits.py").write_text(WAITS)
    (tmp_path / "fails.py").write_text(FAILS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    log = tmp_path / "log"
    options = Namespace(ends=time.monotonic(), minutes=0)
    assert gpu_queue.work(["waits"], log, options) == []
    assert gpu_queue.work(["waits"], log, options, may_go_on=False) == ["it did not end within 0 minutes"]
    options.ends += 60
    assert gpu_queue.work(["fails"], log, options) == ["exit code 2: vitzero: wrong"]


def test_of_a_progress_bar_its_last_state_is_told(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"one\nscore cifar10:  10%|#  \rscore cifar10:  90%|###\x1b[A\n   \x1b[A\ntwo\n\n")
    assert gpu_queue.lines_of(log) == ["one", "score cifar10:  90%|###", "two"]


def test_few_images_are_of_every_class(tmp_path):
    write_images(tmp_path / "images", 100)
    options = Namespace(images=tmp_path / "images", root=tmp_path, limit=40)
    labels = pq.read_table(gpu_queue.few_images(options, "cifar10"))["label"].to_pylist()
    assert sorted(labels) == sorted(list(range(10)) * 4)
