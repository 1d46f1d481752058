"""Publishing a release to the Hugging Face hub, once and for ever."""

import os
import subprocess
from pathlib import Path

from store.benchmark import Benchmark
from store.errors import StoreError
from store.location import is_refusal
from store.release.locate import Public
from store.release.manifest import NAME, Manifest, sha256
from store.release.verify import Report, verify


def publish(
    path: str | Path,
    repository: str,
    *,
    token: str | None = None,
    private: bool = False,
    report: Report = lambda done, total: None,
) -> Public:
    """Upload a release as one commit of a data set on the hub, tag it, and return where it is.

    path:       folder of the release
    repository: "owner/name"; made when missing
    token:      with the right to write; None: what `hf auth login` or $HF_TOKEN says
    private:    make the repository a private one, where it is made
    report:     called while files are hashed before

    Refused, with nothing uploaded: what `verify` finds wrong, rows or a release made by code that is in no
    commit, a checkout with uncommitted changes, a version that is published already. The hub is $HF_ENDPOINT
    where that is set. Raises StoreError.
    """
    folder = Path(path)
    manifest = Manifest.read(folder)
    _refuse(folder, manifest, report)
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise StoreError("publish needs huggingface_hub. In the checkout: pip install '.[build]'") from None
    hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    tag = f"v{manifest.version}"
    try:
        hub.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        refs = hub.list_repo_refs(repository, repo_type="dataset")
        if tag in {found.name for found in refs.tags}:
            raise StoreError(f"{repository} has {tag} already, and a release is never changed. Pack another.")
        commit = hub.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=folder,
            delete_patterns="*",
            commit_message=f"Data {manifest.version}",
        )
        hub.create_tag(repository, repo_type="dataset", tag=tag, revision=commit.oid)
    except Exception as error:
        if not (is_refusal(error) or isinstance(error, OSError)):
            raise
        reason = " ".join(str(error).split())
        raise StoreError(
            f"{repository}: the hub refused ({reason[:300]}). Check its name and the token."
        ) from None
    return Public(repository, commit.oid, sha256(folder / NAME))


def _refuse(folder: Path, manifest: Manifest, report: Report) -> None:
    """Raise StoreError for what must not be published."""
    found = verify(folder, report=report)
    if found:
        raise StoreError(f"{folder} is no sound release: {' '.join(found)}")
    if not _committed(manifest.code.get("commit")):
        raise StoreError(f"{folder} was packed by code that is in no commit. Commit it and pack again.")
    with Benchmark.open(folder) as release:
        runs = release.connection.query('SELECT run_id, "commit" FROM runs ORDER BY run_id').to_pylist()
    dirty = [run["run_id"] for run in runs if not _committed(run["commit"])]
    if dirty:
        raise StoreError(
            f"{folder}: {len(dirty)} runs computed rows with code that is in no commit: "
            f"{', '.join(dirty[:5])}. Commit it and run them again."
        )
    changes = uncommitted(Path(__file__).resolve().parents[2])
    if changes:
        raise StoreError(
            f"The checkout has uncommitted changes: {', '.join(changes[:5])}. Commit them first."
        )


def uncommitted(folder: Path) -> list[str]:
    """What differs from the commit in a checkout; nothing where the folder is none."""
    command = ["git", "status", "--porcelain"]
    try:
        answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [line[3:] for line in answer.stdout.splitlines()]


def _committed(commit: str | None) -> bool:
    """Whether this names a commit, without the + of code that differs from it."""
    return commit is not None and len(commit) == 40 and all(digit in "0123456789abcdef" for digit in commit)
