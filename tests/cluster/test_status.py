"""What is done, who is at work, what failed, what is planned again; many parts made few."""

import json
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.jobs.status import progress_table
from builder.plan import Wanted
from store import Benchmark, write_part
from store.compact import remove
from tests.cluster.conftest import COMMAND, facts

TASK = ("task=digits",)


@pytest.fixture
def half(left_alone, tmp_path):
    """A benchmark of which half is scored, and one proxy failed once."""
    for name in ("architectures", "scores", "runs"):
        shutil.copytree(left_alone / name, tmp_path / name)
    with Benchmark.open(tmp_path) as benchmark:
        late = benchmark.sql("SELECT arch_id FROM architectures WHERE sample_index >= 4")[
            "arch_id"
        ].to_pylist()
    remove(tmp_path, "scores", f"arch_id IN {tuple(late)}")
    with Benchmark.open(tmp_path) as benchmark:
        row = benchmark.sql("SELECT * FROM scores WHERE proxy = 'snip' ORDER BY arch_id").to_pylist()[0]
    remove(tmp_path, "scores", f"proxy = 'snip' AND arch_id = '{row['arch_id']}'")
    reason = {"value": None, "status": "oom", "message": "CUDA out of memory"}
    write_part(tmp_path, "scores", [row | reason], "failed")
    Wanted("score", "scores", "autoformer-micro", "digits", _keys(left_alone), "proxy").note(tmp_path)
    return tmp_path


def _keys(root):
    with Benchmark.open(root) as benchmark:
        ids = benchmark.sql("SELECT arch_id FROM architectures ORDER BY arch_id")["arch_id"].to_pylist()
    return {"arch_id": ids, "task": ["digits"], "proxy": ["params", "snip", "nwot", "random"], "seed": [0]}


def lines(out):
    return [re.sub(r"  +", " | ", line.strip()) for line in out.splitlines() if line.strip()]


def test_status_counts_what_is_done_failed_and_missing(half, vitzero):
    before = sorted(half.rglob("*"))
    code, out, err = vitzero(f"root={half}", "job=status")
    assert code == 0, err
    shown = lines(out)
    assert "table | space | task | done | running | failed | missing" in shown
    assert "scores | autoformer-micro | digits | nwot, params, random | 12 | 0 | 0 | 12" in shown
    assert "scores | autoformer-micro | digits | snip | 3 | 0 | 1 | 4" in shown
    assert "1 of scores, oom: CUDA out of memory" in shown
    assert any(line.startswith("scores: ") and "rows an hour; the 16 to come in" in line for line in shown)
    assert sorted(half.rglob("*")) == before


def test_what_ended_a_block_is_shown_until_nothing_is_missing(half, vitzero):
    (half / "errors").mkdir()
    (half / "errors" / "block.txt").write_text("Traceback\nOSError: no space")
    assert "block: OSError: no space" in vitzero(f"root={half}", "job=status")[1]
    vitzero(f"root={half}", *COMMAND, "job=score")
    assert "no space" not in vitzero(f"root={half}", "job=status")[1]


def test_what_several_commands_want_counts_once(half, left_alone, vitzero):
    keys = _keys(left_alone)
    for first in (5, 6):
        fewer = keys | {"arch_id": keys["arch_id"][:first]}
        Wanted("score", "scores", "autoformer-micro", "digits", fewer, "proxy").note(half)
    shown = lines(vitzero(f"root={half}", "job=status")[1])
    assert [line for line in shown if line.startswith("scores | ")] == [
        "scores | autoformer-micro | digits | nwot, params, random | 12 | 0 | 0 | 12",
        "scores | autoformer-micro | digits | snip | 3 | 0 | 1 | 4",
    ]
    assert any("the 16 to come in" in line for line in shown)


def test_who_is_at_work_and_who_is_silent(half, vitzero):
    ids = _keys(half)["arch_id"]
    with Benchmark.open(half) as benchmark:
        scored = set(benchmark.scores(task="digits")["arch_id"].to_pylist())
        run = benchmark.sql("SELECT * FROM runs WHERE job = 'score'").to_pylist()[0]
    left = [arch_id for arch_id in ids if arch_id not in scored]
    config = json.loads(run["config"])
    for name, block in (("alive", left[:2]), ("dead", left[2:3])):
        told = json.dumps(config | {"block": {"name": name, "seed": 0, "architectures": block}})
        fields = {"run_id": name, "config": told, "host": name, "status": "running", "ended": None}
        path = write_part(half, "runs", [run | fields | {"started": datetime.now(UTC)}], name)
    os.utime(path, (0, 0))  # the dead one's
    code, out, err = vitzero(f"root={half}", "job=status")
    assert code == 0, err
    assert "scores | autoformer-micro | digits | nwot, params, random | 12 | 6 | 0 | 6" in lines(out)
    assert "at work (1)" in out and "silent; the same command as before does their blocks again (1)" in out
    assert re.search(r"alive \(cpu.*\): score alive, heard of 0 h 00 min", out)


def test_retry_takes_out_what_was_chosen_and_the_same_command_does_it(half, left_alone, vitzero):
    for other in ("retry.status=nan", "retry.proxy=nwot", "retry.message=segmentation"):
        assert "retry: no failed row of scores matches" in vitzero(f"root={half}", "job=retry", other)[1]
    code, out, err = vitzero(f"root={half}", "job=retry", "retry.status=oom", "retry.message='out of memory'")
    assert code == 0 and "retry: 1 failed rows taken out of scores" in out, err
    code, out, err = vitzero(f"root={half}", *COMMAND, "job=score")
    assert code == 0 and "17 ok" in out, err
    assert facts(half, "scores") == facts(left_alone, "scores")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("retry.status=OOM", "retry.status is 'OOM', expected one of empty, error, inf, nan, oom."),
        ("retry.proxy=snp", "Unknown proxy 'snp'. Did you mean 'snip'?"),
        ("retry.task=pets", "Unknown task 'pets'. Known: digits."),
    ],
)
def test_failures_that_cannot_be_are_refused(half, vitzero, wrong, message):
    code, out, err = vitzero(f"root={half}", "job=retry", wrong)
    assert (code, out, err) == (2, "", f"vitzero: {message}\n")


def test_the_other_rows_of_a_part_stay(half, monkeypatch):
    before = facts(half, "scores")
    monkeypatch.chdir(half.parent)
    assert remove(Path(half.name), "scores", "proxy = 'random'") == 4
    assert facts(half, "scores") == [row for row in before if row["proxy"] != "random"]


def test_compacted_tables_say_the_same_and_runs_go_on_under_their_id(half, left_alone, vitzero):
    vitzero(f"root={half}", *COMMAND, "job=score")
    before = {name: facts(half, name) for name in ("scores", "architectures", "runs")}
    code, out, err = vitzero(f"root={half}", "job=compact")
    assert code == 0 and re.search(r"scores: \d+ parts merged into 1", out), err
    assert {name: facts(half, name) for name in before} == before
    code, out, _ = vitzero(f"root={half}", *COMMAND, "job=score")
    assert "nothing to do" in out
    with Benchmark.open(half) as benchmark:
        runs = benchmark.sql("SELECT run_id, started FROM runs").to_pylist()
    assert len(runs) == len(before["runs"]), "a compacted run went on as another"


def test_an_array_of_groups_is_told_in_one_line():
    place = {"table": "scores", "space": "s", "task": "t", "running": 0, "failed": 0, "missing": 1}
    rows = [place | {"what": f"proxy{index}", "done": 1} for index in range(49)]
    assert lines(progress_table(rows))[1] == "scores | s | t | proxy0, proxy1 and 47 more | 49 | 0 | 0 | 49"
