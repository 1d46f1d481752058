"""A day of a cluster in minutes, on a real Slurm: `python -m tests.cluster.preemption`.

An array of twelve jobs, one cancelled and one killed, and a job that reaches its time limit; then the same
command once more. Prints what happens, and whether the tables are those of a single local process.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.cluster.conftest import CLUSTER, build, same_tables
from tests.cluster.test_slurm import jobs_of, squeue

SCORE = ("jobs=[score,rank]", "score.block=1")
SLURM = ("launcher=slurm", "launcher.cpus=1")
# The signal comes half a minute before the limit, or up to a minute earlier than that.
SHORT = ("launcher.minutes=3", "launcher.signal_seconds=30")
# So many epochs of a network alone that its training takes longer than one job may.
ALONE = ("job=accuracy", "protocol=scratch", "accuracy.architectures=1", "protocol.recipe.epochs={epochs}")


def wait() -> None:
    """Wait until the queue is empty."""
    while squeue("--format=%i"):
        time.sleep(1)


def log(text: str) -> None:
    """Print something that happened, with the seconds since the start."""
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", flush=True)


def array(root: Path) -> None:
    """Score through an array, with one job cancelled and one killed."""
    log(build(root, *SLURM, *SCORE).strip().replace("\n", "\n          "))
    cancelled, killed = jobs_of(root, "score")[:2]
    while killed not in squeue("--format=%i", "--states=running"):
        time.sleep(0.1)
    subprocess.run(["scancel", cancelled], check=True)
    subprocess.run(["scancel", "--signal=KILL", killed], check=True)
    log(f"scancel {cancelled}; kill -9 of {killed}")
    wait()
    log("the queue is empty; job=status:")
    print(build(root, "job=status"))
    log(build(root, *SLURM, *SCORE).strip().replace("\n", "\n          "))
    wait()


def time_limit(root: Path, epochs: int) -> None:
    """Train through a job that reaches its time limit and is queued again, until it is done."""
    told = [option.format(epochs=epochs) for option in ALONE]
    log(build(root, *SLURM, *SHORT, *told).strip())
    wait()
    log("the queue is empty; what the jobs' logs say of the limit:")
    told = ("Caught signal", "Requeued", "goes on after epoch")
    for path in sorted((root / "launches").glob("*_log.out")):
        lines = [line for line in path.read_text().splitlines() if any(word in line for word in told)]
        print("\n".join(f"          {line}" for line in lines), end="\n" if lines else "")


def main() -> None:
    """Run the scenario and compare."""
    with tempfile.TemporaryDirectory() as folder:
        cluster, one, many = (Path(folder, name) for name in ("slurm", "one", "many"))
        subprocess.run([CLUSTER, "start", cluster, "16837", "16838"], check=True)
        os.environ["SLURM_CONF"] = str(cluster / "slurm.conf")
        try:
            build(one, "jobs=[sample,accuracy,score]", "score.block=1")
            build(many, "jobs=[sample,accuracy]")
            array(many)
            out = build(many, *SLURM, *SCORE)
            log("the same command again: " + out.strip().splitlines()[0])
            epochs = int(os.environ.get("EPOCHS", "1500"))
            time_limit(many, epochs)
            log("the same training in one process, for comparison")
            build(one, *[option.format(epochs=epochs) for option in ALONE])
            same_tables(many, one)
            log("architectures, accuracies and scores are those of one local process, row by row")
        finally:
            subprocess.run([CLUSTER, "stop", cluster], check=True)


STARTED = time.monotonic()
if __name__ == "__main__":
    main()
