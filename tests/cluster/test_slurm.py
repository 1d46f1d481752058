"""A real Slurm: an array of jobs, one cancelled, one killed; the same command ends it in the same tables."""

import json
import subprocess

import pytest

from tests.cluster.conftest import build, same_tables, until

SLURM = ("launcher=slurm", "launcher.cpus=1", "launcher.minutes=5")

# Several processes that each import torch: minutes on a machine that does anything else.
pytestmark = pytest.mark.timeout(600)


def squeue(*options):
    command = ["squeue", "--noheader", "--array", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def jobs_of(root, job):
    """The ids of a job's array, by what it was noted to do."""
    (path,) = (path for path in (root / "launches").glob(f"jobs-{job}-*.json"))
    return list(json.loads(path.read_text()))


def test_what_sbatch_refuses_is_one_line(vitzero, tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    for command in ("sbatch", "srun", "squeue", "scontrol"):
        script = tmp_path / "bin" / command
        script.parent.mkdir(exist_ok=True)
        refuses = "echo 'sbatch: error: no such qos' >&2; echo 'sbatch: error: Invalid qos' >&2; exit 1"
        script.write_text(f"#!/bin/sh\n{refuses if command == 'sbatch' else ''}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    vitzero(f"root={tmp_path}", "job=sample", "sample.n=1")
    several = 'launcher.options=["qos=low","constraint=h200"]'
    code, _, err = vitzero(f"root={tmp_path}", "job=score", "launcher=slurm", several)
    assert (code, err) == (2, "vitzero: sbatch refused the jobs: sbatch: error: Invalid qos\n")


def test_a_job_is_cancelled_one_is_killed_and_the_same_command_ends_it(slurm, left_alone, tmp_path):
    build(tmp_path, "jobs=[sample,accuracy]")
    out = build(tmp_path, *SLURM, "jobs=[score,rank]", "score.block=1")
    assert "score: 8 blocks to be done: 8 in 8 jobs submitted, 0 queued or running" in out
    assert "rank: not now, score goes on." in out
    cancelled, killed = jobs_of(tmp_path, "score")[:2]
    until(lambda: killed in squeue("--format=%i", "--states=running"))
    subprocess.run(["scancel", cancelled], check=True)
    subprocess.run(["scancel", "--signal=KILL", killed], check=True)
    # What is queued or running is not submitted twice.
    again = build(tmp_path, *SLURM, "job=score", "score.block=1")
    assert "queued or running since earlier" in again and ", 0 queued or running" not in again
    until(lambda: not squeue("--format=%i"), 240)
    out = build(tmp_path, *SLURM, "jobs=[score,rank]", "score.block=1")
    if "submitted" in out:  # the two, unless the second command had seen them go
        until(lambda: not squeue("--format=%i"))
        out = build(tmp_path, *SLURM, "jobs=[score,rank]", "score.block=1")
    assert "nothing to do" in out and "autoformer-micro on digits, accuracies by supernet" in out
    same_tables(tmp_path, left_alone)
