"""Get the true accuracy of architectures, by the protocol asked for, into the table of accuracies."""

from __future__ import annotations

from builder.errors import BuilderError
from builder.plan import Block, Wanted, Work
from builder.protocols import alone, estimate, finetune, published, scratch, supernet
from builder.protocols.rows import of_accuracies
from builder.provenance import Run
from builder.settings import Settings

PROTOCOLS = {
    "finetune": finetune.run,
    "published": published.run,
    "scratch": scratch.run,
    "supernet": supernet.run,
}


def run(settings: Settings, run: Run) -> None:
    """Run the protocol `protocol.name`, or estimate how long it would take (`dry_run`).

    Protocols are never mixed, their rows carry its name.
    """
    name = settings.protocol.name
    if name not in PROTOCOLS:
        raise BuilderError(f"Unknown protocol '{name}'. Known: {', '.join(PROTOCOLS)}.")
    if not settings.dry_run:
        PROTOCOLS[name](settings, run)
    elif name == "published":
        raise BuilderError("protocol=published only reads a table: there is nothing to estimate.")
    else:
        estimate.run(settings, run)


def blocks(settings: Settings, run: Run) -> list[Block]:
    """Return what the table lacks, in blocks; none of a protocol that only reads a table."""
    match settings.protocol.name:
        case "supernet":
            return supernet.blocks(settings, run)
        case "scratch" | "finetune":
            return alone.blocks(settings, run)
        case _:
            return []


def wanted(settings: Settings, run: Run) -> Wanted | None:
    """Return all that is wanted of the table, done or not; None of a protocol that only reads a table."""
    if settings.protocol.name == "published":
        return None
    return of_accuracies(settings, run)


def worker(settings: Settings, run: Run) -> Work:
    """Return what does a block of the protocol."""
    workers = {"finetune": finetune.worker, "scratch": scratch.worker, "supernet": supernet.worker}
    return workers[settings.protocol.name](settings, run)
