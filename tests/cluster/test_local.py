"""Processes of one machine share the blocks out; one dies, and the tables are those of one process."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from builder import plan
from builder.command import _compose, checked
from builder.jobs import layers, score
from builder.launch import local
from builder.launch.work import work
from builder.provenance import Run
from spaces import Architecture
from tests.cluster.conftest import COMMAND, build, facts, same_tables, start, trained_once, until

# Several processes that each import torch: minutes on a machine that does anything else.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def at_once(monkeypatch):
    """In place of launcher=local: this process is the only worker."""
    done = SimpleNamespace(
        waits=True, workers=lambda _: 1, launch=lambda settings, job, blocks, costs: work(settings, blocks)
    )
    monkeypatch.setattr("builder.launch._launcher", lambda settings: done)


def children(process):
    """The processes that a process started, but the one that counts its resources."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_worker_is_killed_and_its_block_is_done_by_another(left_alone, tmp_path):
    build(tmp_path, "job=sample")
    process = start(tmp_path, "jobs=[accuracy,score,rank]", "launcher=local", "launcher.workers=2")
    until(lambda: any((tmp_path / "scores").glob("*.parquet")) or process.poll() is not None)
    os.kill(children(process)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    assert "accuracy: 5 blocks of 8 architectures" in out and "score: 4 blocks of 8 architectures" in out
    assert "autoformer-micro on digits, accuracies by supernet" in out
    same_tables(tmp_path, left_alone)
    trained_once(tmp_path)
    assert not list(tmp_path.rglob("*.tmp")) and not list(tmp_path.glob("errors/*"))


def test_trainings_alone_are_shared_out_too(tmp_path):
    alone = ("protocol=scratch", "protocol.recipe.epochs=1", "sample.n=2", "accuracy.architectures=2")
    for root, launcher in (
        (tmp_path / "one", ()),
        (tmp_path / "two", ("launcher=local", "launcher.workers=2")),
    ):
        out = build(root, *alone, "jobs=[sample,accuracy]", "protocol.recipe.warmup_epochs=0", *launcher)
    assert "accuracy: 2 blocks of 2 architectures" in out
    assert facts(tmp_path / "one", "accuracies") == facts(tmp_path / "two", "accuracies")


def test_a_dry_run_writes_nothing_and_estimates_by_earlier_rows(left_alone, tmp_path):
    before = sorted(left_alone.rglob("*.parquet"))
    more = ("job=score", "score.seeds=[0,1]", "launcher=local", "launcher.workers=3", "dry_run=true")
    out = build(left_alone, *more)
    assert "score: 4 blocks of 8 architectures; about 0 h 00 min" in out and "of 3 side by side" in out
    assert sorted(left_alone.rglob("*.parquet")) == before


def test_a_dry_run_before_anything_is_there_tells_what_it_can(vitzero, tmp_path):
    root = tmp_path / "new"
    code, out, err = vitzero(f"root={root}", "job=all", "sample.n=3", "launcher=local", "dry_run=true")
    assert code == 0 and not root.exists(), err
    later = "what there is to do can be told when job=sample has drawn the architectures"
    assert out.splitlines() == [
        "sample: would draw 3 architectures of autoformer-micro with seed 0",
        f"accuracy: {later}",
        f"score: {later}",
    ]


def test_a_dry_run_of_what_is_done_measures_nothing(left_alone, vitzero):
    dry = ("job=accuracy", "launcher=local", "dry_run=true")
    code, out, err = vitzero(f"root={left_alone}", *COMMAND, *dry)
    assert (code, out) == (0, "accuracy: nothing to share out\n"), err


def test_a_supernet_that_is_trained_is_not_planned_again(left_alone, vitzero, tmp_path):
    for name in ("architectures", "checkpoints"):
        shutil.copytree(left_alone / name, tmp_path / name)
    dry = (f"root={tmp_path}", *COMMAND, "job=accuracy", "launcher=local", "dry_run=true")
    assert "accuracy: 4 blocks of 8 architectures" in vitzero(*dry)[1]
    assert "accuracy: 5 blocks of 8 architectures" in vitzero(*dry, "accuracy.seeds=[1]")[1]


def test_what_failed_is_told_and_tried_again_whichever_job_it_is_of(vitzero, at_once, tmp_path):
    # A spread over samples has no value for one sample.
    told = (*COMMAND, "sample.n=1", "proxies.names=[params,l_swag]", "score.batch_size=1", "launcher=local")
    told = (f"root={tmp_path}", *told, "jobs=[sample,score]")
    failures = "score: 1 rows done, 1 failed; job=status says why"
    code, out, err = vitzero(*told)
    assert code == 0 and failures in out, err
    assert "blocks" not in vitzero(*told)[1]
    again = vitzero(*told, "retry_failed=true")[1]
    assert "score: 1 blocks of 1 architectures" in again and failures in again


def test_the_cost_of_some_proxies_is_not_that_of_all(vitzero, tmp_path):
    told = (f"root={tmp_path}", *COMMAND, "sample.n=2")
    vitzero(*told, "jobs=[sample,score]", "proxies.names=[params]", "score.block=null")
    dry = ("job=score", "score.seeds=[1]", "launcher=local", "dry_run=true", "proxies.names=[params,snip]")
    assert "nothing like it was measured yet" in vitzero(*told, *dry)[1]


def test_layers_are_estimated_and_cut_by_what_earlier_runs_took(vitzero, tmp_path):
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=2")
    other = (f"root={tmp_path}", "job=layers", "layers.seeds=[1]", "launcher=local", "dry_run=true")
    _, unknown, _ = vitzero(*other)
    assert "layers: 1 blocks of 2 architectures; nothing like it was measured yet" in unknown
    vitzero(f"root={tmp_path}", "job=layers", "layers.seeds=[0]")
    _, known, _ = vitzero(*other)
    assert "layers: 1 blocks of 2 architectures; about 0 h 00 min" in known
    settings = checked(_compose(list(other)))
    cut = layers.wanted(settings, Run("layers", settings, torch.device("cpu"))).block
    assert cut > plan.UNMEASURED, "an architecture takes a second, not ten minutes"


def test_a_worker_s_mistake_is_one_line(vitzero, tmp_path):
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=1")
    wrong = ("task=cifar10", "task.path=/nowhere/*.parquet", "launcher=local", "launcher.workers=1")
    code, _, err = vitzero(f"root={tmp_path}", "job=score", *wrong)
    assert code == 2
    last = err.splitlines()[-1]
    assert last.startswith("vitzero: autoformer-micro-cifar10-seed0-") and "/nowhere" in last
    assert len(list((tmp_path / "errors").iterdir())) == 1


def test_a_worker_whose_launcher_is_gone_ends_and_leaves_no_error(vitzero, tmp_path, monkeypatch):
    told = (f"root={tmp_path}", *COMMAND, "sample.n=1", "proxies.names=[params]")
    vitzero(*told, "job=sample")
    settings = checked(_compose(list(told)))
    (block,) = score.blocks(settings, Run("score", settings, torch.device("cpu")))
    ours, theirs = multiprocessing.Pipe()
    ours.send(block)
    ours.close()
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit):
        local._serve(settings, 0, 1, theirs)
    assert len(facts(tmp_path, "scores")) == 1 and not (tmp_path / "errors").exists()


def test_what_is_not_cut_into_blocks_says_so(vitzero, tmp_path):
    code, _, err = vitzero(f"root={tmp_path}", "job=search", "launcher=local")
    assert (code, err) == (2, "vitzero: job=search is not cut into blocks: run it without launcher=local.\n")


@pytest.mark.parametrize(("seconds", "size"), [(None, 16), (0.001, 1024), (2.0, 256), (599, 1), (9000, 1)])
def test_a_block_is_about_ten_minutes(seconds, size):
    assert plan.block_size(seconds) == size


def test_the_cut_does_not_depend_on_what_is_done():
    chosen = [Architecture("autoformer-micro", f'{{"depth": {depth}}}') for depth in range(10)]
    whole = [group for group, _ in plan.cut(chosen, {a.arch_id: ("snip",) for a in chosen}, 4)]
    assert [len(group) for group in whole] == [4, 4, 2]
    lacking = {a.arch_id: ("snip",) for a in chosen} | {whole[1][0].arch_id: ("snip", "nwot")}
    del lacking[whole[0][0].arch_id]
    found = list(plan.cut(reversed(chosen), lacking, 4))
    assert [len(group) for group, _ in found] == [3, 1, 3, 2]
    assert found[-1] == (whole[2], ("snip",))


def test_several_tasks_and_spaces_are_one_command(vitzero, tmp_path):
    both = ("space=autoformer-micro,autoformer-tiny", "sample.n=1")
    assert vitzero(f"root={tmp_path}", "job=sample", *both)[0] == 0
    tasks = ("task=digits,pets", "launcher=local", "launcher.workers=1", "dry_run=true")
    code, out, err = vitzero(f"root={tmp_path}", "job=score", both[0], *tasks)
    assert (code, out.count("score: 1 blocks of 1 architectures")) == (0, 4), err


def test_no_scheduler_is_imported_unless_chosen():
    code = "import sys, builder.command; sys.exit(bool({'ray', 'submitit', 'fsspec'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
