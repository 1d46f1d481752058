"""Workers of a Slurm cluster: arrays of jobs, all submitted at once through submitit."""

from __future__ import annotations

import contextlib
import getpass
import io
import json
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit

from builder.costs import Costs
from builder.errors import BuilderError
from builder.interruption import terminable
from builder.launch import stages
from builder.launch.work import work
from builder.plan import Block
from builder.settings import Settings
from builder.settings.launchers import SlurmSettings
from store.location import is_remote, location
from store.write import part_name, replacing

waits = False


@dataclass
class Share:
    """The blocks of one job of an array: called by it, and again after it was queued again."""

    settings: Settings
    blocks: list[Block]

    def __call__(self) -> None:
        """Do the blocks. SIGTERM, which Slurm sends before it preempts, ends them with their rows written."""
        with terminable():
            work(self.settings, self.blocks)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Return what to do when the job is queued again: the same, less the parts that are there.

        submitit asks near the time limit, requeues the job and ends it by SystemExit, on whose way out rows
        and checkpoints are written. The SIGTERM that comes with the requeueing must not cut that short.
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return submitit.helpers.DelayedSubmission(self)


def launch(settings: Settings, job: str, blocks: Sequence[Block], costs: Costs) -> None:
    """Submit what is not queued or running already, and say where it can be watched."""
    wanted = settings.launcher
    assert isinstance(wanted, SlurmSettings)
    for command in ("sbatch", "srun", "squeue", "scontrol"):
        if shutil.which(command) is None:
            raise BuilderError(
                f"launcher=slurm needs {command}, which is not here. Is this a node of the cluster?"
            )
    folder = _folder(settings, wanted)
    known = _queued(folder)
    there = {block.name: known[block.name] for block in blocks if block.name in known}
    submitted = 0
    before: set[str] = set()
    for stage in stages(blocks):
        new = [block for block in stage if block.name not in there]
        shares = _shares(costs, wanted, new)
        ids = {there[block.name] for block in stage if block.name in there}
        for start in range(0, len(shares), wanted.jobs):
            ids |= set(_submit(settings, wanted, folder, job, shares[start : start + wanted.jobs], before))
        submitted += len(shares)
        before |= ids
    print(
        f"{job}: {len(blocks)} blocks to be done: {len(blocks) - len(there)} in {submitted} jobs submitted, "
        f"{len(there)} queued or running since earlier. Logs in {folder}; job=status shows how it goes."
    )


def workers(settings: Settings) -> int | None:
    """Return how many jobs run at a time, where the command says so."""
    return settings.launcher.workers if settings.launcher else None


def _folder(settings: Settings, wanted: SlurmSettings) -> Path:
    if wanted.folder is not None:
        return Path(wanted.folder).expanduser().absolute()
    root = location(settings.root)
    return (Path() if is_remote(root) else root).absolute() / "launches"


def _shares(costs: Costs, wanted: SlurmSettings, blocks: Sequence[Block]) -> list[list[Block]]:
    """Deal blocks to jobs: as many as make the minutes of work of one, and one at least."""
    shares: list[list[Block]] = []
    room = 0.0
    for block in blocks:
        seconds = costs.seconds(block)
        if not shares or seconds is None or seconds > room:
            shares.append([])
            room = 60 * wanted.minutes_of_work
        shares[-1].append(block)
        room -= seconds or 0
    return shares


def _submit(
    settings: Settings,
    wanted: SlurmSettings,
    folder: Path,
    job: str,
    shares: Sequence[list[Block]],
    after: Iterable[str],
) -> list[str]:
    """Submit one array and note which job does which blocks; return the ids of its jobs."""
    executor = submitit.SlurmExecutor(folder, max_num_timeout=wanted.requeues)
    executor.update_parameters(**_parameters(wanted, f"vitzero-{job}", sorted(after)))
    try:
        # submitit prints what sbatch says before it raises it.
        with contextlib.redirect_stderr(io.StringIO()), executor.batch():
            jobs = [executor.submit(Share(settings, share)) for share in shares]
    except (submitit.core.utils.FailedJobError, subprocess.CalledProcessError) as error:
        raise BuilderError(f"sbatch refused the jobs: {_reason(error)}") from None
    blocks = {one.job_id: [block.name for block in share] for one, share in zip(jobs, shares, strict=True)}
    name = part_name("jobs", job, keys=[block.name for share in shares for block in share])
    with replacing(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(blocks))
    return list(blocks)


def _parameters(wanted: SlurmSettings, name: str, after: Sequence[str]) -> dict[str, Any]:
    """Return what submitit is to tell sbatch."""
    split = [option.partition("=") for option in wanted.options]
    options = {key: value if equals else True for key, equals, value in split}
    found: dict[str, Any] = {
        "job_name": name,
        "time": wanted.minutes,
        "cpus_per_task": wanted.cpus,
        "signal_delay_s": wanted.signal_seconds,
        "additional_parameters": {"requeue": True, **options},
        "setup": wanted.setup or None,
        "partition": wanted.partition,
        "account": wanted.account,
        "gres": wanted.gres,
        "mem": None if wanted.memory_gib is None else f"{round(1024 * wanted.memory_gib)}M",
        # submitit's own default would hold a large cluster back.
        "array_parallelism": wanted.workers or wanted.jobs,
    }
    if after:
        # What can never begin is not left in the queue: the same command submits it again.
        found["additional_parameters"] |= {"kill-on-invalid-dep": "yes"}
        found["dependency"] = "afterok:" + ":".join(after)
    return {key: value for key, value in found.items() if value is not None}


def _queued(folder: Path) -> Mapping[str, str]:
    """Return the blocks that jobs of earlier commands will do or are doing, with the ids of the jobs."""
    command = ["squeue", "--noheader", "--array", f"--user={getpass.getuser()}", "--format=%i"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except subprocess.CalledProcessError as error:
        raise BuilderError(f"squeue does not answer: {_reason(error)}") from None
    alive = set(said.split())
    found: dict[str, str] = {}
    for path in sorted(folder.glob("jobs-*.json")):
        for job_id, names in json.loads(path.read_text()).items():
            if job_id in alive:
                found |= dict.fromkeys(names, job_id)
    return found


def _reason(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return (str(said).strip().splitlines() or [type(error).__name__])[-1]
