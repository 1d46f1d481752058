"""Small releases, made once."""

from pathlib import Path

import pytest

from tests.store.release.releasable import write_release


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Release 1.0.0 of the planted benchmark. Not to be changed."""
    return write_release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Release 1.1.0, of other numbers."""
    return write_release(tmp_path_factory.mktemp("other"), "1.1.0", seed=1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is fetched to, or found in, the user's own folder."""
    monkeypatch.setenv("VITZERO_HOME", str(tmp_path / "cache"))
    for name in ("HF_TOKEN", "HF_ENDPOINT", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"
