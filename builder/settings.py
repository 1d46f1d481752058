"""What a run is told, typed: Hydra checks every configuration against it. `conf/` holds the values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from hydra.core.config_store import ConfigStore

from builder.errors import BuilderError
from builder.training.augment import Augmentation

PRECISIONS = ("float32", "bfloat16")
TARGETS = ("classes", "probabilities", "values", "permutation", "segments", "image")


def _at_least(least: float, section: str, **values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not least <= value < math.inf:  # NaN is not
            raise BuilderError(f"{section}{name} is {value}, expected at least {least:g}.")


def _seeds(name: str, *seeds: int) -> None:
    for seed in seeds:
        if not 0 <= seed < 2**63:
            raise BuilderError(f"{name} has {seed}, expected 0 to 2^63 - 1.")


def _file_name(name: str, value: str) -> None:
    """Refuse a name that could not be part of a file's."""
    if not re.fullmatch(r"[\w.-]+", value):
        raise BuilderError(f"{name} is '{value}', expected letters, digits, '_', '.' and '-'.")


@dataclass
class SpaceSettings:
    """Which space; the shape of its networks is the task's."""

    name: str


@dataclass
class Columns:
    """The names of a source's columns; a split column only where one file holds several splits."""

    image: str = "image"
    label: str = "label"
    split: str | None = None


@dataclass
class Splits:
    """What the source calls the split to train on and the split to test on; no test: carved from train."""

    train: str = "train"
    test: str | None = "test"


@dataclass
class SphericalSettings:
    """How images are thrown on a sphere and turned; `builder/spherical.py` does it.

    bandwidth:           half the rows and columns of the images that come out.
    source_side:         pixels a side of the images that go in; others are scaled to it.
    images_per_rotation: how many images in a row of the source share one rotation.
    rescale:             stretch to 0..255 every `channel` by its own range, or all by their `joint` one.
    seed:                of the rotations.
    """

    bandwidth: int = 30
    source_side: int = 32
    images_per_rotation: int = 1
    rescale: str = "channel"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        sizes = {"bandwidth": self.bandwidth, "source_side": self.source_side}
        _at_least(1, "task.spherical.", images_per_rotation=self.images_per_rotation, **sizes)
        if self.rescale not in ("channel", "joint"):
            raise BuilderError(f"task.spherical.rescale is '{self.rescale}', expected channel or joint.")


@dataclass
class TaskSettings:
    """A data set with a target: where its images come from, how they are cut and shown to a network.

    hub, hub_config, revision: a data set of the hub, its configuration, and the commit to load; no revision:
                               the newest, whose hash is then printed.
    hub_files:                 a pattern of its Parquet files with {split} in it, where they lie beside others
                               that are no part of the task.
    target:                    what a network is to say: classes, probabilities of classes, values,
                               the permutation of a puzzle, segments (a class a pixel) or an image.
    domain:                    what Taskonomy calls the target; its images lie in a local folder.
    """

    name: str
    title: str
    classes: int
    image_size: int
    patch_size: int
    channels: int
    mean: list[float]
    std: list[float]
    licence: str
    citation: str
    hub: str | None = None
    hub_config: str | None = None
    hub_files: str | None = None
    revision: str | None = None
    builtin: str | None = None
    path: str | None = None
    columns: Columns = field(default_factory=Columns)
    splits: Splits = field(default_factory=Splits)
    split_seed: int = 0
    validation_fraction: float = 0.1
    test_fraction: float = 0.0
    flip: bool = True
    spherical: SphericalSettings | None = None
    target: str = "classes"
    domain: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        if self.target not in TARGETS:
            raise BuilderError(f"task.target is '{self.target}', expected one of {', '.join(TARGETS)}.")
        _at_least(1, "task.", classes=self.classes, image_size=self.image_size, patch_size=self.patch_size)
        _at_least(0, "task.", validation_fraction=self.validation_fraction, test_fraction=self.test_fraction)
        if self.channels not in (1, 3):
            raise BuilderError(f"task.channels is {self.channels}, expected 1 (grey) or 3 (colour).")
        if self.validation_fraction + self.test_fraction >= 1:
            raise BuilderError("task.validation_fraction and task.test_fraction leave no images to train on.")
        if not len(self.mean) == len(self.std) == self.channels:
            raise BuilderError(
                f"task.mean and task.std need one number for each of {self.channels} channels; "
                f"got {len(self.mean)} and {len(self.std)}."
            )
        if self.hub_files is not None and "{split}" not in self.hub_files:
            raise BuilderError(
                f"task.hub_files is '{self.hub_files}', expected {{split}} in it: else every split has one "
                "split's images."
            )
        if not min(self.std) > 0:
            raise BuilderError(f"task.std is {list(self.std)}, expected deviations above 0.")


@dataclass
class Recipe:
    """How weights are trained. Every field changes the result, so every field is part of the recipe's id.

    ema:  share of the old in the running average of the weights that is evaluated; 0: no average.
    hold: steps that a supernet keeps one drawn architecture for.
    """

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_epochs: float
    label_smoothing: float
    clip_norm: float
    ema: float
    hold: int
    precision: str
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        _file_name("protocol.recipe.name", self.name)
        _at_least(1, "protocol.recipe.", epochs=self.epochs, batch_size=self.batch_size, hold=self.hold)
        rates = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        _at_least(0, "protocol.recipe.", warmup_epochs=self.warmup_epochs, **rates)
        _at_least(0, "protocol.recipe.", label_smoothing=self.label_smoothing, clip_norm=self.clip_norm)
        if self.label_smoothing > 1:
            raise BuilderError(f"protocol.recipe.label_smoothing is {self.label_smoothing}, expected 0 to 1.")
        if not 0 <= self.ema < 1:
            raise BuilderError(f"protocol.recipe.ema is {self.ema}, expected 0 (no average) to below 1.")
        if self.precision not in PRECISIONS:
            raise BuilderError(
                f"protocol.recipe.precision is '{self.precision}', expected {' or '.join(PRECISIONS)}."
            )


@dataclass
class Where:
    """Which rows of a table count: those whose column has this value; null: all."""

    column: str | None = None
    value: str | None = None


@dataclass
class Published:
    """Published accuracies: those of a source that is known here, or a table of the user's own.

    importer: a source that we know; null: the table that path, accuracy, genome and source describe.
    path:     local file, or folder of an importer's files; null: fetched from the importer's address.
    recipe:   name of the rows in the tables; with an importer only its recipe of that name, null: all.
    sha256:   checksums of genomes and accuracies that are right, beside those the importer knows.
    check:    whether a column that no known factor explains is refused.
    """

    genome: dict[str, str]
    importer: str | None = None
    path: str | None = None
    accuracy: str | None = None
    source: str | None = None
    recipe: str | None = None
    scale: float = 100.0
    where: Where = field(default_factory=Where)
    sha256: list[str] = field(default_factory=list)
    check: bool = True

    def __post_init__(self) -> None:
        """Refuse a table that is not described, one described twice, and a scale that nothing divides by."""
        described = {"accuracy": self.accuracy, "source": self.source}
        if self.importer is None:
            for name, value in {"path": self.path, **described, "recipe": self.recipe}.items():
                if not value:
                    raise BuilderError(
                        f"protocol.published.{name} is not set. Give it as protocol.published.{name}=value, "
                        "or name a source that is known here with protocol.published.importer=."
                    )
        for name, value in {**described, "where.column": self.where.column}.items():
            if self.importer is not None and value is not None:
                raise BuilderError(
                    f"protocol.published.{name} describes a table of your own; "
                    f"protocol.published.importer={self.importer} knows its columns. Leave one of them out."
                )
        if self.scale <= 0:
            raise BuilderError(
                f"protocol.published.scale is {self.scale:g}, expected what the column calls 100 %."
            )


@dataclass
class ProtocolSettings:
    """How an accuracy is got: `supernet`, `scratch` and `finetune` have a recipe, `published` has a table.

    With a `checkpoint`, `supernet` inherits the weights of that file and trains nothing; `finetune` needs one
    to begin from.
    """

    name: str
    recipe: Recipe | None = None
    checkpoint: str | None = None
    published: Published | None = None

    def __post_init__(self) -> None:
        """Refuse a checkpoint that nothing would be inherited from, and a tuning of nothing."""
        if self.checkpoint is None and self.name == "finetune":
            raise BuilderError("protocol.checkpoint is not set. Give it as protocol.checkpoint=value.")
        if self.checkpoint is not None and self.name not in ("supernet", "finetune"):
            raise BuilderError(
                f"protocol.checkpoint is for protocol=supernet and protocol=finetune; protocol={self.name} "
                "inherits no weights."
            )


@dataclass
class ProxySettings:
    """Which proxies, with their options in brackets; the word `all` means every one of the registry.

    interval: tenths of the depth, as in "3-7", for names that refer to it.
    """

    names: list[str]
    interval: str = "0-9"

    def __post_init__(self) -> None:
        """Refuse an empty list, which would score nothing and say nothing."""
        if not self.names:
            raise BuilderError("proxies.names is empty. Name some, or take proxies=all.")


@dataclass
class SampleSettings:
    """How many architectures, drawn with which seed, within which numbers of parameters.

    importer: draw among the networks that a source scored; path: local copy of its file, or a folder.
    """

    n: int
    seed: int
    params_low: float | None = None
    params_high: float | None = None
    importer: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        _at_least(1, "sample.", n=self.n)
        _seeds("sample.seed", self.seed)


@dataclass
class AccuracySettings:
    """Training seeds, how many architectures (null: all), and how many a part file holds (null: ten minutes).

    curve_epochs: epochs between two points of a learning curve; null: the end alone.
    workers:      processes that train architectures side by side.
    """

    seeds: list[int]
    architectures: int | None
    block: int | None
    checkpoint_seconds: float
    evaluation_batch_size: int
    curve_epochs: int | None
    workers: int

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        sizes = {"block": self.block, "evaluation_batch_size": self.evaluation_batch_size}
        _at_least(1, "accuracy.", architectures=self.architectures, **sizes)
        _at_least(1, "accuracy.", curve_epochs=self.curve_epochs, workers=self.workers)
        _at_least(0, "accuracy.", checkpoint_seconds=self.checkpoint_seconds)
        _seeds("accuracy.seeds", *self.seeds)
        _at_least(1, "the number of ", **{"accuracy.seeds": len(self.seeds)})


@dataclass
class ScoreSettings:
    """Seeds, mini-batch, how many architectures (null: all), how many a part file holds (null: ten minutes).

    memory_gib: bound on what a forward pass keeps for the backward passes; null: none.
    importer:   a source of published scores to import, and nothing is computed; path: local file, or folder.
    """

    seeds: list[int]
    batch_size: int
    architectures: int | None
    block: int | None
    memory_gib: float | None
    importer: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        _at_least(1, "score.", batch_size=self.batch_size, architectures=self.architectures, block=self.block)
        _at_least(1, "the number of ", **{"score.seeds": len(self.seeds)})
        _seeds("score.seeds", *self.seeds)
        if self.memory_gib is not None and not self.memory_gib > 0:
            raise BuilderError(f"score.memory_gib is {self.memory_gib}; expected a number above 0, or null.")


@dataclass
class LayersSettings:
    """Whose layers are measured, with which seeds; on which half of the accuracies an interval is fitted.

    architectures: only the first so many; null: all. block: architectures in a part file.
    draws:         bootstrap draws of the interval around rho. halves_seed: of the halves, and of the draws.
    """

    seeds: list[int]
    architectures: int | None
    block: int
    draws: int
    halves_seed: int

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        _at_least(1, "layers.", architectures=self.architectures, block=self.block, draws=self.draws)
        _at_least(0, "layers.", halves_seed=self.halves_seed)
        _at_least(1, "the number of ", **{"layers.seeds": len(self.seeds)})


@dataclass
class SearchSettings:
    """What is searched how: every strategy by every ranker, once a seed, with random search beside it.

    strategies: with their options in brackets, as in "evolution[population=20]".
    rankers:    proxies, combiners of `proxies.names`, or accuracy.
    budget:     architectures a search may evaluate. seconds: time its evaluations may take; null: open.
    among:      candidates from the whole `space`, or only the architectures of the `table`.
    protocol, recipe: of the accuracies to search by and to report; null: the only ones there.
    fitted_on:  root of the benchmark that combiners which look at accuracies are fitted on; null: this one.
    draws:      bootstrap draws of the interval around the gain over random search.
    """

    strategies: list[str]
    rankers: list[str]
    budget: int
    seconds: float | None
    seeds: list[int]
    among: str
    protocol: str | None
    recipe: str | None
    fitted_on: str | None
    draws: int

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        _at_least(1, "search.", budget=self.budget, draws=self.draws)
        if self.seconds is not None and not self.seconds > 0:
            raise BuilderError(f"search.seconds is {self.seconds}; expected a number above 0, or null.")
        if self.among not in ("space", "table"):
            raise BuilderError(f"search.among is '{self.among}', expected space or table.")
        for name in ("strategies", "rankers", "seeds"):
            _at_least(1, "the number of ", **{f"search.{name}": len(getattr(self, name))})


@dataclass
class RetrySettings:
    """Which failed rows job=retry takes out: those with this status, task, proxy, and text in their message.

    Null: any.
    """

    status: str | None
    task: str | None
    proxy: str | None
    message: str | None


@dataclass
class RankSettings:
    """Bootstrap draws and their seed; whose scores; whether on the architectures all proxies scored."""

    draws: int
    seed: int
    scores_from: str | None
    shared: bool

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        _at_least(1, "rank.", draws=self.draws)
        _seeds("rank.seed", self.seed)


@dataclass
class ReleaseSettings:
    """Version of the release, its folder (null: beside root), and the release before it, to compare with."""

    version: str | None
    target: str | None
    previous: str | None


@dataclass
class LauncherSettings:
    """Who does a job's blocks instead of this process; the fields are those of every launcher.

    workers: processes, jobs of an array or actors side by side; null: what the launcher finds best.
    """

    name: str
    workers: int | None

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        _at_least(1, "launcher.", workers=self.workers)


@dataclass
class LocalSettings(LauncherSettings):
    """Processes of this machine, one for each GPU, or else for each core or as many as `threads` says."""


@dataclass
class SlurmSettings(LauncherSettings):
    """What sbatch is told of an array of jobs; null leaves it to the cluster.

    minutes:        time limit of a job. signal_seconds: how long before it a job is told to save and requeue.
    requeues:       how often a job that reached its limit is queued again.
    minutes_of_work: blocks of how much time one job does, as far as it is known.
    jobs:           the most jobs of one array: the cluster's MaxArraySize less one.
    folder:         of the jobs' logs, which all nodes must see; null: `launches` in the root, or in the
                    working folder where the root is no folder.
    setup:          shell lines before Python starts.
    options:        further long options of sbatch, as in [qos=low].
    """

    partition: str | None
    account: str | None
    gres: str | None
    cpus: int
    memory_gib: float | None
    minutes: int
    signal_seconds: int
    requeues: int
    minutes_of_work: float
    jobs: int
    folder: str | None
    setup: list[str]
    options: list[str]

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        super().__post_init__()
        _at_least(1, "launcher.", cpus=self.cpus, minutes=self.minutes, jobs=self.jobs)
        _at_least(0, "launcher.", signal_seconds=self.signal_seconds, requeues=self.requeues)
        _at_least(0, "launcher.", minutes_of_work=self.minutes_of_work, memory_gib=self.memory_gib)
        for option in self.options:
            if not re.fullmatch(r"[a-z][a-z-]*(=.*)?", option):
                raise BuilderError(
                    f"launcher.options has '{option}', expected a long option such as qos=low."
                )


@dataclass
class RaySettings(LauncherSettings):
    """Actors of a Ray cluster. address: null takes that of the environment, or the cluster of this machine.

    gpus, cpus: that one actor holds.
    """

    address: str | None
    gpus: float | None
    cpus: float

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use."""
        super().__post_init__()
        _at_least(0, "launcher.", gpus=self.gpus, cpus=self.cpus)


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
        _at_least(1, "", threads=self.threads)
        if self.score.importer is not None and self.launcher is not None:
            raise BuilderError("score.importer imports and computes nothing; leave the launcher out.")
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
