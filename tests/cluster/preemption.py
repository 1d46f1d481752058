"""A whole day of a cluster in three minutes, on a real Slurm: `python -m tests.cluster.preemption`.

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
# A minute is the shortest limit that Slurm has; the signal comes half a minute before it, or earlier.
SLURM = ("launcher=slurm", "launcher.cpus=1", "launcher.minutes=1", "launcher.signal_seconds=30")
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
    log(build(root, *SLURM, *told).strip())
    wait()
    lines = "\n".join(path.read_text() for path in sorted((root / "launches").glob("*_log.err")))
    signals = [line for line in lines.splitlines() if "Caught signal" in line or "Requeued" in line]
    log(f"the queue is empty; {len(signals)} lines of the job's log tell of its limit:")
    print("\n".join(f"          {line}" for line in signals))
    outs = "\n".join(path.read_text() for path in sorted((root / "launches").glob("*_log.out")))
    print("\n".join(f"          {line}" for line in outs.splitlines() if "goes on after epoch" in line))


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
