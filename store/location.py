"""Where a benchmark lies: a folder of a disk, or of an object store."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from store.errors import StoreError

# What opens addresses, as fsspec calls it, and the extra of this project that installs it.
STORES = ("botocore", "aiobotocore", "gcsfs", "huggingface_hub", "httpx", "httpx2")  # packages with errors
EXTRAS = {"s3": "s3", "gs": "gs", "gcs": "gs", "hf": "hf"}


def location(root: str | Path) -> Path:
    """Return a folder or file as a path, whether it is on a disk or an address such as s3://bucket/folder.

    An object store's path is universal_pathlib's, which does what a Path does. Raises StoreError when the
    packages for it are not installed.
    """
    scheme, separator, _ = str(root).partition("://")
    if not separator or is_remote(root):
        return Path(root) if isinstance(root, str) else root
    try:
        from upath import UPath

        # A listing is asked for anew each time: others write.
        return cast(Path, UPath(root, use_listings_cache=False))
    except (ImportError, ValueError) as error:
        extra = EXTRAS.get(scheme)
        cure = f"Run: pip install 'vit-zero-bench[{extra}]'" if extra else f"Known: {', '.join(EXTRAS)}."
        raise StoreError(f"{root} cannot be opened ({error}). {cure}") from None


def is_there(path: Path) -> bool:
    """Return whether there is such a folder or file. Raises the object store's error where none can tell.

    A path of an object store answers False to `is_dir` and `exists` when its network is down, too.
    """
    if not is_remote(path):
        return path.exists()
    try:
        path.fs.info(path.path)  # type: ignore[attr-defined]
    except FileNotFoundError:
        return False
    return True


def is_refusal(error: Exception) -> bool:
    """Return whether an error is an object store's own, as for a name or credentials that are wrong."""
    return type(error).__module__.partition(".")[0] in STORES


def is_remote(path: object) -> bool:
    """Return whether a path is one of an object store."""
    return not isinstance(path, str | Path)
