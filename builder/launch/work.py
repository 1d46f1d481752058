"""What a worker does, whoever launched it: blocks, each as a run of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from builder.device import open_device
from builder.jobs import accuracy, layers, score
from builder.plan import FILLS, Block
from builder.provenance import Run
from builder.settings import Settings
from store.location import is_there, location
from store.write import replacing

# The jobs of `plan.FILLS`.
SHARED: dict[str, ModuleType] = {"accuracy": accuracy, "score": score, "layers": layers}


def work(settings: Settings, blocks: Sequence[Block], done: Callable[[], object] = lambda: None) -> None:
    """Do blocks one after another; one whose part is there already is left out.

    done: called after each architecture.

    Two workers on the same block waste the time of one and harm nothing: they write the same part.
    """
    device, root = open_device(settings), location(settings.root)
    for block in blocks:
        if _exists(settings, block):
            continue
        with _reported(root, block), Run(block.job, settings, device, block) as run, run.heard():
            SHARED[block.job].worker(settings, run)(block, done)


def _exists(settings: Settings, block: Block) -> bool:
    """Return whether a block's part is there; where what failed is tried again, that says nothing."""
    path = location(settings.root) / FILLS[block.job] / f"{block.name}.parquet"
    return block.size > 0 and not settings.retry_failed and is_there(path)


@contextmanager
def _reported(root: Path, block: Block) -> Iterator[None]:
    """Leave what ended a block in `errors/`, for job=status to show; a block that is done leaves nothing."""
    path = root / "errors" / f"{block.name}.txt"
    try:
        yield
    except Exception:
        with replacing(path) as temporary:
            temporary.write_text(traceback.format_exc())
        raise
    path.unlink(missing_ok=True)
