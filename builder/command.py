"""The one application for every job: `python -m builder job=<...> key=value ...`, also `vitzero`.

Configuration is Hydra's, in `conf/`. Flags (`--help`, `--cfg job`, `--info defaults`) are Hydra's own.
"""

from __future__ import annotations

import difflib
import importlib
import itertools
import os
import re
import sys
import traceback
from dataclasses import is_dataclass, replace
from typing import Any, get_args, get_type_hints

import hydra
import torch
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import proxies
import spaces
from builder import launch
from builder.device import open_device
from builder.errors import BuilderError
from builder.interruption import Terminated, terminable
from builder.jobs import READERS
from builder.provenance import Run
from builder.settings import Settings, register
from builder.settings.launchers import LauncherSettings
from store import StoreError
from store.location import is_refusal

JOBS = (
    "sample",
    "accuracy",
    "score",
    "rank",
    "noise",
    "analyse",
    "layers",
    "search",
    "release",
    "status",
    "retry",
    "compact",
)
_USER_MISTAKES = (
    BuilderError,
    StoreError,
    spaces.SpaceError,
    proxies.ProxyError,
    HydraException,
    OmegaConfBaseException,
    OSError,
)


def main() -> None:
    """Run the jobs that the command line asks for; a user's mistake is one line and exit code 2."""
    register()
    flags = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    overrides = [argument for argument in sys.argv[1:] if "=" in argument]
    try:
        if {"-m", "--multirun"} & set(flags):
            raise BuilderError("One command is one run. For several, give a list: score.seeds=[0,1,2].")
        configs = [_compose(chosen) for chosen in each(overrides if flags else sys.argv[1:])]
        if not flags:
            with terminable():
                for config in configs:
                    build(config)
        else:
            with terminable():
                hydra.main(version_base="1.3", config_path="pkg://conf", config_name="build")(build)()
    except KeyboardInterrupt:
        sys.exit("Interrupted. The same command goes on from here.")
    except Terminated:
        print("Terminated. The same command goes on from here.", file=sys.stderr)
        raise
    except Exception as error:
        if not isinstance(error, _USER_MISTAKES) and not is_refusal(error):
            raise
        if os.environ.get("VITZERO_DEBUG") == "1":
            traceback.print_exc()
        print(f"vitzero: {one_line(error)}", file=sys.stderr)
        sys.exit(2)


def each(overrides: list[str]) -> list[list[str]]:
    """Return the overrides once for each choice of `task=a,b` and `space=c,d`, every one with every other."""
    split = [
        [f"{key}={one}" for one in value.split(",")] if key in ("task", "space") else [override]
        for override in overrides
        for key, _, value in [override.partition("=")]
    ]
    return [list(chosen) for chosen in itertools.product(*split)]


def _compose(overrides: list[str]) -> DictConfig:
    added = [override for override in overrides if override.startswith("+")]
    if added:
        raise BuilderError(f"{added[0]} adds a key that nothing reads. --cfg job prints the keys there are.")
    try:
        with hydra.initialize_config_module("conf", version_base="1.3"):
            return hydra.compose("build", overrides=overrides)
    except ValueError as error:  # Hydra's own, for overrides such as task=null
        raise BuilderError(f"{error}.") from None
    except (AttributeError, AssertionError):  # OmegaConf's, for a key below one that is null
        raise BuilderError(
            "An override sets a key of a group that is null here. Choose what has it first, as "
            "protocol=published for protocol.published, launcher=local for launcher.workers, "
            "task=spherical_cifar100 for task.spherical."
        ) from None


def build(config: DictConfig) -> None:
    """Run a composed configuration's jobs one after another, each a run of its own."""
    settings = checked(config)
    # Where others do the work, this machine may have no such device.
    device = open_device(settings) if settings.launcher is None else torch.device("cpu")
    for job in settings.jobs:
        if job not in JOBS:
            raise BuilderError(f"Unknown job '{job}'. Known: {', '.join(JOBS)}.")
    going_on: list[str] = []
    for job in settings.jobs:
        run, left = Run(job, settings, device), settings
        if settings.launcher is not None and settings.dry_run:
            launch.foretell(job, settings, run)
            continue
        _note(job, settings, run)
        if settings.launcher is not None:
            if not launch.share_out(job, settings, run):
                going_on.append(job)
                continue
            left = replace(settings, retry_failed=False)  # what failed of this job was tried again
        if job in READERS and going_on:
            what = " and ".join(going_on)
            print(f"{job}: not now, {what} goes on. Give the same command again when it is done.")
        else:
            _do(job, left, run)


def _note(job: str, settings: Settings, run: Run) -> None:
    """Note what is wanted of a job, for job=status."""
    if job in launch.SHARED and not settings.dry_run:
        wanted = launch.SHARED[job].wanted(settings, run)
        if wanted is not None:
            wanted.note(run.root)


def _do(job: str, settings: Settings, run: Run) -> None:
    # A search's libraries take most of a second to import, for which all other jobs would wait.
    work = importlib.import_module(f"builder.jobs.{job}").run
    if job in (*READERS, "compact", "retry") or settings.dry_run:
        work(settings, run)
    else:
        with run, run.heard():
            work(settings, run)


def checked(config: DictConfig) -> Settings:
    """Return the configuration as settings, once what can be told without work is found right.

    Unknown keys and wrong types Hydra has refused; missing values, unknown spaces and proxies are refused
    here.
    """
    settings: Settings = OmegaConf.to_object(config)  # type: ignore[assignment]
    spaces.get(settings.space.name)
    proxies.resolve(settings.proxies.names)
    return settings


def one_line(error: Exception) -> str:
    """Return an error as one line that says what was wrong, where, and what to do.

    Hydra's messages take several lines, with the reason in the second and the choices below.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    group = re.search(r"Could not find '(\w+)/([^']*)'", " ".join(lines[:2]))
    if group:
        choices = [line for line in lines[2:] if re.fullmatch(r"[\w-]+(?<!_settings)", line)]
        return f"Unknown {group[1]} '{group[2]}'. {_suggest(group[2], choices)}"
    key = re.match(r"Could not override '([^']*)'", lines[0])
    if key:
        owner = getattr(error.__cause__, "object_type", None)
        if isinstance(owner, type) and issubclass(owner, LauncherSettings):
            # Settings know of a launcher only what all of them have.
            suggestion = _suggest(key[1].removeprefix("launcher."), [*get_type_hints(owner)], "launcher.")
        else:
            suggestion = _suggest(key[1], _keys(Settings))
        return f"Unknown key '{key[1]}'. {suggestion}"
    missing = [line.partition(":")[2].strip() for line in lines[1:] if line.startswith("full_key:")]
    if "missing mandatory value" in lines[0] and missing:
        return f"{missing[0]} is not set. Give it as {missing[0]}=value."
    reason = str(error.__cause__).splitlines()[0] if error.__cause__ else "".join(lines[1:2])
    return f"{lines[0].rstrip('.')}: {reason}" if reason else lines[0]


def _suggest(name: str, known: list[str], group: str = "") -> str:
    """Return the known name that is meant, or else all of them; they are told with the group before them."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean '{group}{close[0]}'?"
    return f"Known: {', '.join(group + name for name in sorted(known))}."


def _keys(settings: Any, prefix: str = "") -> list[str]:
    """Return every key of the settings with the keys above it, as it is overridden."""
    found = []
    for name, kind in get_type_hints(settings).items():
        below = [part for part in (kind, *get_args(kind)) if is_dataclass(part)]
        found += _keys(below[0], f"{prefix}{name}.") if below else [f"{prefix}{name}"]
    return found
