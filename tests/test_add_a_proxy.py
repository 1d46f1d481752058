"""One new file, the README's own example, then `make docs`, and nothing else: the proxy is everywhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from leaderboard.__main__ import APP

ROOT = Path(__file__).parent.parent
FOLDERS = ("bench", "builder", "conf", "leaderboard", "proxies", "spaces", "store", "tests")
TINY = (
    "sample.n=6",
    "protocol.recipe.epochs=2",
    "protocol.recipe.warmup_epochs=1",
    "protocol.recipe.batch_size=256",
    "score.batch_size=8",
    "rank.draws=50",
)


# A proxy that reads no weight: what a network is made of.
MODULES = '''"""Modules: how many a network is made of."""

from proxies.probe import Probe
from proxies.registry import proxy


@proxy("modules", principle="complexity", source="this test", data="none")
def modules(probe: Probe) -> float:
    """Count the modules.

    Formula: number of modules.
    Range and direction: at least 1; higher is better.
    Source: this test.
    Deviations: none.
    """
    return len(list(probe.network.modules()))
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with a file more for each of two proxies."""
    copy = tmp_path_factory.mktemp("project")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "oracle"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    (example,) = re.findall(
        r"```python\n(\"\"\"Gradient range.*?)```", (ROOT / "README.md").read_text(), re.S
    )
    (copy / "proxies" / "gradient_based" / "grad_range.py").write_text(example)
    (copy / "proxies" / "gradient_free" / "modules.py").write_text(MODULES)
    (copy / "docs").mkdir()
    (copy / "docs" / "proxies.md").write_text(run(copy, "proxies"))
    return copy


def run(project, *command):
    """Run a Python module in the copy, and return what it printed."""
    environment = os.environ | {"PYTHONPATH": str(project), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=project, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_documented(project):
    assert "## grad_range\n" in (project / "docs" / "proxies.md").read_text()


def test_it_is_tested_by_existing(project):
    tests = run(project, "pytest", "--collect-only", "tests/proxies/test_contract.py")
    assert "test_documentation_is_complete[grad_range]" in tests
    files = [f"tests/proxies/test_{name}.py" for name in ("contract", "failures", "page")]
    run(project, "pytest", "-q", *files, "-k", "grad_range or modules or test_failures or test_page")


def test_it_is_benchmarked(project):
    options = ("--space", "autoformer-micro", "--image", "32", "--batch", "2", "--architectures", "1")
    assert "\ngrad_range " in run(project, "bench.proxies", *options)


def test_it_is_configured_scored_ranked_and_on_the_page(project, tmp_path, monkeypatch):
    printed = run(project, "builder", f"root={tmp_path}", *TINY)
    assert re.search(r"^ +\d+ grad_range +\S+", printed, re.MULTILINE), printed
    monkeypatch.setattr(sys, "argv", [str(APP), str(tmp_path)])
    page = AppTest.from_file(str(APP), default_timeout=60).run()
    assert not page.exception
    assert "grad_range" in set(page.dataframe[0].value["proxy"])
