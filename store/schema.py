"""The tables of a benchmark: their columns with unit and meaning, their keys, their allowed statuses.

This is the only definition; the writer validates against it and the reader refuses files that differ from it.
"""

from dataclasses import dataclass

import pyarrow as pa

from store.errors import unknown

SCHEMA_VERSION = 2

ACCURACY_STATUSES = ("ok", "error")
SCORE_STATUSES = ("ok", "nan", "inf", "empty", "oom", "error")
RUN_STATUSES = ("running", "done", "failed")
SEARCH_STATUSES = ("running", "done")

TEXT = pa.string()
WHOLE = pa.int64()
REAL = pa.float64()
INSTANT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Table:
    """One table: its name, the columns that identify a row, its Arrow schema, and what `status` may say.

    name:     the folder its part files lie in
    key:      the columns that are never null and that two facts never share
    schema:   Arrow schema; each field carries `unit` and `meaning`, the whole carries version and table name
    statuses: allowed values of the column `status`; empty where the table has no such column
    measured: the column that holds a number exactly when status is "ok"; None where there is none
    """

    name: str
    key: tuple[str, ...]
    schema: pa.Schema
    statuses: tuple[str, ...] = ()
    measured: str | None = None


def column(name: str, kind: pa.DataType, unit: str, meaning: str, nullable: bool = False) -> pa.Field:
    """One column. unit: "text", "JSON", "count", "fraction" (checked: 0..1), "seconds", ...: one word."""
    return pa.field(name, kind, nullable=nullable, metadata={"unit": unit, "meaning": meaning})


def _table(
    name: str,
    key: tuple[str, ...],
    columns: list[pa.Field],
    statuses: tuple[str, ...] = (),
    measured: str | None = None,
) -> Table:
    about = {"schema_version": str(SCHEMA_VERSION), "table": name}
    return Table(name, key, pa.schema(columns, metadata=about), statuses, measured)


ARCH_ID = column(
    "arch_id", TEXT, "hex", "identity of the architecture: 16 hex digits of blake2b over space and genome"
)
TASK = column("task", TEXT, "name", "data set with a target, an image size and a metric")
RUN_ID = column("run_id", TEXT, "name", "run that wrote this row; see table runs")

ARCHITECTURES = _table(
    "architectures",
    ("arch_id",),
    [
        ARCH_ID,
        column("space", TEXT, "name", "search space the architecture belongs to"),
        column("genome", TEXT, "JSON", "the choices that make the architecture, canonical: sorted keys"),
        column(
            "params",
            WHOLE,
            "count",
            "trainable parameters, with the classifier head of the space's reference task",
        ),
        column(
            "macs",
            WHOLE,
            "count",
            "multiply-accumulates of one forward pass of one image at the space's reference input",
        ),
        column(
            "sample_seed",
            WHOLE,
            "seed",
            "seed of the sampler that drew it; null when imported",
            nullable=True,
        ),
        column(
            "sample_index",
            WHOLE,
            "position",
            "position in that sample, from 0; null when imported",
            nullable=True,
        ),
        RUN_ID,
    ],
)

ACCURACIES = _table(
    "accuracies",
    ("arch_id", "task", "protocol", "recipe", "seed", "split", "epoch"),
    [
        ARCH_ID,
        TASK,
        column(
            "protocol",
            TEXT,
            "name",
            "how the weights were got: published, supernet, scratch or finetune; never mixed",
        ),
        column("recipe", TEXT, "name", "training recipe within the protocol; recipes are never mixed"),
        column("seed", WHOLE, "seed", "seed of the training"),
        column("split", TEXT, "name", "part of the data set the accuracy was measured on, such as test"),
        column(
            "epoch",
            WHOLE,
            "count",
            "epochs trained when measured; the largest of a training is its final one",
        ),
        column(
            "accuracy",
            REAL,
            "fraction",
            "images classified rightly, top 1, or of another target its metric, higher is better: of a "
            "regression minus its loss; null when status is not ok",
            nullable=True,
        ),
        column(
            "loss",
            REAL,
            "nats",
            "mean cross-entropy per image; null when not measured or not finite",
            nullable=True,
        ),
        column(
            "images",
            WHOLE,
            "count",
            "images it was measured on; null when the source does not say",
            nullable=True,
        ),
        column(
            "seconds",
            REAL,
            "seconds",
            "wall time for this architecture alone: its training where it was trained alone, "
            "its evaluation where it inherited weights; null when imported",
            nullable=True,
        ),
        column(
            "source",
            TEXT,
            "text",
            "where the number is from: this project's run, or the published file or paper",
        ),
        column("status", TEXT, "status", "ok, or error when the training or measurement failed"),
        column("message", TEXT, "text", "why it failed; null when it did not", nullable=True),
        RUN_ID,
    ],
    statuses=ACCURACY_STATUSES,
    measured="accuracy",
)

SCORES = _table(
    "scores",
    ("arch_id", "task", "proxy", "seed"),
    [
        ARCH_ID,
        TASK,
        column("proxy", TEXT, "name", "zero-cost proxy; higher is meant to be better"),
        column("seed", WHOLE, "seed", "seed of initial weights, mini-batches and draws"),
        column(
            "value",
            REAL,
            "score",
            "what the proxy says, in the proxy's own unit; null when status is not ok",
            nullable=True,
        ),
        column("status", TEXT, "status", "ok, or why there is no value: nan, inf, empty, oom, error"),
        column("message", TEXT, "text", "the reason in words; null when ok", nullable=True),
        column(
            "seconds",
            REAL,
            "seconds",
            "price: the passes it needs, with whatever others of the run collect in them, and its own part",
            nullable=True,
        ),
        column(
            "marginal_seconds",
            REAL,
            "seconds",
            "added cost in this run, where passes were shared; the sum over proxies is the price of all",
            nullable=True,
        ),
        column(
            "peak_bytes",
            WHOLE,
            "bytes",
            "peak memory of the passes it needs; null when not measured",
            nullable=True,
        ),
        column("batch_size", WHOLE, "count", "images in a mini-batch"),
        column("image_size", WHOLE, "pixels", "side of the square input image"),
        RUN_ID,
    ],
    statuses=SCORE_STATUSES,
    measured="value",
)

LAYERS = _table(
    "layers",
    ("arch_id", "task", "seed", "layer"),
    [
        ARCH_ID,
        TASK,
        column("seed", WHOLE, "seed", "seed of initial weights and mini-batch"),
        column("layer", TEXT, "name", "dotted name of the layer in the network"),
        column("place", WHOLE, "position", "place of the layer in forward order, from 0"),
        column(
            "depth_percentile",
            WHOLE,
            "decile",
            "tenth of the depth the layer lies in: 0 at the input, 9 at the output",
        ),
        column("params", WHOLE, "count", "weights of the layer; biases do not count"),
        column(
            "log_sigma_mean",
            REAL,
            "log",
            "mean over the layer's weights of the log of sigma, the standard deviation over samples of the "
            "absolute gradient; null when status is not ok",
            nullable=True,
        ),
        column(
            "log_sigma_std", REAL, "log", "standard deviation of that log over the weights", nullable=True
        ),
        column(
            "lambda_term",
            REAL,
            "log",
            "log of the sum over the layer's weights of 1 / sigma: L-SWAG's Lambda is the sum of these terms "
            "over the layers of an interval",
            nullable=True,
        ),
        column("status", TEXT, "status", "ok, or why there are no numbers: nan, inf, empty, oom, error"),
        column("message", TEXT, "text", "the reason in words; null when ok", nullable=True),
        column("batch_size", WHOLE, "count", "samples: images of the mini-batch"),
        RUN_ID,
    ],
    statuses=SCORE_STATUSES,
    measured="log_sigma_mean",
)

SEARCHES = _table(
    "searches",
    ("search_id",),
    [
        column("search_id", TEXT, "hex", "identity of the search: of all that decides what it does"),
        column("space", TEXT, "name", "search space that was searched"),
        TASK,
        column("strategy", TEXT, "name", "how candidates were proposed, with options other than the usual"),
        column("ranker", TEXT, "name", "what ordered the candidates: a proxy, a combiner, or accuracy"),
        column("seed", WHOLE, "seed", "seed of the strategy's draws"),
        column("among", TEXT, "name", "where candidates came from: the space, or the table of architectures"),
        column("params_low", REAL, "count", "fewest parameters allowed; null when open", nullable=True),
        column("params_high", REAL, "count", "most parameters allowed; null when open", nullable=True),
        column("budget", WHOLE, "count", "architectures the ranker could be asked about"),
        column(
            "budget_seconds",
            REAL,
            "seconds",
            "time the evaluations could take; null when open",
            nullable=True,
        ),
        column("evaluations", WHOLE, "count", "architectures the ranker was asked about, each once"),
        column("evaluated", pa.list_(TEXT), "hex", "arch_id of every architecture evaluated, in that order"),
        column(
            "evaluated_values",
            pa.list_(REAL),
            "score",
            "what the ranker said of each, at the end of the search; null where it failed",
        ),
        column("evaluated_seconds", pa.list_(REAL), "seconds", "what each evaluation took"),
        column(
            "arch_id",
            TEXT,
            "hex",
            "architecture found; null when no evaluation succeeded",
            nullable=True,
        ),
        column("value", REAL, "score", "what the ranker said of the architecture found", nullable=True),
        column(
            "accuracy",
            REAL,
            "fraction",
            "accuracy of the architecture found; null when not measured",
            nullable=True,
        ),
        column("protocol", TEXT, "name", "protocol of that accuracy; null without accuracies", nullable=True),
        column("recipe", TEXT, "name", "recipe of that accuracy; null without accuracies", nullable=True),
        column(
            "seconds",
            REAL,
            "seconds",
            "time of the evaluations: building networks and computing scores; where a score was in the "
            "table already, the price noted there",
        ),
        column("gpu_days", REAL, "days", "those seconds in days of one GPU; null on a CPU", nullable=True),
        column("device", TEXT, "text", "device it ran on"),
        column(
            "status", TEXT, "status", "running, or done; one that is running goes on when it is started again"
        ),
        RUN_ID,
    ],
    statuses=SEARCH_STATUSES,
)

RUNS = _table(
    "runs",
    ("run_id",),
    [
        column("run_id", TEXT, "name", "identity of the run"),
        column("job", TEXT, "name", "job that ran: sample, accuracy, score, layers, search, release"),
        column("config", TEXT, "JSON", "the whole composed configuration"),
        column("commit", TEXT, "hex", "git commit of the code; null outside a checkout", nullable=True),
        column("packages", TEXT, "JSON", "version of each package that can change a number"),
        column("host", TEXT, "name", "machine"),
        column("device", TEXT, "text", "device the tensors were on"),
        column(
            "started", INSTANT, "UTC", "when the run began; of two rows with one key, the later run's counts"
        ),
        column("ended", INSTANT, "UTC", "when it ended; null while running or after a kill", nullable=True),
        column("status", TEXT, "status", "running, done or failed"),
        column(
            "images",
            WHOLE,
            "count",
            "images shown to networks, in training and evaluation, each as often as it was shown; a training "
            "counts for the run that ended it; null where no accuracy was measured",
            nullable=True,
        ),
        column(
            "seconds",
            REAL,
            "seconds",
            "time of those trainings and evaluations, summed over workers",
            nullable=True,
        ),
        column("images_per_second", REAL, "rate", "images over seconds: of one worker", nullable=True),
        column(
            "peak_bytes",
            WHOLE,
            "bytes",
            "largest memory torch held on the device for one worker; null on a CPU",
            nullable=True,
        ),
    ],
    statuses=RUN_STATUSES,
)

TABLES: dict[str, Table] = {
    table.name: table for table in (ARCHITECTURES, ACCURACIES, SCORES, LAYERS, SEARCHES, RUNS)
}


def table(name: str) -> Table:
    """The table called `name`. Raises StoreError with the closest name when there is none."""
    if name not in TABLES:
        raise unknown("table", name, TABLES)
    return TABLES[name]
