"""Get the true accuracy of architectures, by the protocol asked for, into the table of accuracies."""

from __future__ import annotations

from builder.errors import BuilderError
from builder.protocols import finetune, published, scratch, supernet
from builder.provenance import Run
from builder.settings import Settings

PROTOCOLS = {
    "finetune": finetune.run,
    "published": published.run,
    "scratch": scratch.run,
    "supernet": supernet.run,
}


def run(settings: Settings, run: Run) -> None:
    """Run the protocol `protocol.name`; protocols are never mixed, their rows carry its name."""
    name = settings.protocol.name
    if name not in PROTOCOLS:
        raise BuilderError(f"Unknown protocol '{name}'. Known: {', '.join(PROTOCOLS)}.")
    PROTOCOLS[name](settings, run)
