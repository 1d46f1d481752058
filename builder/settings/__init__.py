"""What a run is told, typed: Hydra checks every configuration against it. `conf/` holds the values."""

from __future__ import annotations

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore

from builder.errors import BuilderError
from builder.settings.checks import at_least
from builder.settings.jobs import (
    AccuracySettings,
    LayersSettings,
    ProxySettings,
    RankSettings,
    ReleaseSettings,
    RetrySettings,
    SampleSettings,
    ScoreSettings,
    SearchSettings,
)
from builder.settings.launchers import LauncherSettings, LocalSettings, RaySettings, SlurmSettings
from builder.settings.protocol import ProtocolSettings
from builder.settings.task import SpaceSettings, TaskSettings


@dataclass
class Settings:
    """Everything one command is told."""

    jobs: list[str]
    root: str
    device: str
    threads: int | None
    retry_failed: bool
    dry_run: bool
    space: SpaceSettings
    task: TaskSettings
    protocol: ProtocolSettings
    proxies: ProxySettings
    sample: SampleSettings
    accuracy: AccuracySettings
    score: ScoreSettings
    rank: RankSettings
    layers: LayersSettings
    search: SearchSettings
    release: ReleaseSettings
    retry: RetrySettings
    launcher: LauncherSettings | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use, and a dry run of what has none."""
        at_least(1, "", threads=self.threads)
        if self.score.importer is not None and self.launcher is not None:
            raise BuilderError("score.importer imports and computes nothing; leave the launcher out.")
        if self.accuracy.workers > 1 and self.launcher is not None:
            raise BuilderError(
                f"accuracy.workers is {self.accuracy.workers} beside launcher={self.launcher.name}, whose "
                "workers train one network at a time each. Set launcher.workers instead."
            )
        if self.dry_run and self.launcher is None and self.jobs != ["accuracy"]:
            raise BuilderError(
                "dry_run=true measures job=accuracy alone; add job=accuracy. With a launcher it estimates "
                "every job by what earlier rows took."
            )


def register() -> None:
    """Tell Hydra what a configuration has to be."""
    store = ConfigStore.instance()
    store.store("settings", Settings)
    for schema in (LocalSettings, SlurmSettings, RaySettings):
        name = schema.__name__.removesuffix("Settings").lower()
        store.store(f"{name}_settings", schema, group="launcher")
