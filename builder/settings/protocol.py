"""How an accuracy is got: the protocol, its recipe, or the table it is published in."""

from __future__ import annotations

from dataclasses import dataclass, field

from builder.errors import BuilderError
from builder.settings.checks import at_least, file_name
from builder.training.augment import Augmentation

PRECISIONS = ("float32", "bfloat16")


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
        file_name("protocol.recipe.name", self.name)
        at_least(1, "protocol.recipe.", epochs=self.epochs, batch_size=self.batch_size, hold=self.hold)
        rates = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        at_least(0, "protocol.recipe.", warmup_epochs=self.warmup_epochs, **rates)
        at_least(0, "protocol.recipe.", label_smoothing=self.label_smoothing, clip_norm=self.clip_norm)
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
