"""Accuracies as they are asked for: one row a training, their means over seeds, their curves."""

import pyarrow as pa

from store.schema import ACCURACIES, REAL, TEXT, WHOLE, column

SPACE = column("space", TEXT, "name", "search space of the architecture", nullable=True)
_MEANT = [ACCURACIES.schema.field(name) for name in ("arch_id", "task", "protocol", "recipe", "split")]
_MEASURED = [ACCURACIES.schema.field(name) for name in ("seed", "epoch", "accuracy", "loss")]

TRAININGS = pa.schema([SPACE, *ACCURACIES.schema])
CURVES = pa.schema([SPACE, *_MEANT, *_MEASURED])
MEANS = pa.schema(
    [
        SPACE,
        *_MEANT,
        column(
            "accuracy",
            REAL,
            "fraction",
            "mean over training seeds, each at its largest epoch; null where none succeeded",
            nullable=True,
        ),
        column(
            "accuracy_std",
            REAL,
            "fraction",
            "sample standard deviation over those seeds; null for fewer than two",
            nullable=True,
        ),
        column("seeds", WHOLE, "count", "training seeds that succeeded"),
    ]
)
