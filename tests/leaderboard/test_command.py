"""The command `vitzero-leaderboard`, and what the room imports."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import leaderboard
from leaderboard.__main__ import main
from store.release.locate import SAMPLE

MODULES = [one.name for one in pkgutil.walk_packages(leaderboard.__path__, "leaderboard.")]


def test_a_bad_path_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "leaderboard", "--release", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("No benchmark at")


def test_it_serves_what_it_was_told_to(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = []
    monkeypatch.setattr("leaderboard.__main__.serve", lambda *told: served.append(told) or 0)
    monkeypatch.chdir(benchmark.parent)
    assert main(["--release", "planted", "--port", "9"]) == 0
    assert main(["planted", "--address", "0.0.0.0", "--base-path", "board"]) == 0
    assert served == [
        (Path("planted"), 9, "127.0.0.1", ""),
        (Path("planted"), 8501, "0.0.0.0", "board"),
    ]


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="There is no sample in this package")
def test_without_an_argument_it_serves_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    served = []
    monkeypatch.setattr("leaderboard.__main__.serve", lambda *told: served.append(told[0]) or 0)
    assert main([]) == 0
    assert served == [SAMPLE]


def test_the_room_needs_no_torch() -> None:
    assert "leaderboard.page.yours" in MODULES and "leaderboard.unpack" in MODULES
    imports = "".join(f"import {name}\n" for name in MODULES)
    check = "import sys; sys.exit(bool({'torch', 'timm', 'builder', 'spaces', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", imports + check], timeout=60, check=False)
    assert done.returncode == 0
