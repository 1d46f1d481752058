"""Pack the benchmark as a release: what the registry and the checkout know is told to the store."""

from __future__ import annotations

from importlib.metadata import version as installed
from pathlib import Path

import proxies
from builder.errors import BuilderError
from builder.provenance import Run, commit
from builder.settings import Settings
from store.location import is_there
from store.release.pack import pack


def run(settings: Settings, run: Run) -> None:
    """Write the release of the benchmark in root beside it, and print where it is and how large."""
    wanted = settings.release
    if wanted.version is None:
        raise BuilderError("release.version is not set. Give it as release.version=1.0.0.")
    if not is_there(run.root):
        raise BuilderError(f"No benchmark at {run.root}. Build one first, or give its folder as root=.")
    target = Path(wanted.target or run.root.with_name(f"{run.root.name}-{wanted.version}"))
    known = {
        name: {"principle": found.principle, "source": found.source, "data": found.data}
        for name in proxies.names()
        for found in [proxies.get(name)]
    }
    code = {"version": installed("vit-zero-bench"), "commit": commit() or "not known"}
    pack(run.root, target, wanted.version, known, code, wanted.previous)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"release: {wanted.version} in {target}, {size / 1e6:.1f} MB")
