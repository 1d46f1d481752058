"""Run a piece of the release queue on a GPU machine without a network.

`python -m bench.gpu_queue <piece> --images FOLDER --root FOLDER --tables FOLDER --out FOLDER`

A piece is one command of at most nine minutes. It runs a benchmark or an ordinary job, ends it in order when
its minutes are over, judges what is there, and packs what is new for the way home; the same command goes on.
The last line says `PIECE <name>: done`, `unfinished` (exit code 3) or `FAILED` (1). `bench/gpu_queue.md` is
the queue.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.metadata
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import hydra
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hydra.core.config_store import ConfigStore

from bench.packing import new_files, pack, packed, unpack
from bench.piece_check import Verdict, check
from bench.pieces import KINDS, OF_CONVOLUTIONAL, SCORES, TASKS, Piece, checklist, pieces
from builder.command import checked
from builder.errors import BuilderError
from builder.interruption import terminable
from builder.protocols.rows import Ledger
from builder.protocols.supernet import checkpoint_path
from builder.provenance import Run
from builder.settings import Settings
from store import StoreError

# What a job may take to end in order, once it is told to: a supernet writes half a gigabyte first.
_SECONDS_TO_END = 45
_IMAGES = {"train": 50_000, "test": 10_000}
_PACKAGES = [
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pyarrow",
    "duckdb",
    "datasets",
    "dill",
    "multiprocess",
    "huggingface-hub",
    "fsspec",
    "xxhash",
    "hydra-core",
    "omegaconf",
    "antlr4-python3-runtime",
    "pillow",
    "tqdm",
]
_REHEARSED = ("threads=1", "sample.n=6")
# A recipe strong enough to be above guessing after a thousand images.
_REHEARSED_TRANSFORMERS = (
    "space=autoformer-micro",
    "protocol.recipe.warmup_epochs=1",
    "protocol.recipe.batch_size=32",
    "protocol.recipe.learning_rate=3e-3",
    "protocol.recipe.augmentation.mixup=0.1",
)
_REHEARSED_KINDS = {
    "supernet": ("accuracy.architectures=3",),
    "evaluate": (),
    "score": ("score.seeds=[0,1]", "score.batch_size=16", "score.block=1"),
    "convolutional": ("score.batch_size=24", "score.block=1"),
    "blind": ("score.batch_size=4", "score.block=1", "task.image_size=64"),
    "scratch": ("accuracy.architectures=3", "accuracy.seeds=[0,1]"),
}


def main() -> None:
    """Run a piece, or list or check the queue; exit code 0 done, 3 unfinished, 1 failed."""
    options = _options()
    known = pieces()
    unknown = [name for name in options.pieces if name not in known]
    if unknown or (not options.list and not options.check and len(options.pieces) != 1):
        print(f"gpu_queue: name one piece of: {', '.join(known)}", file=sys.stderr)
        sys.exit(2)
    if options.list:
        print(checklist())
        return
    # Of a supernet the evaluation brings the rows home.
    chosen = [known[name] for name in options.pieces or known]
    if options.check:
        chosen = [piece for piece in chosen if piece.kind not in ("", "supernet")]
    codes = [_report(piece, options) for piece in chosen]
    sys.exit(1 if 1 in codes else max(codes, default=0))


def _report(piece: Piece, options: argparse.Namespace) -> int:
    """Run or check a piece, print what was found, the line that counts last, and return the exit code."""
    try:
        verdict = gathered(piece, options) if options.check else run(piece, options)
    except (BuilderError, StoreError, OSError, pa.ArrowException) as error:
        verdict = Verdict(0, 0, [str(error)])
    for line in verdict.notes:
        print(f"  {line}")
    trial = " (dry run)" if options.dry_run else " (rehearsal)" if options.rehearse else ""
    print(verdict.line(f"{piece.name}{trial}"), flush=True)
    return verdict.exit_code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_queue", description=__doc__.splitlines()[0])
    parser.add_argument(
        "pieces", nargs="*", metavar="piece", help="one; with --check any number, default all"
    )
    parser.add_argument("--images", type=Path, default=Path("images"), help="folder of Parquet files")
    parser.add_argument("--root", type=Path, help="folder of the tables; default runs/release")
    parser.add_argument("--tables", type=Path, default=Path("tables"), help="archives that came back before")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of what comes back")
    parser.add_argument("--minutes", type=float, default=8.0, help="until the job is told to end")
    parser.add_argument("--list", action="store_true", help="print the queue and run nothing")
    parser.add_argument("--check", action="store_true", help="unpack and judge what came back, run nothing")
    parser.add_argument("--dry-run", action="store_true", help="print how long the training would take")
    parser.add_argument("--rehearse", action="store_true", help="few networks, few images, on a CPU")
    parser.add_argument("--architectures", type=int, help="with --rehearse: fewer or more than 6")
    parser.add_argument("--epochs", type=int, default=20, help="with --rehearse")
    parser.add_argument("--limit", type=int, default=1000, help="with --rehearse: training images")
    options = parser.parse_args()
    options.ends = time.monotonic() + 60 * options.minutes
    options.root = options.root or Path("runs/rehearsal" if options.rehearse else "runs/release")
    return options


def run(piece: Piece, options: argparse.Namespace) -> Verdict:
    """Run a piece until it is done or its minutes are over, judge it, and pack what is new."""
    if piece.name == "ready":
        return _ready(options)
    log = options.root / "logs" / f"{piece.name}.log"
    if piece.script:
        arguments = (*piece.script, *(piece.rehearsed if options.rehearse else ()))
        trouble = work(arguments, log, options, may_go_on=False)
        if not (options.rehearse or torch.cuda.is_available()):
            trouble.append("torch sees no CUDA device")
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{piece.name}.txt").write_text("\n".join(lines_of(log)) + "\n")
        return Verdict(0, 0, trouble, lines_of(log))
    if options.dry_run and piece.kind not in ("supernet", "scratch"):
        raise BuilderError("--dry-run is for pieces that train: supernet and scratch")
    _print_images(piece, options)
    overrides = told(piece, options)
    settings = composed(overrides)
    if piece.kind in (*SCORES, "scratch"):
        unpack(_packs(piece, options), options.root)
    if options.dry_run:
        jobs = ("jobs=[sample]",), ("jobs=[accuracy]", "dry_run=true")
        trouble = [t for job in jobs for t in work(("builder", *overrides, *job), log, options)]
        return Verdict(0, 0, trouble, lines_of(log))
    if piece.kind == "evaluate":
        _refuse_without_supernet(piece, settings)
    trouble = work(("builder", *overrides), log, options)
    verdict = check(options.root, settings)
    verdict.problems[:0] = trouble
    verdict.notes[:0] = lines_of(log)[-25:]
    for path in _bring_home(piece, settings, options, verdict):
        verdict.notes.append(f"{path.stat().st_size:,} bytes in {path}")
    return verdict


def gathered(piece: Piece, options: argparse.Namespace) -> Verdict:
    """Unpack what came back of a piece and judge it."""
    packs = _packs(piece, options)
    if piece.kind == "evaluate":
        rows = [{n: c for n, c in packed([p]).items() if n.startswith("accuracies/")} for p in packs]
        if any(found != rows[0] for found in rows):  # a piece that was repeated sends the same rows again
            raise StoreError(f"two supernets: of {', '.join(map(str, packs))} keep one")
    unpack(packs, options.root)
    return check(options.root, composed(told(piece, options)))


def told(piece: Piece, options: argparse.Namespace) -> list[str]:
    """Return what the builder is told."""
    files, apart = TASKS[piece.task]
    found = [*KINDS[piece.kind].overrides, f"space={piece.space}", f"task={piece.task}", *apart]
    if piece.draw:
        found.append(f"sample.n={piece.draw.n}")
        if piece.draw.file:
            path = options.tables / piece.draw.file
            found += ["sample.importer=nas_bench_suite_zero", f'sample.path="{path}"']
    if options.rehearse:
        found += _of_a_rehearsal(piece, options)
    if files:
        path = few_images(options, files) if options.rehearse else options.images / f"{files}_*.parquet"
        columns = [f"task.columns.{name}={name}" for name in ("image", "label", "split")]
        found += [f'task.path="{path}"', *columns]
    return [*found, f'root="{options.root}"']


def _of_a_rehearsal(piece: Piece, options: argparse.Namespace) -> list[str]:
    found = [*_REHEARSED, *_REHEARSED_KINDS[piece.kind]]
    if piece.kind not in OF_CONVOLUTIONAL:
        patch = 16 if "spherical" in piece.task else 8
        found += [*_REHEARSED_TRANSFORMERS, f"task.patch_size={patch}"]
        found.append(f"protocol.recipe.epochs={options.epochs}")
    if options.architectures:
        found.append(f"sample.n={options.architectures}")
    return found


def composed(overrides: list[str]) -> Settings:
    """Return what the builder makes of its overrides."""
    ConfigStore.instance().store("settings", Settings)
    with hydra.initialize_config_module("conf", version_base="1.3"):
        return checked(hydra.compose("build", overrides=overrides))


def work(
    arguments: Iterable[str], log: Path, options: argparse.Namespace, may_go_on: bool = True
) -> list[str]:
    """Run a module until it ends or has to; what it says goes to the log. Returns what went wrong."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as file, terminable():
        job = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=file, stderr=subprocess.STDOUT, env=environment
        )
        try:
            job.wait(max(1.0, options.ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            return [] if may_go_on else [f"it did not end within {options.minutes:g} minutes"]
        finally:
            _end(job)
    last = (lines_of(log) or ["silence"])[-1]
    return [] if job.returncode == 0 else [f"exit code {job.returncode}: {last}"]


def _end(job: subprocess.Popen[bytes]) -> None:
    """Tell a job to end if it has not, and make it where it does not listen."""
    if job.poll() is None:
        job.terminate()
        try:
            job.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            job.kill()
            job.wait()


def lines_of(log: Path) -> list[str]:
    """Return the lines of a log, of a progress bar its last state."""
    text = log.read_text(errors="replace") if log.exists() else ""
    lines = text.replace("\x1b[A", "").splitlines()  # how a bar moves the cursor to another
    kept: list[str] = []
    for line in filter(str.strip, lines):
        bar = "%|" in line and kept and "%|" in kept[-1]
        if bar and line.partition(":")[0] == kept[-1].partition(":")[0]:
            kept[-1] = line
        else:
            kept.append(line.rstrip())
    return kept


def _refuse_without_supernet(piece: Piece, settings: Settings) -> None:
    """Raise BuilderError when another supernet would be trained to evaluate what is missing."""
    if check(Path(settings.root), settings).complete:
        return
    run = Run("accuracy", settings, torch.device("cpu"))
    path = checkpoint_path(Ledger(settings, run, settings.accuracy.seeds[0]))
    if not path.exists():
        first = piece.name.replace("-evaluate", "-supernet")
        raise BuilderError(f"there is no {path}: run piece {first} before, on this machine")


def _packs(piece: Piece, options: argparse.Namespace) -> list[Path]:
    return sorted(options.tables.glob(f"{piece.name}-*.tar"))


def _bring_home(
    piece: Piece, settings: Settings, options: argparse.Namespace, verdict: Verdict
) -> list[Path]:
    """Pack the piece's rows that did not come back before, with the runs that wrote them.

    Of a supernet only when all is done: rows of two supernets must never meet.
    """
    if piece.kind == "supernet" or (piece.kind == "evaluate" and verdict.exit_code):
        return []
    root, space, task = options.root, settings.space.name, settings.task.name
    if piece.kind in SCORES:
        rows = sorted(root.glob(f"scores/{space}-{task}-seed*.parquet"))
    else:
        rows = sorted(root.glob(f"accuracies/{space}-{task}-{settings.protocol.name}-*.parquet"))
    packs = _packs(piece, options) if piece.kind != "evaluate" else []
    rows = new_files(root, rows, packs)
    if not rows:
        return []
    beside = [*root.glob(f"architectures/{space}-*.parquet"), *root.glob("runs/*.parquet")]
    if piece.kind == "evaluate":
        beside += root.glob(f"sanity/{space}-{task}-supernet-*.csv")
    return pack(root, [*rows, *new_files(root, beside, packs)], options.out, piece.name)


def _print_images(piece: Piece, options: argparse.Namespace) -> None:
    """Say which images are there; raise BuilderError when some of the piece's are not."""
    files = TASKS[piece.task][0]
    if files is None:
        return
    found: Counter[str] = Counter()
    for path in sorted(options.images.glob(f"{files}_*.parquet")):
        splits = Counter(pq.read_table(path, columns=["split"])["split"].to_pylist())
        found.update(splits)
        counted = ", ".join(f"{count:,} {split}" for split, count in splits.items())
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        print(f"  {path.name}: {counted}, sha256 {digest[:16]}")
    for split in KINDS[piece.kind].splits:
        if found[split] != _IMAGES[split]:
            raise BuilderError(
                f"{options.images} has {found[split]:,} images of {files} {split}, not {_IMAGES[split]:,}: "
                "send the files that are missing"
            )


def few_images(options: argparse.Namespace, files: str) -> Path:
    """Write the first images of every class to a file, a quarter as many for test as for training."""
    path = options.root / "images" / f"{files}_{options.limit}.parquet"
    if path.exists():
        return path
    columns = ["image", "label", "split"]
    tables = [pq.read_table(p, columns=columns) for p in sorted(options.images.glob(f"{files}_*.parquet"))]
    table = pa.concat_tables(tables)
    pairs = list(zip(table["split"].to_pylist(), table["label"].to_pylist(), strict=True))
    classes = len({label for _, label in pairs})
    most = {"train": options.limit // classes, "test": max(1, options.limit // (4 * classes))}
    taken: Counter[tuple[str, int]] = Counter()
    rows = []
    for row, pair in enumerate(pairs):
        taken[pair] += 1
        if taken[pair] <= most[pair[0]]:
            rows.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.take(rows), path)
    return path


def _ready(options: argparse.Namespace) -> Verdict:
    """Say what is installed and which images are there."""
    verdict = Verdict(0, 0)
    for name in _PACKAGES:
        try:
            verdict.notes.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            verdict.problems.append(f"{name} is not installed")
    try:
        importlib.import_module("datasets")  # the only one that checks what it stands beside as it is used
    except ImportError as error:
        verdict.problems.append(f"datasets cannot be used: {error}")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    verdict.notes.append(f"Python {sys.version.split()[0]}, {device}, {os.cpu_count()} cores")
    if device == "no GPU" and not options.rehearse:
        verdict.problems.append("torch sees no GPU")
    files = sorted(options.images.glob("*.parquet"))
    verdict.notes += [f"{path.name}: {pq.read_metadata(path).num_rows:,} images" for path in files]
    if not files:
        verdict.notes.append(f"no images in {options.images} yet")
    return verdict


if __name__ == "__main__":
    main()
