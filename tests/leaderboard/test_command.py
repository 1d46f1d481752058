"""The command `vitzero-leaderboard`, and what the room imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from leaderboard.__main__ import main

MODULES = "app, charts, filters, reading, state, __main__, page.ranking"


def test_a_bad_path_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "leaderboard", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("No benchmark at")


def test_without_a_path_the_usual_folders_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    assert "No benchmark at runs/demo or runs/benchmark." in capsys.readouterr().err
    Path("runs/benchmark").mkdir(parents=True)
    assert main([]) == 2
    assert "No benchmark at runs/benchmark: expected" in capsys.readouterr().err


def test_the_room_needs_no_torch() -> None:
    imports = "".join(f"import leaderboard.{name.strip()}\n" for name in MODULES.split(","))
    check = "import sys; sys.exit(bool({'torch', 'timm', 'builder', 'spaces'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", imports + check], timeout=60, check=False)
    assert done.returncode == 0
