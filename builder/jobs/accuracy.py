"""Get the true accuracy of architectures, by the protocol asked for, into the table of accuracies."""

from __future__ import annotations

from builder.errors import BuilderError
from builder.protocols import estimate, finetune, published, scratch, supernet
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
